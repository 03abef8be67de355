"""What people ask of IntakeService over a real channel: the work list, the codes, and refusals without a value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.rpc import error_details_pb2, status_pb2
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from refrain.api.intake.v1 import intake_pb2, intake_pb2_grpc
from refrain.runtime.grpc_server import GrpcServer
from services.intake.adapters import memory
from services.intake.adapters.grpc_api import NAME, IntakeApi
from services.intake.domain.profile import load_profile
from services.intake.domain.reasons import REASONS
from services.intake.domain.resolutions import RESOLUTIONS
from services.intake.settings import Settings
from tests.intake.house import PROFILE, Door, House, a_message

LATER = datetime(2026, 4, 2, 9, tzinfo=UTC)
UNMAPPED = "NM|KAP^Kappa^L||32.9|mg/L|6.7-22.4|H|||F"
VEGF = "NM|34694-0^VEGF^LN||4711.25|pg/mL|0-160|H|||F"
Stub = intake_pb2_grpc.IntakeServiceStub
Code = grpc.StatusCode


async def serve(house: House, **how: Any) -> GrpcServer:
    api = IntakeApi(house.intake, lambda: ([], True, 0), house.memory, house.redriver, house.keeper, lambda: LATER)
    server = GrpcServer([(intake_pb2_grpc.add_IntakeServiceServicer_to_server, api)], [NAME], **how)
    await server.start()
    return server


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    memory.upgrade(url)
    made = House(url, load_profile(PROFILE))
    yield made
    made.close()


@pytest.fixture
async def stub(house: House) -> AsyncIterator[Stub]:
    server = await serve(house)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Stub(channel)
    await server.stop()


async def quarantined(house: House, message: bytes = a_message(pid3="")) -> str:
    await house.send(message)
    return house.memory.work_list.page()[0].event_id


async def refusal(call: Any) -> tuple[Code, str, list[str]]:
    """Status, sentence and the fields at fault of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    fields: list[str] = []
    for key, value in refused.value.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                violations = error_details_pb2.BadRequest()
                detail.Unpack(violations)
                fields += [violation.field for violation in violations.field_violations]
    assert "SECRET" not in f"{refused.value}"
    return refused.value.code(), refused.value.details() or "", fields


async def test_an_entry_is_shown_with_its_bytes_its_cause_and_what_to_do(house: House, stub) -> None:
    event_id = await quarantined(house)
    shown = await stub.GetQuarantined(intake_pb2.GetQuarantinedRequest(event_id=event_id))
    assert shown.raw == a_message(pid3="")
    assert (shown.item.reason, shown.item.state) == ("no_patient_id", "open")
    assert (shown.item.meaning, shown.item.advice) == (REASONS["no_patient_id"].text, REASONS["no_patient_id"].advice)
    assert [(one.code, one.comment_required) for one in shown.resolution_reasons] == [
        (code, one.comment_required) for code, one in RESOLUTIONS.items()
    ]
    listed = await stub.ListQuarantine(intake_pb2.ListQuarantineRequest())
    assert list(listed.items) == [shown.item]


async def test_with_kafka_away_the_entry_is_shown_without_its_bytes_when_asked_so(house: House, stub) -> None:
    event_id = await quarantined(house)
    house.door.away = True
    code, sentence, _ = await refusal(stub.GetQuarantined(intake_pb2.GetQuarantinedRequest(event_id=event_id)))
    assert (code, "try again" in sentence) == (Code.UNAVAILABLE, True)
    shown = await stub.GetQuarantined(intake_pb2.GetQuarantinedRequest(event_id=event_id, without_raw=True))
    assert (shown.item.event_id, shown.HasField("raw")) == (event_id, False)


async def test_what_is_not_there_is_not_found_and_the_sentence_says_what(house: House, stub) -> None:
    unknown = intake_pb2.GetQuarantinedRequest(event_id="SECRET")
    assert (await refusal(stub.GetQuarantined(unknown)))[:2] == (
        Code.NOT_FOUND,
        "the work list has no entry of this id",
    )
    event_id = await quarantined(house)
    house.door.expired = True
    for call in (
        stub.GetQuarantined(intake_pb2.GetQuarantinedRequest(event_id=event_id)),
        stub.Redrive(intake_pb2.RedriveRequest(event_id=event_id, actor="dr-a")),
    ):
        code, sentence, _ = await refusal(call)
        assert (code, "record expired" in sentence) == (Code.NOT_FOUND, True)


async def test_resolved_with_who_when_and_why_and_the_next_one_is_told(house: House, stub) -> None:
    event_id = await quarantined(house)
    asked = {"event_id": event_id, "reason": "other", "comment": "A trial.", "actor": "dr-a", "request_id": "r1"}
    first = await stub.Resolve(intake_pb2.ResolveRequest(**asked))
    assert first.accepted
    assert (first.item.state, first.item.resolved_by, first.item.resolution) == ("resolved", "dr-a", "other")
    assert (first.item.resolved_at.ToDatetime(UTC), first.item.comment) == (LATER, "A trial.")
    assert await stub.Resolve(intake_pb2.ResolveRequest(**asked)) == first
    late = await stub.Resolve(intake_pb2.ResolveRequest(**(asked | {"actor": "dr-b", "request_id": "r2"})))
    assert (late.accepted, late.item) == (False, first.item)
    pages = {state: await stub.ListQuarantine(intake_pb2.ListQuarantineRequest(state=state)) for state in STATES}
    assert {state: len(page.items) for state, page in pages.items()} == {"": 0, "open": 0, "resolved": 1, "all": 1}
    again = await stub.Reopen(intake_pb2.ReopenRequest(event_id=event_id, actor="dr-b", comment="Not a trial."))
    assert (again.item.state, again.item.resolved_by, again.item.HasField("resolved_at")) == ("open", "", False)


STATES = ("", "open", "resolved", "all")


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        pytest.param({"reason": ""}, ["reason"], id="no reason"),
        pytest.param({"reason": "SECRET"}, ["reason"], id="no reason of the list"),
        pytest.param({"reason": "redriven"}, ["reason"], id="a reason that only intake gives"),
        pytest.param({"reason": "other"}, ["comment"], id="another reason without a word"),
        pytest.param({"comment": "x" * 2001}, ["comment"], id="a novel"),
        pytest.param({"comment": "a\0b"}, ["comment"], id="no text"),
        pytest.param({"actor": " "}, ["actor"], id="nobody"),
        pytest.param({"actor": "dr\n"}, ["actor"], id="not printable"),
        pytest.param({"request_id": "r" * 201}, ["request_id"], id="a long id"),
    ],
)
async def test_what_cannot_resolve_names_its_fields(house: House, stub, changed: dict, fields: list[str]) -> None:
    event_id = await quarantined(house)
    asked = {"event_id": event_id, "reason": "not_needed", "actor": "dr-a"} | changed
    code, _, found = await refusal(stub.Resolve(intake_pb2.ResolveRequest(**asked)))
    assert (code, found) == (Code.INVALID_ARGUMENT, fields)
    assert len(house.memory.work_list.page()) == 1


async def test_reopening_and_driving_again_need_somebody(house: House, stub) -> None:
    event_id = await quarantined(house)
    for call, fields in (
        (stub.Reopen(intake_pb2.ReopenRequest(event_id=event_id)), ["actor", "comment"]),
        (stub.Redrive(intake_pb2.RedriveRequest(event_id=event_id)), ["actor"]),
        (stub.ListQuarantine(intake_pb2.ListQuarantineRequest(state="SECRET")), ["state"]),
    ):
        assert (await refusal(call))[::2] == (Code.INVALID_ARGUMENT, fields)


async def test_driven_again_over_the_wire(url: str, house: House, stub) -> None:
    unknown = House(url, None, door=house.door)
    event_id = await quarantined(
        unknown, a_message("NM|34694-0^VEGF^LN||4711.25|pg/mL|0-160|H|||F", "NM|||7|g/L||N|||F")
    )
    unknown.close()
    asked = intake_pb2.RedriveRequest(event_id=event_id, actor="dr-a", request_id="r1")
    became = await stub.Redrive(asked, timeout=30)
    assert (became.outcome, became.reason, became.meaning, became.reports) == ("published", "", "", 1)
    assert (became.item.state, became.item.resolution) == ("resolved", "superseded")
    assert [(one.reason, one.place, one.state) for one in became.still_open] == [("code_missing", "OBX[2]", "open")]
    assert (await stub.Redrive(asked, timeout=30)).still_open[0].event_id == became.still_open[0].event_id
    left = became.still_open[0].event_id
    await stub.Resolve(intake_pb2.ResolveRequest(event_id=left, actor="dr-b", reason="told_otherwise"))
    code, sentence, _ = await refusal(stub.Redrive(intake_pb2.RedriveRequest(event_id=left, actor="dr-a")))
    assert (code, "reopen it" in sentence) == (Code.FAILED_PRECONDITION, True)


async def test_a_caller_who_gives_up_does_not_leave_the_list_behind_kafka(url: str, house: House, stub) -> None:
    unknown = House(url, None, door=house.door)
    event_id = await quarantined(unknown, a_message())
    unknown.close()
    house.door.gate.clear()
    house.door.waiting.clear()
    call = stub.Redrive(intake_pb2.RedriveRequest(event_id=event_id, actor="dr-a"))
    await asyncio.wait_for(house.door.waiting.wait(), 20)
    call.cancel()
    house.door.gate.set()
    async with asyncio.timeout(20):
        while house.memory.work_list.get(event_id).open:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    assert len(house.door.reports) == 1


async def test_a_code_is_mapped_over_the_wire(house: House, stub) -> None:
    await house.send(a_message(UNMAPPED))
    [code] = (await stub.ListUnmappedCodes(intake_pb2.ListUnmappedCodesRequest(sender="north-lab"))).codes
    assert (code.code, code.system, code.name, code.count) == ("KAP", "L", "Kappa", 1)
    asked = {
        "sender": "north-lab", "code": "KAP", "system": "L", "analyte": "SFLC_K", "actor": "dr-a",
        "reason": "Their list.", "request_id": "r1",
    }  # fmt: skip
    answer = await stub.MapCode(intake_pb2.MapCodeRequest(**asked))
    assert (answer.mapping.mapped_by, answer.mapping.withdrawn) == ("dr-a", False)
    assert await stub.MapCode(intake_pb2.MapCodeRequest(**asked)) == answer
    assert (await stub.ListUnmappedCodes(intake_pb2.ListUnmappedCodesRequest())).codes == []
    await house.send(a_message(UNMAPPED))
    assert house.door.reports[-1].observations[0].analyte == "SFLC_K"
    assert house.door.reports[-1].translation == answer.translation
    other = intake_pb2.MapCodeRequest(**(asked | {"analyte": "SFLC_L", "request_id": "r2"}))
    code, sentence, _ = await refusal(stub.MapCode(other))
    assert (code, "dr-a mapped this code to SFLC_K" in sentence) == (Code.FAILED_PRECONDITION, True)
    taken = {"withdrawn": True, "actor": "dr-b", "reason": "The wrong chain.", "request_id": "r3"}
    gone = await stub.MapCode(intake_pb2.MapCodeRequest(**(asked | taken)))
    assert (gone.mapping.withdrawn, gone.mapping.withdrawn_by) == (True, "dr-b")
    assert gone.translation > answer.translation
    assert len((await stub.ListUnmappedCodes(intake_pb2.ListUnmappedCodesRequest())).codes) == 1
    assert (await stub.ListMappings(intake_pb2.ListMappingsRequest())).mappings == []
    kept = (await stub.ListMappings(intake_pb2.ListMappingsRequest(with_withdrawn=True))).mappings
    assert list(kept) == [gone.mapping]


@pytest.mark.parametrize(
    ("changed", "code", "fields"),
    [
        pytest.param({"sender": "SECRET"}, Code.INVALID_ARGUMENT, ["sender"], id="a sender without profile"),
        pytest.param({"analyte": "SECRET"}, Code.INVALID_ARGUMENT, ["analyte"], id="no analyte"),
        pytest.param({"code": ""}, Code.INVALID_ARGUMENT, ["code"], id="no code"),
        pytest.param({"actor": ""}, Code.INVALID_ARGUMENT, ["actor"], id="nobody"),
        pytest.param({"reason": ""}, Code.INVALID_ARGUMENT, ["reason"], id="no reason"),
        pytest.param({"code": "34694-0", "system": "LN"}, Code.FAILED_PRECONDITION, [], id="a LOINC of the catalogue"),
        pytest.param({"withdrawn": True}, Code.FAILED_PRECONDITION, [], id="nothing to withdraw"),
    ],
)
async def test_what_cannot_be_mapped_says_why(house: House, stub, changed: dict, code: Code, fields: list[str]) -> None:
    asked = {"sender": "north-lab", "code": "KAP", "system": "L", "analyte": "SFLC_K", "actor": "a", "reason": "why"}
    found = await refusal(stub.MapCode(intake_pb2.MapCodeRequest(**(asked | changed))))
    assert (found[0], found[2]) == (code, fields)
    assert house.memory.code_maps.said(with_withdrawn=True) == []


async def test_without_its_database_every_call_says_so(house: House, stub, monkeypatch) -> None:
    event_id = await quarantined(house)

    def away(*_: object, **__: object) -> None:
        raise OperationalError("select", {}, Exception("SECRET"))

    for part, names in (
        (house.memory.work_list, ("page", "get", "resolve", "reopen")),
        (house.memory.unmapped, ("all",)),
        (house.memory.code_maps, ("add", "said")),
    ):
        for name in names:
            monkeypatch.setattr(part, name, away)
    mapped = {"sender": "north-lab", "code": "KAP", "system": "L", "analyte": "SFLC_K", "actor": "a", "reason": "why"}
    for call in (
        stub.ListQuarantine(intake_pb2.ListQuarantineRequest()),
        stub.GetQuarantined(intake_pb2.GetQuarantinedRequest(event_id=event_id)),
        stub.Resolve(intake_pb2.ResolveRequest(event_id=event_id, actor="a", reason="not_needed")),
        stub.Reopen(intake_pb2.ReopenRequest(event_id=event_id, actor="a", comment="why")),
        stub.Redrive(intake_pb2.RedriveRequest(event_id=event_id, actor="a")),
        stub.ListUnmappedCodes(intake_pb2.ListUnmappedCodesRequest()),
        stub.MapCode(intake_pb2.MapCodeRequest(**mapped)),
        stub.ListMappings(intake_pb2.ListMappingsRequest()),
    ):
        assert (await refusal(call))[0] == Code.UNAVAILABLE


# --- mutual TLS -----------------------------------------------------------------------------------------------


async def test_only_a_client_of_our_authority_is_heard(tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    served = ours.issue_cert("localhost")
    names = ("tls_certificate", "tls_key", "tls_client_authority")
    for name, blob in zip(names, (served.cert_chain_pems[0], served.private_key_pem, ours.cert_pem), strict=True):
        blob.write_to_path(tmp_path / name)
    settings = Settings(**{name: tmp_path / name for name in names})
    url = f"sqlite:///{tmp_path}/intake.db"
    memory.upgrade(url)
    house = House(url, load_profile(PROFILE), door=Door())
    server = await serve(house, tls=settings.tls)
    for authority, heard in ((ours, True), (theirs, False)):
        client = authority.issue_cert("console.example")
        credentials = grpc.ssl_channel_credentials(
            ours.cert_pem.bytes(), client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
        )
        async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as channel:
            call = Stub(channel).ListMappings(intake_pb2.ListMappingsRequest(), timeout=20)
            if heard:
                assert (await call).mappings == []
            else:
                assert (await refusal(call))[0] == Code.UNAVAILABLE
    async with grpc.aio.insecure_channel(f"localhost:{server.port}") as channel:
        plain = Stub(channel).ListMappings(intake_pb2.ListMappingsRequest(), timeout=20)
        assert (await refusal(plain))[0] == Code.UNAVAILABLE
    await server.stop()
    house.close()


def test_half_a_mutual_tls_is_none() -> None:
    with pytest.raises(ValidationError, match="mutual TLS needs"):
        Settings(tls_key=Path("key.pem"))
    assert Settings().tls is None
