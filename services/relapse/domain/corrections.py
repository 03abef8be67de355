"""A call that changed because the laboratory corrected or withdrew a result (clinical.md RET-5)."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from refrain.contracts.alerting import Finding
from refrain.contracts.events import Axis, Evidence
from services.relapse.domain import rules, wording
from services.relapse.domain.course import Course, Line
from services.relapse.domain.priority import P3


def calls_of(course: Course) -> dict[str, str]:
    """The call of each axis of each line, in words, by line and axis."""
    return {
        f"{line.number} {name}": in_words(axis)
        for line in course.lines
        for name, axis in (line.course.axes if line.course else {}).items()
    }


def in_words(axis: Axis) -> str:
    return f"{axis.call or 'not called'} ({axis.confirmation})" if axis.call else "not called"


def corrected_calls(course: Course, seen: Mapping[UUID, Evidence], calls: Mapping[str, str]) -> list[Finding]:
    """One note per axis whose call is another than before, when a result that was seen before has changed.

    ``seen`` and ``calls`` are what the last step saw. A result that is only new corrects nothing.
    """
    changed = {
        result: piece
        for result, piece in seen.items()
        if piece.analyte != "CLINICAL" and (result not in course.counting or course.counting[result].text != piece.text)
    }
    if not changed:
        return []
    now = calls_of(course)
    return [
        _finding(course, line, name, (calls[key], now[key]), changed)
        for line in course.lines
        for name in (line.course.axes if line.course and not line.closed else {})
        if (key := f"{line.number} {name}") in calls and calls[key] != now[key]
    ]


def _finding(
    course: Course, line: Line, axis: str, calls: tuple[str, str], changed: Mapping[UUID, Evidence]
) -> Finding:
    before, after = calls
    analytes = {trajectory.analyte for trajectory in line.on_axis(axis)}
    about = {result: piece for result, piece in changed.items() if piece.analyte in analytes} or changed
    pieces = sorted(
        (course.counting.get(result, piece) for result, piece in about.items()), key=lambda p: str(p.result)
    )
    versions = " ".join(str(piece.version) for piece in pieces)
    at = course.snapshot.as_of if course.snapshot else max(piece.collected_at for piece in pieces)
    return Finding(
        kind="RESULT_CORRECTED", tier=P3.tier, subject=axis, opener=f"{versions} {before} {after}",
        text=wording.corrected(axis, before, after), at=at, rule=rules.CORRECTED,
        evidence=tuple(pieces), line=line.number, notice=True, state="closed",
    )  # fmt: skip
