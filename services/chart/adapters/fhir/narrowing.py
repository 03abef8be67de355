"""What a search asks for as conditions in SQL: each holds for every row that is meant, and for few others.

Rows are compared exactly afterwards (:func:`services.chart.domain.fhir.searching.matches`); a value that SQL cannot
tell for certain narrows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, and_, false, or_, true

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.statuses import FHIR_STATUS
from services.chart.adapters.tables import REPORTS, RESULTS, microseconds
from services.chart.domain.fhir.moments import MIDDLES, Wanted
from services.chart.domain.fhir.observations import BY_CLASS, GONE
from services.chart.domain.fhir.pieces import REPLACEMENT
from services.chart.domain.fhir.searching import Asked

Condition = ColumnElement[bool]
Value = TypeVar("Value")

A_YEAR = timedelta(days=367)
ZONES = timedelta(days=2)
"""A day begins elsewhere than here by less than this."""
FINE = timedelta(hours=1)
"""Widest time that is not known by its date alone."""
COARSE = tuple(MIDDLES)
"""Precisions of times that are known by their date alone."""
IMAGING = "IMAGE"
"""The specimen of a scan."""


def of_results(asked: Asked) -> list[Condition]:
    """Of the rows of results."""
    columns = RESULTS.c
    return [
        columns.status_class != "none",  # order details are no results
        *([] if asked.also_gone else [columns.state.not_in(GONE)]),
        *_all(asked.tokens.get("code", ()), _coded),
        *_all(asked.tokens.get("category", ()), _category),
        *_all(asked.tokens.get("status", ()), _status),
        *_all(asked.dates.get("date", ()), _collected),
        *_all(asked.dates.get("_lastUpdated", ()), lambda each: _within(columns.recorded_at, each)),
    ]


def of_reports(asked: Asked) -> list[Condition]:
    """Of the rows of reports; their status is that of their results."""
    columns = REPORTS.c
    return [
        *_all(asked.tokens.get("identifier", ()), _numbered),
        *_all(asked.tokens.get("code", ()), _ordered),
        *_all(asked.dates.get("date", ()), lambda each: _between(columns.occurred_at, each, A_YEAR + ZONES, ZONES)),
        *_all(asked.dates.get("_lastUpdated", ()), _not_later),
    ]


def _all(ands: Sequence[Sequence[Value]], one: Callable[[Value], Condition | None]) -> Iterator[Condition]:
    for ors in ands:
        conditions = [one(each) for each in ors]
        certain = [each for each in conditions if each is not None]
        if len(certain) == len(conditions):
            yield or_(*certain)


def _named(given: str) -> str | None:
    """The code of a token, where it stands in the database as it does in a resource: without spaces and marks."""
    named = given.rpartition("|")[2]
    return None if not named or REPLACEMENT in named or any(each.isspace() for each in named) else named


def _coded(given: str) -> Condition | None:
    named = _named(given)
    if named is None:
        return None
    analytes = [
        analyte for analyte, entry in CATALOGUE.items() if entry.code == named or entry.loinc[:1] == (named,)
    ]  # fmt: skip
    return or_(RESULTS.c.code == named, RESULTS.c.analyte.in_(analytes))


def _category(given: str) -> Condition | None:
    match given.rpartition("|")[2]:
        case "":
            return None
        case "imaging":
            return RESULTS.c.specimen == IMAGING
        case "laboratory":
            return RESULTS.c.specimen != IMAGING
    return false()


def _status(given: str) -> Condition | None:
    columns = RESULTS.c
    match given.rpartition("|")[2]:
        case "":
            return None
        case "entered-in-error":
            return or_(columns.status_class == "withdrawn", columns.state.in_(GONE))
        case "amended":
            others = [code for code, status in FHIR_STATUS.items() if status != "amended"]
            return and_(columns.status_class == "final", columns.status.not_in(others))
        case status:
            return columns.status_class.in_([each for each, named in BY_CLASS.items() if named == status])


def _collected(asked: Wanted) -> Condition | None:
    """A time that is known by its date alone may begin long before; any other one by less than an hour."""
    column = RESULTS.c.collected_at
    return and_(
        _between(column, asked, A_YEAR + ZONES, ZONES),
        or_(RESULTS.c.time_precision.in_(COARSE), _between(column, asked, FINE, timedelta(0))),
    )


def _within(column: Column[Any], asked: Wanted) -> Condition | None:
    """Of an instant."""
    return _between(column, asked, timedelta(0), timedelta(0))


def _between(column: Column[Any], asked: Wanted, before: timedelta, after: timedelta) -> Condition:
    earliest, latest = asked.bounds
    return and_(
        *([] if earliest is None else [column >= microseconds(earliest - before)]),
        *([] if latest is None else [column < microseconds(latest + after)]),
        true(),
    )


def _not_later(asked: Wanted) -> Condition | None:
    """A report changes with its results: it is never older than its own record."""
    _, latest = asked.bounds
    return None if latest is None else REPORTS.c.recorded_at < microseconds(latest)


def _numbered(given: str) -> Condition | None:
    named = given.rpartition("|")[2]
    if not named or REPLACEMENT in named:
        return None
    return or_(REPORTS.c.placer == named, REPORTS.c.filler == named)


def _ordered(given: str) -> Condition | None:
    """OBR-4 as received, with all its components."""
    named = _named(given)
    return None if named is None else REPORTS.c.code.contains(named, autoescape=True)
