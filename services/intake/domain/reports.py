"""From settled results to LabReports: one for each order and specimen, none larger than a record may be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from refrain.contracts.events import AgeAtCollection, LabReport, Observation, Source
from refrain.contracts.ids import derive
from refrain.contracts.topics import LAB_REPORTS
from services.intake.domain.er7 import DELETED, Segment
from services.intake.domain.identity import other_ids_of
from services.intake.domain.orders import OrderContext
from services.intake.domain.results import Draft
from services.intake.domain.times import Moment, age_in_days, read_time

MAX_REPORT_BYTES = 900_000
"""A report's JSON stays under this, so that a Kafka record of 1 MiB holds it (feeds.md 4)."""


def reports_of(
    order: OrderContext, drafts: Sequence[Draft], pid: Segment, source: Source
) -> tuple[tuple[LabReport, ...], tuple[str, ...]]:
    """The reports of one order, and the places of results that alone are larger than a record may be."""
    observations = [draft.observation() for draft in drafts]
    whole = _report(
        order, [draft.collected.moment for draft in drafts if draft.collected.moment.known], observations, pid, source
    )
    if len(LAB_REPORTS.encode(whole)) <= MAX_REPORT_BYTES:
        return (whole.identified(),), ()
    envelope = len(LAB_REPORTS.encode(whole.model_copy(update={"observations": ()}))) + 64
    sizes = [len(observation.model_dump_json(by_alias=True).encode()) + 1 for observation in observations]
    too_large = tuple(
        observation.segment
        for observation, size in zip(observations, sizes, strict=True)
        if envelope + size > MAX_REPORT_BYTES
    )
    parts = _packed(observations, sizes, MAX_REPORT_BYTES - envelope)
    return tuple(
        whole.model_copy(update={"observations": part, "part": at + 1, "parts": len(parts)}).identified()
        for at, part in enumerate(parts)
    ), too_large


def _packed(observations: Sequence[Observation], sizes: Sequence[int], room: int) -> list[tuple[Observation, ...]]:
    parts: list[tuple[Observation, ...]] = []
    current: list[Observation] = []
    used = 0
    for observation, size in zip(observations, sizes, strict=True):
        if size > room:
            continue
        if current and used + size > room:
            parts.append(tuple(current))
            current, used = [], 0
        current.append(observation)
        used += size
    return [*parts, tuple(current)] if current else parts


def _report(
    order: OrderContext, moments: Sequence[Moment], observations: Sequence[Observation], pid: Segment, source: Source
) -> LabReport:
    message = order.message
    profile = message.profile
    drawn = moments or [moment for moment in (order.collected.moment,) if moment]
    return LabReport(
        patient=message.patient,
        occurred_at=_latest(drawn, order.issued.at),
        recorded_at=message.received_at,
        trace=str(trace_of(source.hash)),
        other_ids=other_ids_of(pid, message.patient, profile.patient),
        sender=profile.sender,
        profile=profile.hash,
        translation=profile.translation,
        processing=message.processing,
        alert_on_preliminary=profile.alert_on_preliminary,
        sex=_sex(pid),
        age_at_collection=_age(pid, order, drawn),
        order=order.order,
        observations=tuple(observations),
        source=source,
    )


def trace_of(message_hash: str) -> UUID:
    """Id of the message in traces, from the hash of its bytes."""
    return derive("message", message_hash)


def _latest(moments: Sequence[Moment], otherwise: datetime) -> datetime:
    return max((moment.start for moment in moments), default=otherwise)


def _sex(pid: Segment) -> str | None:
    """PID-8 as received; None when it is not said."""
    sex = pid.text(8).strip()
    return sex if sex and sex != DELETED else None


def _age(pid: Segment, order: OrderContext, drawn: Sequence[Moment]) -> AgeAtCollection | None:
    birth = read_time(pid.text(7), order.message.profile.time_zone)
    if not drawn:
        return None
    days = age_in_days(birth, min(m.start.date() for m in drawn), max(m.last_day for m in drawn))
    return AgeAtCollection(days=days) if days else None
