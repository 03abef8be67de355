"""A series as it travels in the snapshot: every result of it, the used ones judged, the others with their reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from refrain.clinical.interpretation import LOW
from refrain.contracts.events import Assessment, AxisName, Trajectory
from services.response.domain.facts import Result
from services.response.domain.series import Series, Severity, Window, daily
from services.response.domain.verdict import entry

NOT_WORST_OF_DAY = "NOT_WORST_OF_DAY"
"""Usable, but another result of its series and date stands for the day (SER-5)."""


def trajectory(
    axis: AxisName | None,
    series: Series,
    window: Window,
    judged: Callable[[Assessment], Assessment],
    successor: Series | None = None,
) -> Trajectory:
    """All results of a series within a line, oldest first; ``judged`` adds what the rules said."""
    used = {result.id for result in (*series.before, *series.during)}
    return Trajectory(
        axis=axis,
        analyte=series.analyte,
        series=series.key,
        assessments=tuple(
            judged(_entry(result, used).model_copy(update={"before_line": not window.during(result.day)}))
            for result in series.results
        ),
        switched_to=successor.key if successor else None,
        switched_at=successor.during[0].id if successor else None,
    )


def outside_lines(results: Iterable[Result], worst: Severity) -> tuple[Trajectory, ...]:
    """Whole history of series that safety rules look at, whatever the line."""
    grouped: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        grouped.setdefault((result.analyte, result.series), []).append(result)
    found = []
    for (analyte, key), members in sorted(grouped.items()):
        used = {result.id for result in daily(members, worst)}
        steps = tuple(_told_low(_entry(result, used), result) for result in members)
        found.append(Trajectory(axis=None, analyte=analyte, series=key, assessments=steps))
    return tuple(found)


def _told_low(entry: Assessment, result: Result) -> Assessment:
    """Low by the laboratory's own flag too, where that is the more severe word (INT-5)."""
    return entry.model_copy(update={"below": True, "inside": False}) if result.normality in LOW else entry


def _entry(result: Result, used: set[UUID]) -> Assessment:
    if not result.usable:
        return entry(result, result.excluded)
    return entry(result, () if result.id in used else (NOT_WORST_OF_DAY,))
