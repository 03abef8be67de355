"""The local stack as an operator has it: up, watched, killed, replayed, down, with a Kafka of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from refrain.cli.assess import assess
from refrain.cli.demo.case import PATIENT, case, synthetic
from refrain.cli.demo.compared import compare
from refrain.cli.demo.outcome import Outcome, read_outcome
from refrain.cli.home import Home
from refrain.cli.programs import SERVICES
from refrain.cli.stack import Stack
from refrain.cli.supervision import ProcessState, supervised_by

pytestmark = pytest.mark.kafka
PATIENCE_SECONDS = 60
PROCESSES = ("kafka", "intake", "flagging-1", "response-1", "relapse-1", "notify", "chart")


@dataclass
class Operator:
    """Somebody at a keyboard, in a directory of their own."""

    directory: Path

    @property
    def home(self) -> Home:
        return Home(self.directory / ".refrain")

    @property
    def stack(self) -> Stack:
        return Stack(self.home)

    def refrain(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "REFRAIN_HOME", "CI"))
        }
        return subprocess.run(
            [sys.executable, "-m", "refrain.cli.main", *arguments], cwd=self.directory, env=kept | environment,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def process(self, name: str) -> ProcessState:
        return next(process for process in self.stack.supervisor.processes() if process.name == name)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    operator = Operator(tmp_path_factory.mktemp("operator"))
    try:
        yield operator
    finally:
        operator.refrain("down", "--wipe")


@pytest.fixture(scope="module")
def first_demo(operator: Operator) -> subprocess.CompletedProcess[str]:
    return operator.refrain("demo", RESPONSE_BATCH="1")  # every record by itself: decision 0006


@pytest.fixture(scope="module")
def outcome(operator: Operator, first_demo: subprocess.CompletedProcess[str]) -> Outcome:
    assert first_demo.returncode == 0, first_demo.stdout + first_demo.stderr
    return read_outcome(str(operator.stack.bootstrap), PATIENT.key, case().records())


def test_the_demo_agrees_with_what_was_published(first_demo: subprocess.CompletedProcess[str]) -> None:
    assert first_demo.returncode == 0, first_demo.stdout + first_demo.stderr
    assert "✗" not in first_demo.stdout
    assert first_demo.stdout.count("✓") > 40
    assert "case-dkrd-001: Intake took 13 messages" in first_demo.stdout
    for sentence in ("CRV after one cycle", "CRH after two cycles", "URINE_IFE_MISSING", "CR-PET", "IGG_LOW_SAFETY"):
        assert sentence in first_demo.stdout


def test_the_second_patient_relapses_is_corrected_and_relapses_again(
    operator: Operator, first_demo: subprocess.CompletedProcess[str]
) -> None:
    assert "synthetic-001: Intake took 42 messages" in first_demo.stdout
    assert "a message without a patient's number" in first_demo.stdout
    patient = synthetic()
    found = read_outcome(str(operator.stack.bootstrap), patient.patient.key, patient.records())
    assert compare(found, patient).troubles == []
    alone = {
        (alert["kind"], alert["tier"], alert["subject"])
        for alert in assess(patient.document)["alerts"]
        if alert["state"] in ("open", "amended")
    }
    waiting = {(one.kind, one.tier, one.subject) for one in found.alerts if one.state in ("open", "amended")}
    assert waiting == alone


def test_through_the_stack_and_without_kafka_the_flags_are_the_same(outcome: Outcome) -> None:
    alone = {
        flag["id"]: (flag["value"], flag["interpretation"], flag["low"], flag["high"], flag["range_source"])
        for flag in assess(case().document)["flags"]
    }
    streamed = {
        seen.name: (
            seen.nominal if seen.number is None else format(seen.number, "f"), list(seen.interpretation),
            *(None if limit is None else format(limit, "f") for limit in (seen.low, seen.high)), seen.view.range_source,
        )
        for seen in outcome.seen
    }  # fmt: skip
    assert streamed == alone


def test_through_the_stack_and_without_kafka_the_course_is_the_same(outcome: Outcome) -> None:
    alone = assess(case().document)["course"][-1]["axes"]
    [line] = outcome.snapshots[-1].lines
    keys = ("call", "candidate", "assessability", "confirmation", "best_response")
    streamed = {name.lower(): tuple(getattr(axis, key) for key in keys) for name, axis in line.axes.items()}
    assert streamed == {name: tuple(axis[key] for key in keys) for name, axis in alone.items()}
    assert {name.lower(): set(axis.reasons) for name, axis in line.axes.items()} == {
        name: set(axis["reasons"]) for name, axis in alone.items()
    }


def test_through_the_stack_and_without_kafka_the_alerts_are_the_same(outcome: Outcome) -> None:
    alone = {
        (alert["kind"], alert["tier"], alert["subject"], frozenset(alert["subjects"]))
        for alert in assess(case().document)["alerts"]
        if alert["state"] in ("open", "amended")
    }
    streamed = {
        (alert.kind, alert.tier, alert.subject, frozenset(alert.subjects))
        for alert in outcome.alerts
        if alert.state in ("open", "amended")
    }
    assert streamed == alone


def test_what_was_received_comes_back_character_for_character(outcome: Outcome) -> None:
    sent = {record["id"]: record["received"] for record in case().records() if record["code"] != "IFE_S"}
    back = {seen.name: seen.view.observation for seen in outcome.seen}
    assert {
        name: (one.value.text, one.value.unit_raw or None, one.range.text or None)
        for name, one in back.items()
        if name in sent
    } == {name: (received["value"], received["unit"], received["range"]) for name, received in sent.items()}


def test_run_twice_the_messages_are_known_and_the_course_is_the_same(
    operator: Operator, first_demo: subprocess.CompletedProcess[str], outcome: Outcome
) -> None:
    again = operator.refrain("demo")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Intake knew all 13 messages already" in again.stdout
    assert "Intake knew all 42 messages already" in again.stdout
    course = slice(first_demo.stdout.index("Results"), first_demo.stdout.index("The same questions"))
    assert first_demo.stdout[course] in again.stdout
    later = read_outcome(str(operator.stack.bootstrap), PATIENT.key, case().records())
    assert later.alert_events == outcome.alert_events


@pytest.mark.usefixtures("outcome")
def test_status_shows_every_process_its_ports_and_what_waits(operator: Operator) -> None:
    shown = operator.refrain("status")
    assert shown.returncode == 0, shown.stdout
    for word in (*PROCESSES, "mllp 127.0.0.1:", "http 127.0.0.1:", "waiting"):
        assert word in shown.stdout


def test_explain_says_which_rule_spoke(operator: Operator, outcome: Outcome) -> None:
    alert = next(alert for alert in outcome.alerts if alert.kind == "TREATABLE_FINDING")
    shown = operator.refrain("explain", str(alert.identifier))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "TREATABLE_FINDING" in shown.stdout
    assert "rule " in shown.stdout
    assert operator.refrain("explain", "00000000-0000-5000-8000-000000000000").returncode == 1


@pytest.mark.usefixtures("outcome")
def test_a_care_event_is_recorded_by_hand(operator: Operator) -> None:
    words = ["record", "infection", "name=influenza", "onset=2025-12-01", "--patient", "WEST|MR|0012345"]
    first, again = operator.refrain(*words), operator.refrain(*words)
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout, "saying the same thing again is the same event"


@pytest.mark.usefixtures("outcome")
def test_metrics_of_every_process_are_where_prometheus_looks(operator: Operator) -> None:
    targets = json.loads(operator.home.targets.read_text())
    assert {one["labels"]["service"] for one in targets} == set(SERVICES)
    for one in targets:
        with urlopen(f"http://{one['targets'][0]}/metrics", timeout=10) as page:
            assert f"refrain_{one['labels']['service']}_" in page.read().decode()


@pytest.mark.usefixtures("outcome")
def test_a_service_that_dies_is_started_again_at_the_same_ports_and_told(operator: Operator) -> None:
    before, ports = operator.process("flagging-1"), operator.stack.ports("flagging")
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    end = time.monotonic() + PATIENCE_SECONDS
    while (now := operator.process("flagging-1")).pid in (None, before.pid) or not now.running:
        assert time.monotonic() < end, f"it stayed {now}"
        time.sleep(0.2)
    assert now.deaths == 1
    assert operator.stack.ports("flagging") == ports
    assert "1× (last: terminated by SIGKILL)" in " ".join(operator.refrain("status").stdout.split())


@pytest.mark.usefixtures("outcome")
def test_down_leaves_nothing_running_and_wipe_nothing_behind(operator: Operator) -> None:
    cluster = (operator.home.kafka / "data" / "meta.properties").read_text()
    shown = operator.refrain("down")
    assert shown.returncode == 0, shown.stderr
    assert supervised_by(operator.home) == []
    assert (operator.home.kafka / "data" / "meta.properties").read_text() == cluster
    assert operator.refrain("down", "--wipe").returncode == 0
    assert not operator.home.path.exists()


@pytest.mark.usefixtures("outcome")
def test_a_port_in_use_is_a_sentence_and_nothing_is_left_running(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shown = operator.refrain("up", INTAKE_MLLP_PORT=str(port))
    assert shown.returncode == 1
    assert f"Port {port} (INTAKE_MLLP_PORT) is in use" in " ".join(shown.stderr.split())
    assert supervised_by(operator.home) == []


@pytest.mark.usefixtures("outcome")
def test_a_kafka_that_is_not_there_is_a_sentence(operator: Operator) -> None:
    shown = operator.refrain("up", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert shown.returncode == 1
    assert "No Kafka answers at 127.0.0.1:1" in " ".join(shown.stderr.split())
    assert supervised_by(operator.home) == []
    assert not operator.stack.is_up()
