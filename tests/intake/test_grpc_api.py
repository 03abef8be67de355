"""IntakeService over a real channel: what is recorded, refused and shown, and never a value in an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args
from uuid import UUID

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from refrain.api.intake.v1 import care_pb2, intake_pb2, intake_pb2_grpc
from refrain.contracts.care import current_care_events
from refrain.contracts.events import CareBody, CareEvent, Quarantined
from refrain.runtime.grpc_server import GrpcServer
from services.intake.adapters import memory
from services.intake.adapters.care_requests import NotValid, care_event, default_key
from services.intake.adapters.grpc_api import NAME, IntakeApi
from services.intake.adapters.memory import Stored
from services.intake.adapters.publisher import NotStored
from services.intake.adapters.standing import FeedStanding
from services.intake.adapters.work_list import Kept
from services.intake.domain.profile import load_profile
from tests.intake.house import PROFILE, House

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
AT = "2026-03-01T08:00:00Z"
BODIES = {
    "clone_stated": {"heavy": "IgG", "light": "lambda", "evidence": ["immunofixation"]},
    "line_started": {"line": 1, "start": "2026-01-06", "rule_set": "poems", "plan": ["DVd"]},
    "line_stopped": {"line": 1, "end": "2026-02-06", "reason": "toxicity"},
    "drug": {"drug": "daratumumab", "first": "2026-01-06", "last": "2026-01-07", "dose": "16 mg/kg", "status": "given"},
    "transplant": {"on": "2026-02-01", "kind": "autologous"},
    "collection": {"on": "2026-02-01", "cell": "cd34", "number": "5.10", "unit": "10*6/kg", "text": "5.10"},
    "engraftment": {"on": "2026-02-11", "cell": "neutrophils"},
    "infection": {"name": "pneumonia", "onset": "2026-02-11", "end": "2026-02-20"},
    "clinical_finding": {"on": "2026-02-11", "symptoms": {"neuropathy": "much better"}, "scores": {"ecog": "1"}},
    "repair_reviewed": {
        "result": str(UUID(int=1)), "repair_rule_id": "DQ-01", "decision": "accepted", "by": "dr-a", "at": AT
    },
    "series_joined": {"series": "a", "into": "b", "by": "dr-a", "at": AT},
    "rule_set_assigned": {"line": 1, "rule_set": "poems", "at": AT},
}  # fmt: skip


def a_request(kind: str, content: dict, **head: object) -> intake_pb2.RecordCareEventRequest:
    body = ParseDict({kind: content}, care_pb2.CareBody())
    patient = care_pb2.PatientId(authority="NORTH", type="MR", id="000731")
    return intake_pb2.RecordCareEventRequest(**({"patient": patient, "body": body} | head))


def test_every_body_of_the_contract_can_be_recorded() -> None:
    contract = {model.model_fields["type"].default for model in get_args(get_args(CareBody)[0])}
    offered = {field.name for field in care_pb2.CareBody.DESCRIPTOR.oneofs_by_name["body"].fields}
    assert offered == contract == set(BODIES)


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_arrives_as_it_was_said(kind: str) -> None:
    event = care_event(a_request(kind, BODIES[kind]), NOW)
    said = event.body.model_dump(mode="json", exclude_unset=True)
    assert said == {"type": kind} | BODIES[kind]
    assert event.patient.key == "NORTH|MR|000731"
    assert event.recorded_at == NOW
    assert event.event_id == care_event(a_request(kind, BODIES[kind]), datetime(2027, 1, 1, tzinfo=UTC)).event_id


def test_fields_of_the_api_are_those_of_the_contract() -> None:
    for model in get_args(get_args(CareBody)[0]):
        message = care_pb2.CareBody.DESCRIPTOR.fields_by_name[model.model_fields["type"].default].message_type
        assert {field.name for field in message.fields} == set(model.model_fields) - {"type"}


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("line_started", "line_started 1 2026-01-06"),
        ("drug", "drug daratumumab 2026-01-06"),
        ("infection", "infection pneumonia 2026-02-11"),
        ("clinical_finding", "clinical_finding 2026-02-11"),
        ("clone_stated", "clone_stated"),
    ],
)
def test_the_default_key_is_type_subject_and_start(kind: str, key: str) -> None:
    assert default_key(care_event(a_request(kind, BODIES[kind]), NOW).body) == key


def test_a_drug_without_a_last_day_was_given_on_one() -> None:
    body = care_event(a_request("drug", {"drug": "x", "first": "2026-01-06"}), NOW).body
    assert (body.type, getattr(body, "last", None)) == ("drug", date(2026, 1, 6))


def test_what_was_withdrawn_can_be_said_again_under_another_request() -> None:
    def on(hour: int, **head: object) -> CareEvent:
        return care_event(a_request("drug", BODIES["drug"], **head), datetime(2026, 3, 20, hour, tzinfo=UTC))

    said, withdrawn = on(1), on(2, withdrawn=True)
    assert current_care_events([said, withdrawn]) == ()
    assert on(3).event_id == said.event_id, "the same content is the same event, which readers drop as seen"
    again = on(3, request_id="r2")
    assert current_care_events([said, withdrawn, again]) == (again,)


@pytest.mark.parametrize(
    ("kind", "content", "head", "fields"),
    [
        pytest.param("drug", {"drug": "SECRET"}, {}, ["body.drug.first"], id="a required field is missing"),
        pytest.param("drug", BODIES["drug"] | {"first": "SECRET"}, {}, ["body.drug.first"], id="no date"),
        pytest.param("drug", BODIES["drug"] | {"status": "SECRET"}, {}, ["body.drug.status"], id="not in the list"),
        pytest.param("drug", BODIES["drug"] | {"last": "2026-01-05"}, {}, ["body.drug.last"], id="ends too early"),
        pytest.param(
            "infection", BODIES["infection"] | {"end": "2026-02-10"}, {}, ["body.infection.end"], id="over before onset"
        ),
        pytest.param(
            "clinical_finding", {"on": "2026-02-11", "symptoms": {"SECRET": "SECRET"}}, {},
            ["body.clinical_finding.symptoms"], id="a course that is none"
        ),
        pytest.param(
            "clinical_finding", {"on": "2026-02-11", "scores": {"SECRET": "SECRET"}}, {},
            ["body.clinical_finding.scores"], id="a score that is no number"
        ),
        pytest.param(
            "drug", BODIES["drug"], {"patient": care_pb2.PatientId(id="SECRET")}, ["patient.authority", "patient.type"],
            id="half a patient"
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_names_fields_and_no_value(
    kind: str, content: dict, head: dict, fields: list[str]
) -> None:
    with pytest.raises(NotValid) as refused:
        care_event(a_request(kind, content, **head), NOW)
    assert [field for field, _ in refused.value.violations] == fields
    assert "SECRET" not in f"{refused.value} {refused.value.violations}"


def test_a_request_without_a_body_is_refused() -> None:
    with pytest.raises(NotValid) as refused:
        care_event(intake_pb2.RecordCareEventRequest(), NOW)
    assert {field for field, _ in refused.value.violations} == {
        "patient.authority",
        "patient.type",
        "patient.id",
        "body",
    }


class Served:
    """The service on a port, over a door that a test opens and shuts."""

    def __init__(self, house: House) -> None:
        self.memory = house.memory
        self.recorded: list[CareEvent] = []
        self.problem: Exception | None = None
        self.fits = True
        self.house = house
        house.intake.record = self._record
        api = IntakeApi(house.intake, lambda: (FEEDS, True, 3), house.memory, house.redriver, house.keeper, lambda: NOW)
        self.server = GrpcServer([(intake_pb2_grpc.add_IntakeServiceServicer_to_server, api)], [NAME])

    async def _record(self, event: CareEvent) -> bool:
        if self.problem:
            raise self.problem
        self.recorded.append(event)
        return self.fits


FEEDS = [
    FeedStanding("north-lab", "sha256:ab", NOW),
    FeedStanding("permissive", "sha256:cd", None, warnings=("Look.",)),
]
FEEDS[0].outcomes.update({"published": 2, "quarantined": 1})


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    url = f"sqlite:///{tmp_path}/intake.db"
    await asyncio.to_thread(memory.upgrade, url)
    house = House(url, load_profile(PROFILE))
    made = Served(house)
    await made.server.start()
    yield made
    await made.server.stop()
    house.close()


@pytest.fixture
async def stub(served: Served) -> AsyncIterator[intake_pb2_grpc.IntakeServiceStub]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{served.server.port}") as channel:
        yield intake_pb2_grpc.IntakeServiceStub(channel)


async def test_the_answer_has_the_id_and_the_key(served: Served, stub) -> None:
    answer = await stub.RecordCareEvent(a_request("drug", BODIES["drug"], key="mine"))
    [event] = served.recorded
    assert (answer.event_id, answer.key) == (str(event.event_id), "mine")


async def test_a_refusal_carries_its_fields_as_details(served: Served, stub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.RecordCareEvent(a_request("drug", {"drug": "SECRET", "first": "SECRET"}))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(_Call(refused.value))
    violations = error_details_pb2.BadRequest()
    status.details[0].Unpack(violations)
    assert [v.field for v in violations.field_violations] == ["body.drug.first"]
    assert "SECRET" not in f"{refused.value} {violations}"
    assert served.recorded == []


class _Call:
    """What rpc_status reads, from an asynchronous error."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code, self.details = error.code, error.details
        self.trailing_metadata = lambda: tuple(error.trailing_metadata())


async def test_kafka_away_is_unavailable(served: Served, stub) -> None:
    served.problem = NotStored()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.RecordCareEvent(a_request("drug", BODIES["drug"]))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_an_event_that_is_too_large_is_an_invalid_one(served: Served, stub) -> None:
    served.fits = False
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.RecordCareEvent(a_request("drug", BODIES["drug"]))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_feeds_are_shown_with_their_counts_and_warnings(stub) -> None:
    shown = await stub.FeedStatus(intake_pb2.FeedStatusRequest())
    assert (shown.storing, shown.connections) == (True, 3)
    assert dict(shown.feeds[0].outcomes) == {"published": 2, "quarantined": 1}
    assert shown.feeds[0].last_message_at.ToDatetime(UTC) == NOW
    assert (list(shown.feeds[1].warnings), shown.feeds[1].HasField("last_message_at")) == (["Look."], False)


async def test_the_work_list_comes_in_pages(served: Served, stub) -> None:
    entries = [
        Quarantined(
            event_id=UUID(int=n), recorded_at=NOW, sender="north-lab", reason="no_patient_id", whole_message=True,
            hash="ab" * 32, size=n, raw=None,
        )
        for n in range(5)
    ]  # fmt: skip
    kept = [Kept(entry, None) for entry in entries]
    await asyncio.to_thread(served.memory.remember, Stored("log", None, kept=kept), NOW)
    sizes: list[int] = []
    token = ""
    for _ in range(3):
        page = await stub.ListQuarantine(intake_pb2.ListQuarantineRequest(page_size=2, page_token=token))
        sizes += [item.size for item in page.items]
        token = page.next_page_token
    assert (sizes, token) == ([4, 3, 2, 1, 0], "")


async def test_a_page_that_is_not_ours_is_refused(stub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.ListQuarantine(intake_pb2.ListQuarantineRequest(page_token="SECRET"))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "SECRET" not in str(refused.value)
