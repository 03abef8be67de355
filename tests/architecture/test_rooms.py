"""The house rules that a machine can see: rooms, topic names, metric names, imports without an environment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from refrain.contracts.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists())
ROOMS = (
    "README.md",
    "__main__.py",
    "settings.py",
    "app.py",
    "metrics.py",
    "domain/__init__.py",
    "adapters/__init__.py",
)
SOURCES = [*(ROOT / "services").rglob("*.py"), *(ROOT / "refrain").rglob("*.py")]
METRIC = re.compile(r'(?:Counter|Gauge|Histogram)\(\s*"(?P<name>[^"]+)"')
LABELS = re.compile(r'(?:Counter|Gauge|Histogram)\(\s*"[^"]+",\s*"[^"]*",\s*\[(?P<labels>[^\]]*)\]')
BOUNDED = {
    "sender", "outcome", "reason", "kind", "code", "tier", "axis", "cause", "topic", "partition", "step", "method",
    "analyte", "rule_set", "state", "event", "listener", "channel", "age",
}  # fmt: skip
UNITS = ("total", "seconds", "bytes", "ratio", "records", "connections", "ready")


def test_there_are_services() -> None:
    assert {"intake", "flagging", "response", "relapse"} <= set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("room", ROOMS)
def test_every_service_has_the_same_rooms(service: str, room: str) -> None:
    assert (ROOT / "services" / service / room).is_file()


def test_a_topic_is_named_in_one_file_only() -> None:
    names = [topic.name for topic in TOPICS]
    offenders = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        if path.name != "topics.py" and "api" not in path.parts
        for name in names
        if re.search(rf"[\"']{re.escape(name)}", path.read_text(encoding="utf-8"))
    ]
    assert offenders == []


def test_every_reader_and_writer_of_a_topic_is_a_service() -> None:
    named = {service for topic in TOPICS for service in (*topic.written_by, *topic.read_by)}
    assert named <= set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_metric_names_say_whose_they_are_and_their_unit(service: str) -> None:
    text = (ROOT / "services" / service / "metrics.py").read_text(encoding="utf-8")
    names = METRIC.findall(text)
    assert names, "a service without metrics cannot be watched"
    for name in names:
        assert name.startswith(f"refrain_{service}_"), name
        assert name.endswith(UNITS), f"{name} does not end in its unit"


@pytest.mark.parametrize("service", SERVICES)
def test_the_page_of_a_service_names_each_of_its_metrics(service: str) -> None:
    names = METRIC.findall((ROOT / "services" / service / "metrics.py").read_text(encoding="utf-8"))
    page = (ROOT / "services" / service / "README.md").read_text(encoding="utf-8")
    assert {name for name in names if name.removeprefix(f"refrain_{service}_") not in page} == set()


@pytest.mark.parametrize("service", SERVICES)
def test_metric_labels_come_from_closed_sets(service: str) -> None:
    text = (ROOT / "services" / service / "metrics.py").read_text(encoding="utf-8")
    used = {label.strip(" \"'\n") for found in LABELS.findall(text) for label in found.split(",")} - {""}
    assert used <= BOUNDED


def test_every_module_imports_in_an_empty_environment() -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in SOURCES
        if path.name != "__main__.py" and "migrations" not in path.parts
    )
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    ran = subprocess.run(
        [sys.executable, "-c", script, *modules],
        env={"PATH": os.environ["PATH"]}, cwd="/", capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCES
        if not ("api" in path.parts and path.name.endswith(("_pb2.py", "_pb2_grpc.py")))
    }
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}
