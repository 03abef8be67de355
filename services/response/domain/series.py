"""Series within a line: day representatives, baseline, nadir, and which series took over (clinical.md 8, 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from refrain.clinical.threevalued import Span, lower_of
from refrain.clinical.values import Comparator
from refrain.contracts.care import Line
from refrain.contracts.events import Point
from services.response.domain.facts import Result

Severity = Callable[[Result], Any]
"""Orders the results of one day: the greatest is the worst."""

NOT_DETECTED = Decimal(0)
"""The number of an M-protein reported in words as not there (HEM-3)."""
CENSORING = {"<": 0, "<=": 1, None: 2, ">=": 3, ">": 4}


def highest_is_worst(result: Result) -> tuple[Decimal, int]:
    """By the printed number; ``<5`` stands below 5, ``>5`` above it."""
    bounds = result.bounds
    if bounds is None:
        return Decimal("-Infinity"), 0
    number = result.view.number if result.view.number is not None else NOT_DETECTED
    return number, CENSORING[result.view.comparator]


def lowest_is_worst(result: Result) -> tuple[Decimal, int]:
    number, censoring = highest_is_worst(result)
    return -number, -censoring


@dataclass(frozen=True, slots=True)
class Window:
    """Which days belong to a line: its baseline window and its course after the first dose."""

    line: Line
    baseline_days: int

    def baseline(self, day: date) -> bool:
        """At most ``baseline_days`` before the first dose; the day of the dose itself counts (BASE-1)."""
        dose = self.line.first_dose
        return dose - timedelta(days=self.baseline_days) <= day <= dose

    def during(self, day: date) -> bool:
        return day > self.line.first_dose and (self.line.end is None or day < self.line.end)

    def holds(self, day: date) -> bool:
        return self.baseline(day) or self.during(day)


@dataclass(frozen=True, slots=True)
class Series:
    """One series of one line: all results, and one usable representative a day (SER-5), oldest first."""

    analyte: str
    key: str
    results: tuple[Result, ...]
    before: tuple[Result, ...]
    """Representatives of the baseline window."""
    during: tuple[Result, ...]
    """Representatives after the first dose."""

    @property
    def baseline(self) -> Result | None:
        """The last usable value before the first dose (BASE-1)."""
        return self.before[-1] if self.before else None


def series_of(results: Iterable[Result], window: Window, worst: Severity = highest_is_worst) -> tuple[Series, ...]:
    """The series that a line sees, in order of their first result."""
    grouped: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if window.holds(result.day):
            grouped.setdefault((result.analyte, result.series), []).append(result)
    return tuple(
        Series(
            analyte,
            key,
            tuple(members),
            daily((r for r in members if window.baseline(r.day)), worst),
            daily((r for r in members if window.during(r.day)), worst),
        )
        for (analyte, key), members in grouped.items()
    )


def daily(results: Iterable[Result], worst: Severity) -> tuple[Result, ...]:
    """Of each day the worst usable result; ties go to the later collection, then the id."""
    days: dict[date, list[Result]] = {}
    for result in results:
        if result.usable:
            days.setdefault(result.day, []).append(result)
    return tuple(
        max(members, key=lambda result: (worst(result), result.collected_at, result.id))
        for _, members in sorted(days.items())
    )


def successor(series: Series, others: Sequence[Series]) -> Series | None:
    """The series of the same analyte that took over within the line (SER-6), if any.

    One without a baseline of its own whose first usable result after the first dose is later than the first
    usable one of ``series``.
    """
    start = first_used(series)
    later = [
        other
        for other in others
        if other.analyte == series.analyte and other.key != series.key and not other.before and other.during
        and start is not None and _place(other.during[0]) > _place(start)
    ]  # fmt: skip
    return min(later, key=lambda other: _place(other.during[0]), default=None)


def first_used(series: Series) -> Result | None:
    return next(iter((*series.before, *series.during)), None)


def _place(result: Result) -> tuple[datetime, UUID]:
    return result.collected_at, result.id


@dataclass(frozen=True, slots=True)
class Mark:
    """A value that others are measured against: the baseline or a nadir."""

    result: UUID
    number: Decimal | None
    comparator: Comparator | None
    collected_at: datetime
    bounds: Span

    @classmethod
    def of(cls, result: Result) -> Mark | None:
        if (bounds := result.bounds) is None:
            return None
        number = result.view.number if result.view.number is not None else NOT_DETECTED
        return cls(result.id, number, result.view.comparator, result.collected_at, bounds)

    def point(self) -> Point:
        return Point(result=self.result, number=self.number, comparator=self.comparator, collected_at=self.collected_at)


def lower(nadir: Mark | None, value: Mark | None) -> Mark | None:
    """The lower of a nadir and a value. Its bounds say where the minimum of both lies (NAD-3)."""
    if nadir is None or value is None:
        return nadir or value
    kept = value if _rank(value) < _rank(nadir) else nadir
    bounds = lower_of(nadir.bounds, value.bounds)
    return Mark(kept.result, kept.number, kept.comparator, kept.collected_at, bounds)


def _rank(mark: Mark) -> tuple[Decimal, int]:
    return mark.number if mark.number is not None else Decimal(0), CENSORING[mark.comparator]
