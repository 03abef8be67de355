"""The front-end code that the console serves itself: what the lock says, unchanged, and nothing from elsewhere."""

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[3] / "services/chart/adapters/web"
VENDOR = WEB / "static/vendor"
SUMS = {
    name: digest
    for digest, name in (line.split("  ") for line in (VENDOR / "SHA256SUMS").read_text("utf-8").splitlines())
}
HOSTS_NAMED = {"www.w3.org", "github.com", "vega.github.io"}
"""Names of XML namespaces, a schema and an issue: text in the code, fetched by nothing."""


def test_the_files_are_those_that_make_vendor_wrote() -> None:
    there = {path.name for path in VENDOR.iterdir()} - {"SHA256SUMS"}
    assert there == set(SUMS)
    assert {name: sha256((VENDOR / name).read_bytes()).hexdigest() for name in there} == SUMS


def test_they_are_of_the_versions_that_the_lock_names() -> None:
    wanted = json.loads((WEB / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    licences = (VENDOR / "LICENSES.txt").read_text("utf-8")
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
        assert re.search(rf"^{re.escape(name)} {re.escape(version)} \(", licences, re.M), f"{name}: run make vendor"


def test_the_lock_says_what_and_not_from_where() -> None:
    assert '"resolved"' not in (WEB / "package-lock.json").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(VENDOR.glob("*.js")), ids=lambda path: path.name)
def test_no_file_names_a_host_to_fetch_from(path: Path) -> None:
    text = path.read_text("utf-8")
    assert set(re.findall(r"https?://([\w.-]+)", text)) <= HOSTS_NAMED
    assert "sourceMappingURL" not in text
