"""``refrain quarantine`` and ``refrain codes`` against a real service: what a person types, sees and causes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from refrain.api.intake.v1 import intake_pb2_grpc
from refrain.cli.main import app
from refrain.runtime.grpc_server import GrpcServer
from services.intake.adapters import memory
from services.intake.adapters.grpc_api import NAME, IntakeApi
from services.intake.domain.profile import load_profile
from tests.intake.house import PROFILE, House, a_message

LATER = datetime(2026, 4, 2, 9, tzinfo=UTC)
UNMAPPED = "NM|KAP^Kappa^L||32.9|mg/L|6.7-22.4|H|||F"
COMMANDS = ("list", "show", "resolve", "reopen", "redrive"), ("list", "map", "withdraw")


class Desk:
    """A terminal beside a running intake."""

    def __init__(self, house: House, target: str) -> None:
        self.house = house
        self._target = target

    async def type(self, *words: str, exit_code: int = 0) -> Result:
        """What a command shows; its exit code is the expected one."""
        shown = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--to", self._target])
        assert shown.exit_code == exit_code, shown.output
        return shown

    async def quarantined(self, message: bytes) -> str:
        await self.house.send(message)
        return self.house.memory.work_list.page()[0].event_id


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setenv("REFRAIN_HOME", str(tmp_path / ".refrain"))
    url = f"sqlite:///{tmp_path}/intake.db"
    memory.upgrade(url)
    house = House(url, load_profile(PROFILE))
    api = IntakeApi(house.intake, lambda: ([], True, 0), house.memory, house.redriver, house.keeper, lambda: LATER)
    server = GrpcServer([(intake_pb2_grpc.add_IntakeServiceServicer_to_server, api)], [NAME])
    await server.start()
    yield Desk(house, f"127.0.0.1:{server.port}")
    await server.stop()
    house.close()


@pytest.mark.parametrize(
    "words", [(group, name) for group, names in zip(("quarantine", "codes"), COMMANDS, strict=True) for name in names]
)
def test_every_command_says_what_it_is_for(words: tuple[str, str]) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert (shown.exit_code, len(shown.output.split()) > 40) == (0, True)


async def test_an_entry_is_listed_shown_resolved_and_reopened(desk: Desk) -> None:
    event_id = await desk.quarantined(a_message(pid3=""))
    assert event_id in (await desk.type("quarantine", "list")).output
    [item] = map(json.loads, (await desk.type("quarantine", "list", "--json")).stdout.splitlines())
    assert (item["event_id"], item["reason"]) == (event_id, "no_patient_id")
    shown = (await desk.type("quarantine", "show", event_id)).output
    assert "Compare PID-3" in shown
    assert "Plantedname" not in shown
    assert (await desk.type("quarantine", "show", event_id, "--raw")).stdout_bytes == a_message(pid3="")
    await desk.type("quarantine", "resolve", event_id, "--reason", "other", "--as", "dr-a", exit_code=1)
    said = await desk.type("quarantine", "resolve", event_id, "--reason", "not_needed", "--as", "dr-a")
    assert "not_needed by dr-a, 2026-04-02 09:00Z" in said.output
    again = await desk.type("quarantine", "resolve", event_id, "--reason", "told_otherwise", "--as", "dr-b")
    assert "It was resolved before" in again.output
    assert "Nothing is on the list" in (await desk.type("quarantine", "list")).output
    assert "not_needed by dr-a" in (await desk.type("quarantine", "list", "--state", "resolved")).output
    refused = await desk.type("quarantine", "redrive", event_id, exit_code=1)
    assert "reopen it" in refused.output
    assert "open" in (await desk.type("quarantine", "reopen", event_id, "--comment", "It is needed.")).output
    still = await desk.type("quarantine", "redrive", event_id, exit_code=1)
    assert "quarantined (no_patient_id: " in still.output


async def test_a_message_is_driven_again(desk: Desk, tmp_path: Path) -> None:
    unknown = House(f"sqlite:///{tmp_path}/intake.db", None, door=desk.house.door)
    await unknown.send(a_message())
    [item] = unknown.memory.work_list.page()
    unknown.close()
    assert "published; reports on Kafka: 1" in (await desk.type("quarantine", "redrive", item.event_id)).output
    assert len(desk.house.door.reports) == 1


async def test_a_code_is_listed_mapped_and_withdrawn(desk: Desk) -> None:
    await desk.house.send(a_message(UNMAPPED))
    assert "KAP|L" in (await desk.type("codes", "list")).output
    [code] = map(json.loads, (await desk.type("codes", "list", "--json")).stdout.splitlines())
    assert (code["code"], code["count"]) == ("KAP", "1")
    words = ("codes", "map", "north-lab", "KAP|L", "SFLC_K", "--reason", "Their list.", "--as", "dr-a")
    assert "leads to SFLC_K, from its next message on" in (await desk.type(*words)).output
    assert "dr-a mapped this code to SFLC_K" in (await desk.type(*words, exit_code=1)).output
    assert "Every code leads to an analyte" in (await desk.type("codes", "list")).output
    await desk.type("codes", "withdraw", "north-lab", "KAP|L", "--reason", "The wrong chain.", "--as", "dr-b")
    assert "by dr-b" in (await desk.type("codes", "list", "--mapped")).output
    [mapping] = map(json.loads, (await desk.type("codes", "list", "--mapped", "--json")).stdout.splitlines())
    assert (mapping["withdrawn"], mapping["withdrawn_reason"]) == (True, "The wrong chain.")


async def test_what_cannot_be_done_is_a_sentence(desk: Desk) -> None:
    assert (
        "is written CODE|SYSTEM"
        in (await desk.type("codes", "map", "north-lab", "KAP", "SFLC_K", "--reason", "why", exit_code=1)).output
    )
    assert "no entry of this id" in (await desk.type("quarantine", "show", "none", exit_code=1)).output
    nobody = await asyncio.to_thread(CliRunner().invoke, app, ["quarantine", "list", "--to", "127.0.0.1:1"])
    assert (nobody.exit_code, "No intake answers" in nobody.output) == (1, True)
    without = await asyncio.to_thread(CliRunner().invoke, app, ["codes", "list"])
    assert (without.exit_code, "refrain up" in without.output) == (1, True)
