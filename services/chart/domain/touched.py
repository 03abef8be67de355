"""What rests on one result: the calls of the course, the alerts, and what its correction changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from refrain.contracts.events import AlertAmended, AlertRetracted, Axis, LineCourse, ResponseAssessed, ValueChange
from services.chart.domain.views import AlertView, Moment, VersionRow


@dataclass(frozen=True, slots=True)
class Call:
    """One axis of one line, and in what way the result is part of it."""

    line: LineCourse
    axis: Axis
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """What one alert's event said about a change of the result."""

    view: AlertView
    how: str
    """amended or withdrawn."""
    said: str
    change: ValueChange
    at: datetime


@dataclass(frozen=True, slots=True)
class CallChange:
    """A call before and after a version of the result came."""

    place: str
    """``line:AXIS``."""
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class VersionEffect:
    """What the course said before a later version came, and after it."""

    version: VersionRow
    changes: tuple[CallChange, ...]


def calls_on(course: ResponseAssessed | None, result: UUID) -> tuple[Call, ...]:
    """The calls that rest on a result, newest line first."""
    found = [
        Call(line, axis, roles)
        for line in (course.lines if course else ())
        for axis in line.axes.values()
        if (roles := tuple(_roles(axis, result)))
    ]
    return tuple(sorted(found, key=lambda call: (call.line.start, call.line.line), reverse=True))


def _roles(axis: Axis, result: UUID) -> Iterator[str]:
    if axis.as_of == result:
        yield "the newest sample"
    if axis.baseline is not None and axis.baseline.result == result:
        yield "the baseline"
    if axis.nadir is not None and axis.nadir.result == result:
        yield "the lowest of the line"
    if axis.confirmed_as_of == result:
        yield "since when the level is confirmed"
    if any(part.result == result for part in axis.components.values()):
        yield "a component"
    if result in axis.evidence:
        yield "evidence"


def alerts_on(views: Iterable[AlertView], result: UUID) -> tuple[AlertView, ...]:
    """The alerts that rest or rested on a result."""
    return tuple(
        view
        for view in views
        if any(piece.result == result for event in view.events for piece in event.evidence)
        or any(change.result == result for change in view.corrections)
    )


def corrections_of(views: Iterable[AlertView], result: UUID) -> tuple[Correction, ...]:
    """What alerts said when the result was corrected or withdrawn, oldest first."""
    found = []
    for view in views:
        ended = [view.retracted_by] if view.retracted_by else []
        for event in (*view.events, *ended):
            match event:
                case AlertAmended(what_changed=said):
                    how = "amended"
                case AlertRetracted(reason=said):
                    how = "withdrawn"
                case _:
                    continue
            found += [
                Correction(view, how, said, change, event.recorded_at)
                for change in event.values
                if change.result == result
            ]
    return tuple(sorted(found, key=lambda each: each.at))


def effects(versions: Sequence[VersionRow], moments: Sequence[Moment]) -> tuple[VersionEffect, ...]:
    """Of every later version what the course said before and after it. ``moments``: oldest first."""
    return tuple(VersionEffect(version, _changes(version, moments)) for version in versions[1:])


def _changes(version: VersionRow, moments: Sequence[Moment]) -> tuple[CallChange, ...]:
    """Between the last moment recorded before the version and the first one recorded with it."""
    before = [moment for moment in moments if moment.recorded_at < version.recorded_at]
    after = [moment for moment in moments if moment.recorded_at >= version.recorded_at]
    if not after:
        return ()
    old, new = (before[-1].calls if before else {}), after[0].calls
    return tuple(
        CallChange(place, old.get(place, ""), new.get(place, ""))
        for place in sorted({*old, *new})
        if old.get(place) != new.get(place)
    )
