"""Every topic: what it carries, who writes it, who reads it. The only place where a topic is named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from refrain.contracts.events import (
    AlertAction,
    AlertEvent,
    CareEvent,
    FlaggedReport,
    LabReport,
    Quarantined,
    ResponseAssessed,
)

PARTITIONS = 12
"""Of every topic; fixed at installation, because a patient must never change partition."""

TEN_YEARS = timedelta(days=3650)
MAX_RECORD_BYTES = 1_048_576
QUARANTINE_RECORD_BYTES = 12 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """One public contract."""

    name: str
    carries: Any
    """The pydantic type of its events."""
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    about: str
    partitions: int = PARTITIONS
    retention: timedelta = TEN_YEARS
    max_record_bytes: int = MAX_RECORD_BYTES
    keyed_by_patient: bool = True

    def dead_letters(self, service: str) -> str:
        """Where a reader puts what it could not read."""
        return f"{self.name}.{service}.dlq"

    def encode(self, event: Any) -> bytes:
        """JSON bytes of one event."""
        return adapter(self).dump_json(event, by_alias=True)

    def decode(self, value: bytes) -> Any:
        """One event from JSON bytes; pydantic.ValidationError (without the input) when it is none."""
        return adapter(self).validate_json(value)


@cache
def adapter(topic: Topic) -> TypeAdapter[Any]:
    """The codec of a topic, built once."""
    return TypeAdapter(topic.carries)


LAB_REPORTS = Topic(
    name="lab-reports.v1",
    carries=LabReport,
    written_by=("intake",),
    read_by=("flagging", "chart"),
    about="one order's observations, raw beside parsed",
)
CARE_EVENTS = Topic(
    name="care-events.v1",
    carries=CareEvent,
    written_by=("intake",),
    read_by=("flagging", "response", "relapse", "chart"),
    about="therapy, transplant, infection, clinical findings, reviews",
)
QUARANTINE = Topic(
    name="quarantine.v1",
    carries=Quarantined,
    written_by=("intake",),
    read_by=(),
    about="what could not be used: cause, place, raw bytes (restricted)",
    max_record_bytes=QUARANTINE_RECORD_BYTES,
    keyed_by_patient=False,
)
FLAGGED_REPORTS = Topic(
    name="flagged-reports.v1",
    carries=FlaggedReport,
    written_by=("flagging",),
    read_by=("response", "chart"),
    about="the report, our flags, the range that judged",
)
RESPONSES = Topic(
    name="responses.v1",
    carries=ResponseAssessed,
    written_by=("response",),
    read_by=("relapse", "chart"),
    about="the course: per axis the call, confirmed or not, what is missing",
)
ALERTS = Topic(
    name="alerts.v1",
    carries=AlertEvent,
    written_by=("flagging", "relapse"),
    read_by=("notify", "chart"),
    about="alerts raised, amended, closed, retracted",
)
ALERT_ACTIONS = Topic(
    name="alert-actions.v1",
    carries=AlertAction,
    written_by=("notify",),
    read_by=("chart",),
    about="told, acknowledged, read back, snoozed, escalated, ended: what people did about an alert",
)

TOPICS: tuple[Topic, ...] = (LAB_REPORTS, CARE_EVENTS, QUARANTINE, FLAGGED_REPORTS, RESPONSES, ALERTS, ALERT_ACTIONS)


def inputs_of(service: str) -> tuple[Topic, ...]:
    """The topics a service reads, in the order of the table."""
    return tuple(topic for topic in TOPICS if service in topic.read_by)
