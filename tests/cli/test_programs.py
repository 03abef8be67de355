"""Which processes the local stack has, and how each is told where the others listen."""

from __future__ import annotations

from pathlib import Path

import pytest

from refrain.cli.home import Home
from refrain.cli.programs import ASKS, LISTENERS, first_process, process_names, programs

Told = dict[str, dict[str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


def told(home: Home, workers: int = 1) -> Told:
    """By process, the environment that it is started with."""
    return {
        program.name: dict(program.environment) for program in programs(home, "127.0.0.1:9092", workers)
    }  # fmt: skip


def test_engines_come_as_often_as_asked_and_the_others_once() -> None:
    names = [process for _, process in process_names(2)]
    assert names == [
        "intake", "flagging-1", "flagging-2", "response-1", "response-2", "relapse-1", "relapse-2", "notify", "chart",
    ]  # fmt: skip


def test_every_service_is_told_where_those_it_asks_listen(home: Home) -> None:
    found = told(home, workers=2)
    for service, others in ASKS.items():
        for other in others:
            port = found[first_process(other)][f"{other.upper()}_GRPC_PORT"]
            assert found[service][f"{service.upper()}_{other.upper()}"] == f"127.0.0.1:{port}"


def test_messages_link_to_the_console(home: Home) -> None:
    found = told(home)
    assert found["notify"]["NOTIFY_CONSOLE_URL"] == f"http://127.0.0.1:{found['chart']['CHART_HTTP_PORT']}"


def test_no_two_processes_share_a_port(home: Home) -> None:
    found = told(home, workers=2)
    ports = [
        found[process][f"{service.upper()}_{purpose.upper()}_PORT"]
        for service, process in process_names(2)
        for purpose in LISTENERS[service]
    ]
    assert len(set(ports)) == len(ports)


def test_ports_and_addresses_stay_from_one_start_to_the_next(home: Home) -> None:
    assert told(home) == told(home)


@pytest.mark.parametrize(
    "name", ["NOTIFY_ROSTER", "NOTIFY_CONSOLE_URL", "NOTIFY_CHART", "CHART_LOCAL_USERS", "CHART_LEDGER", "CHART_INTAKE"]
)
def test_what_the_environment_says_is_left_to_it(home: Home, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    service = name.split("_")[0].lower()
    assert name in told(home)[service]
    monkeypatch.setenv(name, "set by hand")
    assert name not in told(home)[service]
