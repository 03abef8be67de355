"""A patient's course as a page says it: axis by axis the call, why not more, the ladder, what is due. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from refrain.contracts.events import Assessment, Axis, LineCourse, Point
from services.chart.domain import course_words as words
from services.chart.domain.views import AlertRow, AlertView

WATCHES = {"VEGF_RISE_WATCH": "VEGF", "HEMATOLOGIC_RISE_WATCH": "HEMATOLOGIC"}
CONFIRMED = {
    "VEGF_PROGRESSION_CONFIRMED": "VEGF", "HEMATOLOGIC_RELAPSE_CONFIRMED": "HEMATOLOGIC",
    "RADIOGRAPHIC_RELAPSE": "PET", "CLINICAL_RELAPSE": "CLINICAL",
}  # fmt: skip
"""Alert kind to the ladder that it says something about (clinical.md 12.2)."""
FEEDS: Mapping[str, frozenset[str]] = {
    "VEGF": frozenset({"VEGF"}),
    "HEMATOLOGIC": frozenset({"MPROT_S", "IFE_S", "IFE_U", "BM_FLOW", "BM_PC"}),
    "PET": frozenset({"PET_LESION"}),
    "CLINICAL": frozenset(),
}
"""Analytes whose open questions touch an axis, beside those of its own series."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A result that a call is measured against."""

    result: UUID
    text: str
    on: date


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another level of the axis, and why it was not called."""

    level: str
    words: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class ComponentLine:
    """A part of the hematologic call."""

    name: str
    state: str
    confirmation: str
    result: UUID | None


@dataclass(frozen=True, slots=True)
class LadderLine:
    """Where the relapse ladder of an axis stands (clinical.md 12.3), as its alerts say."""

    name: str
    state: str
    alert: UUID | None = None
    repeat: tuple[date, date] | None = None
    """First and last day on which the repeat sample is asked for; None when none is."""
    deferred: bool = False
    """The newest sample lies in an infection window and confirms nothing."""

    @property
    def words(self) -> str:
        return words.in_words(words.LADDER_STATES, self.state)


@dataclass(frozen=True, slots=True)
class AxisCard:
    """One axis of one line with everything a clinician checks (clinical.md 18, 3 to 9)."""

    axis: Axis
    title: str
    sentence: str
    reasons: tuple[str, ...]
    caveats: tuple[str, ...]
    best: str
    """Best level confirmed, or not needing it; empty for none."""
    best_on: date | None
    baseline: Measured | None
    nadir: Measured | None
    from_baseline: str
    over_nadir: str
    times_uln: str
    neighbours: tuple[Neighbour, ...]
    components: tuple[ComponentLine, ...]
    ladder: LadderLine
    questions: tuple[AlertRow, ...]
    """Open questions for the laboratory about what the axis rests on."""
    verification: str


@dataclass(frozen=True, slots=True)
class Due:
    """Something that is due, or overdue."""

    what: str
    why: str
    on: date
    overdue: bool
    last: date | None = None
    """Last day of a window, which is overdue after it; None where the day itself is the last."""


def cards(
    line: LineCourse, alerts: Sequence[AlertRow], ladders: Mapping[str, LadderLine], zone: ZoneInfo
) -> tuple[AxisCard, ...]:
    """The axes of a line, VEGF first. ``alerts``: of the patient, in any state."""
    order = [*words.AXES, *sorted(set(line.axes) - set(words.AXES))]
    return tuple(
        _card(line, line.axes[name], alerts, ladders.get(name, LadderLine(name, "NONE")), zone)
        for name in order
        if name in line.axes
    )


def _card(line: LineCourse, axis: Axis, alerts: Sequence[AlertRow], ladder: LadderLine, zone: ZoneInfo) -> AxisCard:
    own = [each for trajectory in line.trajectories if trajectory.axis == axis.axis for each in trajectory.assessments]
    analytes = {each.analyte for each in own} | FEEDS.get(axis.axis, frozenset())
    newest = next((each for each in own if each.result == axis.as_of), None)
    return AxisCard(
        axis=axis,
        title=words.AXES.get(axis.axis, axis.axis),
        sentence=words.call_of(axis),
        reasons=tuple(words.with_code(words.REASONS, reason) for reason in axis.reasons),
        caveats=tuple(words.with_code(words.CAVEATS, caveat) for caveat in axis.caveats),
        best=words.with_code(words.CALLS, axis.best_response) if axis.best_response else "",
        best_on=_best_on(line, axis, zone),
        baseline=_measured(axis.baseline, own, zone),
        nadir=_measured(axis.nadir, own, zone),
        from_baseline=_percent(axis.percent_from_baseline),
        over_nadir=_percent(axis.percent_over_nadir),
        times_uln=_times_uln(newest),
        neighbours=_neighbours(axis),
        components=tuple(_component(name, axis) for name in axis.components),
        ladder=ladder,
        questions=tuple(row for row in alerts if row.tier == "DQ" and is_open(row) and row.subject in analytes),
        verification=words.in_words(words.VERIFICATIONS, axis.verification),
    )


def is_open(row: AlertRow) -> bool:
    """Whether the reason of an alert still holds, answered or not."""
    return row.fact_state in ("open", "amended") and not row.notice


def _best_on(line: LineCourse, axis: Axis, zone: ZoneInfo) -> date | None:
    """Since which sample the best response holds."""
    found = [step for step in line.upgrades if step.axis == axis.axis and step.level == axis.best_response]
    taken = {each.result: each.collected_at for trajectory in line.trajectories for each in trajectory.assessments}
    days = [taken[step.sample].astimezone(zone).date() for step in found if step.sample in taken]
    return min(days, default=None)


def _measured(point: Point | None, own: Iterable[Assessment], zone: ZoneInfo) -> Measured | None:
    if point is None:
        return None
    shown = next((each.text for each in own if each.result == point.result and each.text), "")
    number = "" if point.number is None else f"{point.comparator or ''}{point.number}"
    return Measured(point.result, shown or number, point.collected_at.astimezone(zone).date())


def _percent(number: Decimal | None) -> str:
    """One decimal with its sign, half-even (clinical.md G-1); empty when it cannot be said."""
    return "" if number is None else f"{number.quantize(Decimal('0.1'), ROUND_HALF_EVEN):+f} %"


def _times_uln(newest: Assessment | None) -> str:
    """The newest value as a multiple of its own upper limit, two decimals; empty for censored values and no limit."""
    if newest is None or newest.number is None or newest.comparator or not newest.high or newest.high < 0:
        return ""
    return f"{(newest.number / newest.high).quantize(Decimal('0.01'), ROUND_HALF_EVEN):f}"


def _neighbours(axis: Axis) -> tuple[Neighbour, ...]:
    named = list(dict.fromkeys((*axis.levels, *axis.why_not)))
    return tuple(
        Neighbour(
            level=level,
            words=words.in_words(words.CALLS, level),
            state=words.with_code(words.LEVELS, axis.levels[level]) if level in axis.levels else "",
            why=words.spelled_out(axis.why_not.get(level, "")),
        )
        for level in named
    )


def _component(name: str, axis: Axis) -> ComponentLine:
    part = axis.components[name]
    confirmation = words.in_words(words.CONFIRMATION, part.confirmation) if part.confirmation else ""
    state = words.with_code(words.COMPONENT_STATES, part.state)
    return ComponentLine(words.in_words(words.COMPONENTS, name), state, confirmation, part.result)


def ladders(
    line: LineCourse, alerts: Sequence[AlertRow], watches: Mapping[UUID, AlertView], repeat_days: tuple[int, int],
    zone: ZoneInfo,
) -> dict[str, LadderLine]:  # fmt: skip
    """The four ladders of a line by axis, read from the alerts of relapse that are open.

    ``watches``: the whole life of each open watch. ``repeat_days`` is the site's ``ladder.repeat_days``.
    """
    found = {axis: LadderLine(name, "ARCHIVED" if line.closed else "NONE") for axis, name in words.LADDERS.items()}
    if line.closed:
        return found
    mine = [row for row in alerts if row.line == line.line and is_open(row)]
    for row in mine:
        axis = WATCHES.get(row.kind)
        if axis is not None:
            found[axis] = _watch(found[axis].name, row, watches.get(row.alert), repeat_days, zone)
    for row in mine:
        axis = CONFIRMED.get(row.kind)
        if axis is not None:
            found[axis] = LadderLine(found[axis].name, "CONFIRMED", row.alert)
    return found


def _watch(
    name: str, row: AlertRow, view: AlertView | None, repeat_days: tuple[int, int], zone: ZoneInfo
) -> LadderLine:
    if view is None or not view.events:
        return LadderLine(name, "WATCH", row.alert)
    newest = view.events[-1]
    taken = [piece.collected_at.astimezone(zone).date() for piece in newest.evidence]
    first, last = (timedelta(days=days) for days in repeat_days)
    repeat = (max(taken) + first, max(taken) + last) if taken else None
    state = "STALLED" if "stalled" in newest.tags else "WATCH"
    return LadderLine(name, state, row.alert, repeat, "in_infection_window" in newest.tags)


def due(line: LineCourse, ladder: Iterable[LadderLine], today: date) -> tuple[Due, ...]:
    """What is due in a line: rechecks not repeated yet, and the repeat of each watch; earliest first."""
    found = [
        Due(words.analyte_name(each.analyte), words.with_code(words.RECHECKS, each.rule), each.due_on,
            overdue=each.due_on < today)
        for each in line.rechecks
        if each.repeated_by is None and not line.closed
    ]  # fmt: skip
    found += [
        Due(
            f"repeat sample for the {each.name} watch",
            each.words,
            each.repeat[0],
            overdue=each.repeat[1] < today,
            last=each.repeat[1],
        )
        for each in ladder
        if each.repeat is not None
    ]
    return tuple(sorted(found, key=lambda each: (each.on, each.what)))
