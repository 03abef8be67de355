"""``refrain alerts`` against a real AlertService."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest
from typer.testing import CliRunner, Result

from refrain.api.notify.v1 import alerts_pb2_grpc
from refrain.cli.main import app
from refrain.runtime.database import upgrade
from refrain.runtime.grpc_server import GrpcServer
from services.notify.adapters.answers import Answers
from services.notify.adapters.grpc_api import NAME, AlertApi
from services.notify.adapters.queries import Queries
from services.notify.adapters.store import MIGRATIONS, Store
from tests.notify.keeping import Clock, a_store, issued, take, thread_of, wait_for
from tests.notify.telling import PATIENT, a_thread

TEXT = "VEGF 871.5 pg/mL"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/notify.db"
    upgrade(url, "notify", MIGRATIONS)
    opened = a_store(url)
    yield opened
    opened.close()


@pytest.fixture
def address(store: Store) -> Iterator[str]:
    """Where an AlertService answers, in a loop of its own."""
    ports: list[int] = []
    ready, clock = Event(), Clock(datetime.now(UTC))  # as the command
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        until = asyncio.Event()
        api = AlertApi(store, Answers(store, clock), lambda _: (), clock)
        server = GrpcServer([(alerts_pb2_grpc.add_AlertServiceServicer_to_server, api)], [NAME])
        await server.start()
        ports.append(server.port)
        stops.append(until)
        ready.set()
        await until.wait()
        await server.stop()

    stops: list[asyncio.Event] = []
    thread = Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield f"127.0.0.1:{ports[0]}"
    loop.call_soon_threadsafe(stops[0].set)
    thread.join(30)
    loop.close()


def refrain(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["alerts", *arguments])


def test_what_waits_is_listed_without_a_patients_data(store: Store, address: str) -> None:
    take(store, issued(1), issued(2, tier="P2"))
    listed = refrain("--to", address)
    assert listed.exit_code == 0
    assert listed.output.index("CRITICAL_RESULT") < listed.output.index("VEGF_RISE_WATCH")
    assert str(a_thread(1).alert) in listed.output
    assert PATIENT.id not in listed.output
    assert TEXT not in listed.output
    shown = refrain("--to", address, "--patients", "--tier", "P2").output
    assert PATIENT.id in shown
    assert "CRITICAL_RESULT" not in shown


def test_nothing_to_do_is_said(address: str) -> None:
    assert "Nothing waits" in refrain("--to", address).output


def test_an_alert_is_taken_on_under_the_operators_own_id(store: Store, address: str) -> None:
    take(store, issued(1))
    taken = refrain("ack", str(a_thread(1).alert), "--reason", "will_act", "--by", "k.operator", "--to", address)
    assert taken.exit_code == 0
    assert "still waits for its read-back" in taken.output
    assert thread_of(store).acknowledged_by == "k.operator"
    again = refrain("ack", str(a_thread(1).alert), "--reason", "will_act", "--by", "second", "--to", address)
    assert (again.exit_code, "taken this alert on already" in again.output) == (1, True)
    listed = refrain("--to", address)
    assert "k.operator" in listed.output


def test_an_alert_is_put_off_within_the_limit_of_the_site(store: Store, address: str) -> None:
    alert = str(a_thread(1).alert)
    take(store, issued(1, tier="P2"))
    off = refrain("snooze", alert, "--hours", "0.5", "--reason", "in theatre", "--by", "k.operator", "--to", address)
    assert (off.exit_code, "is put off until" in off.output) == (0, True)
    assert thread_of(store).state == "snoozed"
    action = Queries(store).actions(a_thread(1).alert)[-1]
    assert (action.actor.id, action.actor.via, action.body.type) == ("k.operator", "cli", "snoozed")
    again = refrain("snooze", alert, "--hours", "100", "--to", address)
    assert (again.exit_code, "may not be silenced for so long" in again.output) == (1, True)
    assert refrain("snooze", alert, "--hours", "0", "--to", address).exit_code == 2


def test_a_critical_alert_is_never_put_off(store: Store, address: str) -> None:
    take(store, issued(1))
    result = refrain("snooze", str(a_thread(1).alert), "--hours", "0.5", "--to", address)
    assert (result.exit_code, "may not be silenced" in result.output) == (1, True)
    assert thread_of(store).state == "raised"


def test_an_alert_is_given_to_somebody_of_the_roster(store: Store, address: str) -> None:
    alert = str(a_thread(1).alert)
    take(store, issued(1))
    given = refrain("reassign", alert, "a.roy", "--reason", "knows the patient", "--to", address)
    assert (given.exit_code, "is given to a.roy" in given.output) == (0, True)
    assert thread_of(store).assigned_to == "a.roy"
    assert "a.roy" in refrain("--to", address).output
    unknown = refrain("reassign", alert, "nobody", "--to", address)
    assert (unknown.exit_code, "m.lee (M. Lee)" in unknown.output) == (1, True)
    assert thread_of(store).assigned_to == "a.roy"


def test_a_data_question_is_not_given_to_the_ward(store: Store, address: str) -> None:
    take(store, issued(1, tier="DQ"))
    result = refrain("reassign", str(a_thread(1).alert), "a.roy", "--to", address)
    assert result.exit_code == 1
    assert "nobody of the roster to whom alerts of this tier" in " ".join(result.output.split()), result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("--reason", "because"), "will_act", id="the reasons are listed"),
        pytest.param(("--reason", "other"), "comment: say what, where the reason is other", id="other needs a comment"),
    ],
)
def test_a_wrong_reason_is_a_sentence(store: Store, address: str, arguments: tuple[str, ...], said: str) -> None:
    take(store, issued(1))
    result = refrain("ack", str(a_thread(1).alert), *arguments, "--to", address)
    assert (result.exit_code, said in result.output) == (1, True)


def test_an_absent_notify_is_a_sentence() -> None:
    result = refrain("--to", "127.0.0.1:9")
    assert result.exit_code == 1
    assert "refrain status" in result.output


def test_a_watched_list_follows_what_happens(store: Store, address: str, tmp_path: Path) -> None:
    take(store, issued(1))
    shown = tmp_path / "shown"
    command = [sys.executable, "-m", "refrain.cli.main", "alerts", "--watch", "--to", address]
    with shown.open("wb") as output:
        watching = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(lambda: "alerts: 1" in shown.read_text())
        take(store, issued(2, tier="P2"))
        wait_for(lambda: "alerts: 2" in shown.read_text())
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
    finally:
        watching.kill()
        watching.wait()
    assert "Traceback" not in shown.read_text()
