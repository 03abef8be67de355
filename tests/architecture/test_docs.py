"""A page that names a file which is not there misleads; so does a make target that nobody can run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "services").glob("*/README.md")]
PATH = re.compile(r"`((?:services|refrain|protos|deploy|tests|docs)/[\w./-]+)`")
TARGET = re.compile(r"make ([a-z][a-z-]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = {path.rstrip("./") for path in PATH.findall(page.read_text(encoding="utf-8"))}
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    code = " ".join(re.findall(r"`[^`]*`|```.*?```", page.read_text(encoding="utf-8"), re.S))
    assert set(TARGET.findall(code)) <= targets
