"""The process as an operator runs it: its commands, its doors while Kafka is away, its end."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from kafka.errors import KafkaError

from refrain.contracts.events import CareEvent, Infection, PatientId
from refrain.contracts.topics import CARE_EVENTS
from refrain.runtime.leaving import ExitCode
from refrain.runtime.produce import Outgoing, Producer
from services.chart.__main__ import main
from services.chart.adapters.web.security import cookie_name
from services.chart.adapters.web.sessions import csrf_of

from .conftest import form_of

PHRASE = "seven quiet herons"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a chart whose Kafka does not answer."""
    return {
        "PATH": os.environ["PATH"], "CHART_LEDGER": f"sqlite:///{tmp_path}/chart.db", "CHART_LOCAL_USERS": "true",
        "CHART_KAFKA_BROKER": "127.0.0.1:9", "CHART_PORTS_FILE": str(tmp_path / "ports.json"),
    }  # fmt: skip


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command to its end, here: a process takes seconds to begin."""

    def command(*arguments: str, given: str = "", **more: str) -> Ran:
        for name, value in (environment | more).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        code = main(arguments)
        told = capsys.readouterr()
        return Ran(code, told.out, told.err)

    return command


@pytest.fixture
def migrated(run: Run) -> Run:
    assert run("migrate").code == 0
    return run


def started(environment: dict[str, str], **more: str) -> Ran:
    """A worker that cannot start, as a process of its own: it has begun to write its log."""
    ran = subprocess.run(
        [sys.executable, "-m", "services.chart"], env=environment | more, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@contextmanager
def working(environment: dict[str, str], log: Path) -> Iterator[dict[str, int]]:
    """A worker; the ports that it listens on. Told to stop in the end, and expected to go in order."""
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.chart"], env=environment, stderr=written, stdout=written
        )
    ports = Path(environment["CHART_PORTS_FILE"])
    try:
        for _ in range(600):
            if ports.exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        assert process.poll() is None, log.read_text()
        yield json.loads(ports.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_people_use_it_while_kafka_is_away(migrated: Run, environment: dict[str, str], tmp_path: Path) -> None:
    assert migrated("add-user", "rosa", "--role", "clinician", "--name", "Rosa", given=f"{PHRASE}\n").code == 0
    token = migrated("add-token", "--name", "ehr", "--days", "30").out.strip()
    assert token.startswith("refrain_")
    log = tmp_path / "log"
    with working(environment, log) as ports:
        console = httpx.Client(base_url=f"http://127.0.0.1:{ports['http']}")
        assert console.get("/healthz").text == "answering\n"
        form = form_of(console.get("/signin").text)
        signed_in = console.post("/signin", data={**form, "name": "rosa", "password": PHRASE})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        for path in ("/", "/patients", "/feed", "/account"):
            page = console.get(path)
            assert page.status_code == 200, (path, page.text)
            assert "server" not in page.headers
        machine = httpx.get(
            f"http://127.0.0.1:{ports['http']}/fhir/nothing", headers={"Authorization": f"Bearer {token}"}
        )
        assert machine.status_code == 404
        watched = httpx.get(f"http://127.0.0.1:{ports['metrics']}/metrics").text
        assert 'refrain_chart_sign_ins_total{outcome="signed_in"} 1.0' in watched
        assert httpx.get(f"http://127.0.0.1:{ports['metrics']}/live").status_code == 200
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert lines
    for secret in ("rosa", "/account", "/patients", PHRASE, token):
        assert secret not in log.read_text()


def test_a_password_is_made_and_printed_once(migrated: Run) -> None:
    made = migrated("add-user", "ada", "--role", "administrator", "--generate")
    assert made.code == 0
    assert len(made.out.strip()) >= 12
    assert made.err == ""


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (("add-user", "ada", "--role", "viewer"), "short\n", "at least 12 characters"),
        (("add-user", "Ada Ada", "--role", "viewer"), f"{PHRASE}\n", "small letters"),
        (("add-token", "--name", "ehr", "--days", "0"), "", "a day at least"),
    ],
)
def test_what_cannot_be_added_is_a_sentence(migrated: Run, arguments: tuple[str, ...], given: str, said: str) -> None:
    refused = migrated(*arguments, given=given)
    assert refused.code == ExitCode.WRONG_SETTINGS
    assert said in refused.err


@pytest.mark.parametrize("command", ["worker", "rebuild", "add-token"])
def test_it_does_not_run_on_a_database_of_another_version(run: Run, command: str) -> None:
    told = ["--name", "ehr"] if command == "add-token" else []
    refused = run(command, *told)
    assert refused.code == ExitCode.WRONG_REVISION
    assert "python -m services.chart migrate" in refused.err


def test_settings_that_cannot_be_used_are_a_sentence(migrated: Run) -> None:
    refused = migrated("worker", CHART_PUBLIC_URL="somewhere", CHART_OIDC_CLIENT_SECRET="a secret")
    assert refused.code == ExitCode.WRONG_SETTINGS
    assert "public_url: Value error, must be http(s)://host" in refused.err
    assert "a secret" not in refused.err


@pytest.mark.usefixtures("migrated")
def test_so_is_a_site_file_that_is_not_there(environment: dict[str, str], tmp_path: Path) -> None:
    refused = started(environment, CHART_SITE_FILE=str(tmp_path / "nowhere.yaml"))
    assert refused.code == ExitCode.WRONG_SETTINGS
    assert "Chart cannot start" in refused.err
    assert "Traceback" not in refused.err


@pytest.mark.usefixtures("migrated")
def test_so_is_a_taken_port(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = started(environment, CHART_HTTP_PORT=str(taken.getsockname()[1]))
    assert refused.code == ExitCode.WRONG_SETTINGS
    assert "Chart cannot start" in refused.err
    assert "Traceback" not in refused.err


def test_a_rebuild_without_kafka_changes_nothing(migrated: Run) -> None:
    refused = migrated("rebuild")
    assert refused.code == ExitCode.KAFKA_AWAY
    assert "Kafka does not answer" in refused.err


@pytest.mark.kafka
def test_what_is_on_kafka_is_on_the_page(
    migrated: Run, environment: dict[str, str], tmp_path: Path, kafka: str
) -> None:
    event = CareEvent(
        patient=PatientId(authority="NORTH", type="MR", id=f"P-{uuid4().hex[:12]}"),
        occurred_at=datetime(2026, 3, 1, tzinfo=UTC), recorded_at=datetime(2026, 3, 1, tzinfo=UTC), key="infection",
        body=Infection(name="influenza", onset=date(2026, 3, 1)),
    ).identified()  # fmt: skip
    _send(kafka, Outgoing.of(CARE_EVENTS, event))
    migrated("add-user", "rosa", "--role", "viewer", given=f"{PHRASE}\n")
    settings = environment | {"CHART_KAFKA_BROKER": kafka, "CHART_GROUP": f"chart-{uuid4()}"}
    with working(settings, tmp_path / "log") as ports:
        console = httpx.Client(base_url=f"http://127.0.0.1:{ports['http']}")
        form = form_of(console.get("/signin").text)
        console.post("/signin", data={**form, "name": "rosa", "password": PHRASE})
        for _ in range(300):
            found = console.post("/patients", data={"query": event.patient.id}, headers=csrf_header(console))
            if f">{event.patient.id}<" in found.text:
                break
            time.sleep(0.2)
        assert f">{event.patient.id}<" in found.text
    assert event.patient.id not in (tmp_path / "log").read_text()


def _send(kafka: str, record: Outgoing) -> None:
    """Until Kafka has it: topics that were just made may have no leader yet."""
    producer = Producer(kafka, "test")
    for _ in range(12):
        with contextlib.suppress(KafkaError):
            producer.send([record])
            break
    else:
        raise AssertionError("Kafka took no record")
    producer.close()


def csrf_header(console: httpx.Client) -> dict[str, str]:
    """As a page of the session sends it."""
    return {"X-CSRF-Token": csrf_of(console.cookies[cookie_name(https=False)])}
