"""One analyte's results over time: what a drawing shows, and the same in a sentence for those who do not see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from refrain.contracts.events import Axis, Point, ResponseAssessed
from services.chart.domain.coded_values import readable
from services.chart.domain.context import Bar
from services.chart.domain.course_words import COMPONENT_STATES, SPECIMENS, in_words
from services.chart.domain.views import ResultRow, SeriesView, VersionRow

MarkKind = Literal["used", "held", "below", "above", "old"]
NO_TIME = ("unknown", "relative")
NO_MARK = frozenset({"N", "<", ">", "POS", "NEG", "IND"})
"""Interpretation codes that the place of a mark says already."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One analyte with everything that its drawing shows."""

    analyte: str
    name: str
    unit: str
    series: tuple[SeriesView, ...]
    """Each drawn apart; every result in ``unit``, oldest first."""
    parts: tuple[str, ...]
    """What tells series of equal source apart, such as the lesion; empty texts where nothing needs to."""
    old: Mapping[UUID, Sequence[VersionRow]]
    """Of a corrected result the versions that no longer count and had another value."""
    axis: Axis | None
    """The newest call that rests on the analyte: its baseline and nadir are marked."""
    of_line: str
    """Whose baseline and nadir: `` of line 1`` where the patient had several, else empty."""
    bars: tuple[Bar, ...]
    zone: ZoneInfo

    @property
    def in_words(self) -> bool:
        """Positive or negative instead of numbers."""
        rows = [row for view in self.series for row in view.results]
        return any(row.nominal for row in rows) and not any(row.number is not None for row in rows)

    @property
    def summed(self) -> bool:
        """Baseline and nadir are sums over the lesions of a scan, no mark of the drawing."""
        return self.axis is not None and self.axis.axis == "PET"

    @property
    def joinable(self) -> bool:
        """More than one series that a person may say is one."""
        return len({view.series for view in self.series if view.series}) > 1

    @property
    def baseline(self) -> Point | None:
        return self.axis.baseline if self.axis else None

    @property
    def nadir(self) -> Point | None:
        return self.axis.nadir if self.axis else None

    def day(self, at: datetime) -> str:
        """The site's date."""
        return at.astimezone(self.zone).date().isoformat()


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark of the drawing."""

    at: datetime
    number: Decimal | None
    word: str
    """POS, NEG or IND where there is no number."""
    series: str
    run: str
    """Marks of one run are joined: exact, usable values of one series with nothing between them. Empty: not joined."""
    kind: MarkKind
    sign: str
    """What stands beside it: the comparator and the flags that are not "normal"."""
    says: str
    result: UUID | None
    """None for a value that was corrected."""


def curve_of(
    analyte: str, found: Sequence[SeriesView], *, lesions: Mapping[UUID, str], old: Mapping[UUID, Sequence[VersionRow]],
    course: ResponseAssessed | None, bars: Sequence[Bar], zone: ZoneInfo,
) -> Curve:  # fmt: skip
    """The curve of an analyte's series. ``lesions``: of results that are one lesion each, which one."""
    series = [each for view in found for each in _by_lesion(view, lesions)]
    rows = {row.result for view in found for row in view.results}
    units = {row.unit for view in found for row in view.results if row.unit}
    line, axis = _axis_on(course, rows)
    several = course is not None and len({each.line for each in course.lines}) > 1
    return Curve(
        analyte=analyte, name=found[0].name if found else analyte, unit=min(units, default=""),
        series=tuple(view for view, _ in series), parts=tuple(part for _, part in series), old=old,
        axis=axis, of_line=f" of line {line}" if several and axis else "", bars=tuple(bars), zone=zone,
    )  # fmt: skip


def _by_lesion(view: SeriesView, lesions: Mapping[UUID, str]) -> Iterator[tuple[SeriesView, str]]:
    """One series for each lesion: a line never joins two of them."""
    for lesion in sorted({lesions.get(row.result, "") for row in view.results}):
        mine = tuple(row for row in view.results if lesions.get(row.result, "") == lesion)
        yield replace(view, results=mine), f"lesion {lesion}" if lesion else ""


def _axis_on(course: ResponseAssessed | None, rows: AbstractSet[UUID]) -> tuple[int, Axis | None]:
    """Line and axis of the newest line whose baseline or nadir is among the results."""
    for line in sorted(course.lines if course else (), key=lambda line: (line.start, line.line), reverse=True):
        for axis in line.axes.values():
            if any(point is not None and point.result in rows for point in (axis.baseline, axis.nadir)):
                return line.line, axis
    return 0, None


def drawable(row: ResultRow) -> bool:
    """Whether a result has a place on a curve: a value that was read, and a collection time that is known."""
    read = row.number is not None or row.nominal is not None
    return row.state == "current" and read and row.time_precision not in NO_TIME


def labels(curve: Curve) -> tuple[str, ...]:
    """The series by what makes them one: specimen, method, laboratory; of equal ones also since when."""
    parts = zip(curve.series, curve.parts, strict=True)
    plain = [", ".join(text for text in (part, _label(view)) if text) for view, part in parts]
    often = Counter(plain)
    dated = [
        f"{text}, from {curve.day(view.results[0].collected_at)}" if often[text] > 1 and view.results else text
        for text, view in zip(plain, curve.series, strict=True)
    ]
    again = Counter(dated)
    return tuple(f"{text} ({at + 1})" if again[text] > 1 else text for at, text in enumerate(dated))


def _label(view: SeriesView) -> str:
    method = "method not stated" if view.method in ("UNKNOWN", "") else view.method
    return f"{in_words(SPECIMENS, view.specimen)}, {method}, {view.lab or 'laboratory not stated'}"


def marks(curve: Curve) -> Iterator[Mark]:
    """Every mark, series by series. A run ends at a value that is censored, or usable and without a number."""
    for at, (view, series) in enumerate(zip(curve.series, labels(curve), strict=True)):
        run = 0
        for row in view.results:
            joined = drawable(row) and row.comparator is None and row.usable
            if row.state == "current" and row.usable and not joined:
                run += 1
            if drawable(row):
                yield _mark(row, series, f"{at}.{run}" if joined else "", curve)
            yield from (old for version in curve.old.get(row.result, ()) if (old := _old(version, series, curve)))


def _mark(row: ResultRow, series: str, run: str, curve: Curve) -> Mark:
    kind: MarkKind = "used" if row.usable else "held"
    if row.comparator:
        kind = "below" if row.comparator.startswith("<") else "above"
    flags = " ".join(code for code in row.interpretation if code not in NO_MARK)
    said = [row.shown, curve.day(row.collected_at), flags]
    said.append("not flagged yet" if row.awaiting_flags else "held, not used" if not row.usable else "")
    sign = " ".join(part for part in (row.comparator or "", flags) if part)
    says = ", ".join(part for part in said if part)
    return Mark(row.collected_at, row.number, row.nominal or "", series, run, kind, sign, says, row.result)


def _old(version: VersionRow, series: str, curve: Curve) -> Mark | None:
    """A value that was corrected since; None when it has no place."""
    seen = version.observation
    number = version.flagged.number if version.flagged else (seen.canonical.number if seen.canonical else None)
    word = (version.flagged.nominal if version.flagged else None) or ""
    if (number is None and not word) or seen.time_precision in NO_TIME:
        return None
    says = f"{readable(version.text)}, {curve.day(seen.collected_at)}: corrected since"
    return Mark(seen.collected_at, number, word, series, "", "old", "corrected", says, None)


def describe(curve: Curve) -> str:
    """What the drawing shows: series by series the span with first and last value, the baseline and the nadir."""
    name = curve.name[:1].upper() + curve.name[1:]
    said = [f"{name} in {curve.unit}." if curve.unit and not curve.in_words else f"{name}."]
    for view, series in zip(curve.series, labels(curve), strict=True):
        rows = [row for row in view.results if drawable(row)]
        if rows:
            said.append(
                f"{series[:1].upper()}{series[1:]}: {_how_many(len(rows))}, {_from_to(rows[0], rows[-1], curve)}."
            )
    of = " (sum of the lesions)" if curve.summed else ""
    lowest_of = curve.of_line or " of the line"
    for word, point in (
        (f"Baseline{curve.of_line}{of}", curve.baseline),
        (f"Lowest value{lowest_of}{of}", curve.nadir),
    ):
        if point is not None and point.number is not None:
            value = f"{point.comparator or ''}{point.number} {curve.unit}".strip()
            said.append(f"{word} {value}, {curve.day(point.collected_at)}.")
    if any(curve.old.values()):
        said.append("Corrected values are drawn open and grey.")
    return " ".join(said)


def _how_many(number: int) -> str:
    return "1 result" if number == 1 else f"{number} results"


def _from_to(first: ResultRow, last: ResultRow, curve: Curve) -> str:
    one = f"{_value(first)} on {curve.day(first.collected_at)}"
    return one if first is last else f"{one} to {_value(last)} on {curve.day(last.collected_at)}"


def _value(row: ResultRow) -> str:
    return row.shown if row.number is not None else COMPONENT_STATES.get(row.nominal or "", row.text)
