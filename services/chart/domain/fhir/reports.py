"""A lab report as a DiagnosticReport: what one message brought, with the results as they stand now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from refrain.clinical.statuses import StatusClass
from refrain.contracts.fhir_names import code_system
from services.chart.domain.fhir.moments import Span, date_of, wanted
from services.chart.domain.fhir.observations import GONE, Stands, status_of
from services.chart.domain.fhir.pieces import (
    Piece,
    coding,
    concept,
    instant,
    part,
    parts,
    reference,
    some,
    text,
    with_meta,
)
from services.chart.domain.views import ReportView, ResultRow, ResultState

IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
SECTIONS = "http://terminology.hl7.org/CodeSystem/v2-0074"
UNSETTLED = {"registered", "preliminary", "unknown"}


FINENESS = ("day", "month", "year", "relative", "unknown")
"""Precisions of times that are no instants, the finest first."""


class Collected(Stands, Protocol):
    """How a result stands, and when it was collected."""

    @property
    def collected_at(self) -> datetime: ...

    @property
    def time_precision(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How one result of a report stands."""

    state: ResultState
    status: str
    status_class: StatusClass
    recorded_at: datetime
    collected_at: datetime
    time_precision: str


@dataclass(frozen=True, slots=True)
class Head:
    """A report before it is read in full. ``standing``: those of its results that are known."""

    report: UUID
    occurred_at: datetime
    recorded_at: datetime
    standing: tuple[Standing, ...]

    @property
    def status(self) -> str:
        """As :func:`report` gives it."""
        return status(self.standing)

    @property
    def changed_at(self) -> datetime:
        """``meta.lastUpdated``, as :func:`report` gives it."""
        said = (each.recorded_at for each in self.standing if status_of(each) is not None)
        return max([self.recorded_at, *said])


def effective(occurred_at: datetime, standing: Sequence[Collected], zone: ZoneInfo) -> tuple[str | None, Span | None]:
    """When what is reported was true, as FHIR writes it and as a search compares it: no more precise than its results.

    A day of the laboratory's zone is that day here too; None where no more than a relative day is known.
    """
    known = [each for each in standing if status_of(each) is not None]
    finest = min(known, key=lambda each: _coarseness(each.time_precision), default=None)
    match finest.time_precision if finest else "":
        case "relative" | "unknown":
            return None, None
        case "day" | "month" | "year" as precision if finest is not None:
            date = date_of(finest.collected_at, precision, zone)
            return date, wanted(date, zone).span
    return instant(occurred_at), (occurred_at, occurred_at)


def _coarseness(precision: str) -> int:
    return FINENESS.index(precision) + 1 if precision in FINENESS else 0


def report(view: ReportView, results: Sequence[ResultRow], zone: ZoneInfo) -> Piece:
    """``results``: the rows of the report's results that are known, in any order."""
    order = view.order
    by_id = {row.result: row for row in results if status_of(row) is not None}
    standing = [by_id[result] for result in dict.fromkeys(view.results) if result in by_id]
    shown = [row for row in standing if row.state not in GONE]
    resource = some(
        resourceType="DiagnosticReport",
        id=str(view.report),
        extension=parts("as-received", part("orderStatus", "String", text(order.status))),
        identifier=[
            *([_number("PLAC", order.placer)] if order.placer.strip() else []),
            *([_number("FILL", order.filler)] if order.filler.strip() else []),
        ],
        status=status(standing),
        category=[concept(coding(SECTIONS, "LAB", "Laboratory"))],
        code=_code(order.code),
        subject=reference("Patient", view.chart_id),
        effectiveDateTime=effective(view.occurred_at, standing, zone)[0],
        issued=instant(max((row.issued_at for row in shown), default=view.recorded_at)),
        performer=[some(display=text(view.sender))] if view.sender.strip() else [],
        result=[reference("Observation", row.result) for row in shown],
    )
    at = max((row.recorded_at for row in standing), default=view.recorded_at)
    return with_meta(resource, max(at, view.recorded_at), view.processing)


def status(standing: Sequence[Stands]) -> str:
    """From the results as they stand, never from OBR-25: a report is no more settled than what it reports."""
    told = [status_of(row) for row in standing]
    found = {each for each in told if each is not None}
    for alone in ("entered-in-error", "cancelled", "registered", "unknown"):
        if found == {alone}:
            return alone
    settled = found - {"entered-in-error", "cancelled"}
    if not settled:
        return "entered-in-error" if found else "unknown"
    if settled & UNSETTLED:
        return "partial" if settled - UNSETTLED else "preliminary"
    return next(each for each in ("corrected", "amended", "final") if each in settled)


def _number(kind: str, number: str) -> Piece:
    return {"type": concept(coding(IDENTIFIER_TYPES, kind)), "value": text(number)}


def _code(received: str) -> Piece:
    """OBR-4 as received; its components are parted by ``^``."""
    code, _, rest = received.partition("^")
    name, _, system = rest.partition("^")
    if not code.strip():
        return concept(words=name or "Laboratory report")
    return concept(coding(code_system(system or "L"), code, name), words=name or code)
