"""gRPC calls of the command line: care events in, feeds and reasons out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from refrain.api.flagging.v1 import flagging_pb2, flagging_pb2_grpc
from refrain.api.intake.v1 import care_pb2, intake_pb2, intake_pb2_grpc
from refrain.api.relapse.v1 import relapse_pb2, relapse_pb2_grpc
from refrain.api.response.v1 import response_pb2, response_pb2_grpc
from refrain.contracts.events import CareEvent

DEADLINE_SECONDS = 30.0
"""Longer than intake waits for Kafka (20 s)."""


@contextmanager
def channel(target: str) -> Iterator[grpc.Channel]:
    """A channel to one process of the local stack; outside it, mutual TLS is the deployment's."""
    with grpc.insecure_channel(target) as opened:
        yield opened


def feed_warnings(target: str) -> list[str]:
    """What intake warns of: whether it stores, and senders read by the permissive profile."""
    with channel(target) as opened:
        answer = intake_pb2_grpc.IntakeServiceStub(opened).FeedStatus(intake_pb2.FeedStatusRequest(), timeout=5)
    warnings = [f"{feed.sender}: {warning}" for feed in answer.feeds for warning in feed.warnings]
    if not answer.storing:
        warnings.insert(0, "Kafka does not take what arrives: intake's listeners are closed until it does.")
    return warnings


def care_request(event: CareEvent) -> intake_pb2.RecordCareEventRequest:
    """The request that records a care event: the field names of the contract are those of the API."""
    content = event.body.model_dump(mode="json", exclude_none=True)
    kind = content.pop("type")
    request = intake_pb2.RecordCareEventRequest(
        patient=care_pb2.PatientId(**event.patient.model_dump()),
        body=ParseDict({kind: content}, care_pb2.CareBody()),
        key=event.key,
        withdrawn=event.withdrawn,
        request_id=event.request,
    )
    if event.known_from is not None:
        known = Timestamp()
        known.FromDatetime(event.known_from)
        request.known_from.CopyFrom(known)
    return request


def record(target: str, events: list[CareEvent]) -> list[intake_pb2.RecordCareEventResponse]:
    """Record care events one by one; each answer means Kafka has it. grpc.RpcError says which could not be taken."""
    with channel(target) as opened:
        stub = intake_pb2_grpc.IntakeServiceStub(opened)
        return [stub.RecordCareEvent(care_request(event), timeout=DEADLINE_SECONDS) for event in events]


def explain(engine: str, target: str, identifier: str) -> Message:
    """The engine's ExplainResponse about an id; grpc.RpcError NOT_FOUND when its ledger never saw it."""
    with channel(target) as opened:
        answer: Message
        match engine:
            case "flagging":
                flagging = flagging_pb2_grpc.FlaggingServiceStub(opened)
                answer = flagging.Explain(flagging_pb2.ExplainRequest(id=identifier), timeout=DEADLINE_SECONDS)
            case "response":
                response = response_pb2_grpc.ResponseServiceStub(opened)
                answer = response.Explain(response_pb2.ExplainRequest(id=identifier), timeout=DEADLINE_SECONDS)
            case _:
                relapse = relapse_pb2_grpc.RelapseServiceStub(opened)
                answer = relapse.Explain(relapse_pb2.ExplainRequest(id=identifier), timeout=DEADLINE_SECONDS)
        return answer


def duplicates(target: str, sender: str) -> int:
    """Messages of a sender that intake had seen before, since it was started."""
    with channel(target) as opened:
        answer = intake_pb2_grpc.IntakeServiceStub(opened).FeedStatus(intake_pb2.FeedStatusRequest(), timeout=5)
    return sum(int(feed.outcomes.get("duplicate", 0)) for feed in answer.feeds if feed.sender == sender)
