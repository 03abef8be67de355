"""The relapse ladder of clinical.md 12.2 and 12.3: four per line, from a watch to its confirmation.

VEGF and HEMATOLOGIC need two samples of one series; RADIOGRAPHIC and CLINICAL stand at once. An episode opens
at the first sample that meets condition P; its state is a function of the set of samples, never of arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal
from uuid import UUID

from refrain.contracts.events import AxisName, CareEvent, ResponseAssessed
from refrain.contracts.site import SiteSettings
from refrain.contracts.visits import WORSE
from services.relapse.domain.course import Course, Line, counted
from services.relapse.domain.series import Episode, Sample, fold_series

LadderState = Literal["NONE", "WATCH", "CONFIRMED", "STALLED", "ARCHIVED"]
LadderName = Literal["vegf", "hematologic", "radiographic", "clinical"]


@dataclass(frozen=True, slots=True)
class Ladder:
    """One ladder of one line, with every episode of its history, oldest first."""

    name: LadderName
    axis: AxisName
    line: int
    closed: bool
    """The line is closed: the ladder is archived and nothing in it stays open."""
    episodes: tuple[Episode, ...]

    @property
    def state(self) -> LadderState:
        if self.closed:
            return "ARCHIVED"
        found = {episode.state for episode in self.episodes}
        further: tuple[LadderState, ...] = ("CONFIRMED", "WATCH", "STALLED")
        return next((state for state in further if state in found), "NONE")

    @property
    def active(self) -> bool:
        """WATCH or beyond; a stalled watch is an open question too."""
        return self.state in ("WATCH", "STALLED", "CONFIRMED")

    @property
    def falling(self) -> bool:
        """CONFIRMED, and a later sample no longer meets P: a note, never an alert."""
        return any(episode.falling for episode in self.episodes)


Ladders = Mapping[int, tuple[Ladder, ...]]
"""The four ladders of each line."""


def ladders(
    snapshot: ResponseAssessed | None, care_events: Iterable[CareEvent], site: SiteSettings
) -> dict[int, dict[LadderName, LadderState]]:
    """The state of the four ladders of each line. Care events may be given in every version and any order."""
    folded = fold(Course.of(snapshot, care_events, site))
    return {line: {ladder.name: ladder.state for ladder in four} for line, four in folded.items()}


def fold(course: Course) -> Ladders:
    """All ladders of all lines."""
    return {line.number: tuple(_of_line(line, course)) for line in course.lines}


def _of_line(line: Line, course: Course) -> Iterator[Ladder]:
    """Infection raises VEGF and nothing else here: only there a sample inside its window confirms nothing (13.4)."""
    vegf = _biochemical(line, "VEGF", course.in_infection_window)
    hematologic = _biochemical(line, "HEMATOLOGIC", lambda _: False)
    folded: tuple[tuple[LadderName, AxisName, tuple[Episode, ...]], ...] = (
        ("vegf", "VEGF", vegf),
        ("hematologic", "HEMATOLOGIC", hematologic),
        ("radiographic", "PET", _radiographic(line)),
        ("clinical", "CLINICAL", _clinical(line, course)),
    )
    for name, axis, episodes in folded:
        yield Ladder(name, axis, line.number, line.closed, episodes)


def _biochemical(line: Line, axis: AxisName, deferred: Callable[[date], bool]) -> tuple[Episode, ...]:
    folded = [
        episode
        for trajectory in line.on_axis(axis)
        for episode in fold_series(trajectory, deferred=deferred, switched_on=_switch_day(trajectory.switched_at, line))
    ]
    return until_confirmed(merge(folded))


def _switch_day(first_of_next: UUID | None, line: Line) -> date | None:
    """Collection date of the first result of the series that took over."""
    days = (each.day for t in line.trajectories for each in t.assessments if each.result == first_of_next)
    return next(days, None)


def _radiographic(line: Line) -> tuple[Episode, ...]:
    scans = [each for trajectory in line.on_axis("PET") for each in counted(trajectory)]
    met = sorted((Sample.of(each) for each in scans if each.p == "met"), key=Sample.order)
    first = [sample for sample in met if sample.day == met[0].day]
    fails_later = any(each.p == "not_met" and each.day > met[-1].day for each in scans) if met else False
    return _at_once(first, falling=fails_later)


def _clinical(line: Line, course: Course) -> tuple[Episode, ...]:
    """Worsening in words or in a score, or a new feature, as recorded; later ones belong to the same episode."""
    scored = course.worse_by_score(line.number)
    met = [
        Sample(result=result, day=body.on, collected_at=course.start_of(body.on), analyte="CLINICAL")
        for result, event, body in course.findings
        if event.event_id in scored
        or (line.followed(body.on) and (body.new_feature or WORSE.intersection(body.symptoms.values())))
    ]
    return _at_once(met, falling=False)


def _at_once(met: Sequence[Sample], *, falling: bool) -> tuple[Episode, ...]:
    if not met:
        return ()
    return (Episode(met=tuple(met), basis=(), state="CONFIRMED", judged=met[0], falling=falling),)


def merge(episodes: Iterable[Episode]) -> tuple[Episode, ...]:
    """One episode where several series of an axis are on watch at the same time (FAT-1); oldest first."""
    merged: list[Episode] = []
    for episode in sorted(episodes, key=lambda each: each.opener.order()):
        last = merged[-1] if merged else None
        if last is not None and (last.ends is None or episode.opener.day < last.ends):
            merged[-1] = _joined(last, episode)
        else:
            merged.append(episode)
    return tuple(merged)


def _joined(one: Episode, other: Episode) -> Episode:
    """The opener of the earlier, the state of the further, the samples of both up to the confirmation."""
    rank = ("RESOLVED", "STALLED", "WATCH", "CONFIRMED")
    lead = max((one, other), key=lambda each: (rank.index(each.state), each.judged.day))
    if one.state == other.state == "CONFIRMED":
        lead = min((one, other), key=lambda each: (each.judged.day, each.opener.order()))
    met = {sample.result: sample for sample in (*one.met, *other.met)}
    kept = [sample for sample in met.values() if lead.state != "CONFIRMED" or sample.day <= lead.judged.day]
    basis = tuple(dict.fromkeys((*one.basis, *other.basis)))
    return replace(lead, met=tuple(sorted(kept, key=Sample.order)), basis=basis)


def until_confirmed(episodes: Sequence[Episode]) -> tuple[Episode, ...]:
    """A progression happened: what opens after it belongs to the next line, and what was open is overtaken."""
    confirmed = next((each for each in episodes if each.state == "CONFIRMED"), None)
    if confirmed is None:
        return tuple(episodes)
    before = [each for each in episodes if each is confirmed or each.opener.day <= confirmed.judged.day]
    return tuple(
        replace(each, overtaken=True) if each.state in ("WATCH", "STALLED") else each
        for each in before
        if each is confirmed or each.state != "CONFIRMED"
    )
