"""Where a list goes on: the sort key of the last row shown, without patient data."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

from services.chart.adapters.tables import microseconds
from services.chart.domain.alerts import urgency
from services.chart.domain.fhir.reports import Head
from services.chart.domain.views import AlertRow, DeadLetter, PatientRow, ReportView, ResultRow

LARGEST = 2**63 - 1
"""Of numbers in the database; a larger one is in no address of ours."""


class UnknownCursor(ValueError):
    """A cursor that is not ours."""


@singledispatch
def cursor_of(row: object) -> str:
    """The cursor after a row of one of the read model's lists."""
    raise TypeError(f"no list has a {type(row).__name__}")


@cursor_of.register
def _patient(row: PatientRow) -> str:
    return f"{microseconds(row.newest_fact_at)}.{row.chart_id}"


@cursor_of.register
def _result(row: ResultRow) -> str:
    return f"{microseconds(row.collected_at)}.{row.result}"


@cursor_of.register
def _report(row: ReportView) -> str:
    return f"{microseconds(row.recorded_at)}.{row.report}"


@cursor_of.register
def _head(row: Head) -> str:
    return f"{microseconds(row.recorded_at)}.{row.report}"


@cursor_of.register
def _alert(row: AlertRow) -> str:
    return f"{urgency(row.tier, row.due_hours)}.{microseconds(row.at)}.{row.alert}"


@cursor_of.register
def _letter(row: DeadLetter) -> str:
    return f"{microseconds(row.at)}.{row.id}"


def reading_cursor(cursor: str, *kinds: Callable[[str], Any]) -> tuple[Any, ...]:
    """The parts of a cursor; UnknownCursor when they are not of these kinds."""
    parts = cursor.split(".", len(kinds) - 1)
    try:
        read = tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
    except ValueError:
        read = ()
    if not read or any(isinstance(part, int) and abs(part) > LARGEST for part in read):
        raise UnknownCursor("this page is not one of ours: begin again from the first one")
    return read
