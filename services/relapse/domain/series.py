"""One series climbs the ladder: NONE, WATCH, and CONFIRMED or back (clinical.md 12.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from typing import Literal
from uuid import UUID

from refrain.contracts.events import Assessment, Trajectory
from services.relapse.domain.course import counted, counts

EpisodeState = Literal["WATCH", "CONFIRMED", "STALLED", "RESOLVED"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A result, a scan's lesion or a clinical finding, as far as a ladder looks at it."""

    result: UUID
    day: date
    collected_at: datetime
    analyte: str
    caveats: tuple[str, ...] = ()
    stands_for: tuple[UUID, ...] = ()
    """Other results of its series and date (SER-5): an episode that one of them opened is this one."""

    @classmethod
    def of(cls, each: Assessment, stands_for: tuple[UUID, ...] = ()) -> Sample:
        return cls(each.result, each.day, each.collected_at, each.analyte, each.caveats, stands_for)

    def order(self) -> tuple[object, ...]:
        return (self.day, self.collected_at, str(self.result))


@dataclass(frozen=True, slots=True)
class Episode:
    """From the first sample that meets condition P to what became of it."""

    met: tuple[Sample, ...]
    """Samples that meet P, the opener first, the confirming one last."""
    basis: tuple[UUID, ...]
    """Results P is measured against: the nadir, or the negatives that confirmed the component."""
    state: EpisodeState
    judged: Sample
    """The last sample that decided something: the one to repeat, or the one that confirmed or resolved."""
    ends: date | None = None
    """Day from which it watches nothing any more; None while it does."""
    deferred: bool = False
    """The newest sample meets P inside an infection window: it confirms nothing (clinical.md 13.4)."""
    falling: bool = False
    overtaken: bool = False
    """Was open when another series of the axis was confirmed."""

    @property
    def opener(self) -> Sample:
        return self.met[0]


def fold_series(
    trajectory: Trajectory, *, deferred: Callable[[date], bool], switched_on: date | None
) -> tuple[Episode, ...]:
    """Every episode of one series, oldest first; a confirmed one is the last.

    CONF-4 asks for the nadir that opened the watch. It is the nadir of every later sample of the watch too: a
    sample that meets P lies above the lowest value, so the lowest value does not move while a watch is open.
    """
    episodes: list[Episode] = []
    watch: Episode | None = None
    steps, same_day = counted(trajectory), _same_day(trajectory)
    for place, each in enumerate(steps):
        if watch is None:
            if each.p == "met":
                watch = _opened(each, steps[:place], deferred(each.day), same_day)
            continue
        if each.p not in ("met", "not_met") or each.day <= watch.judged.day:
            continue
        if each.p == "not_met":
            episodes.append(replace(watch, state="RESOLVED", judged=Sample.of(each), ends=each.day, deferred=False))
            watch = None
        elif deferred(each.day):
            watch = _further(watch, each, same_day, deferred=True)
        else:
            falling = any(later.p == "not_met" for later in steps[place + 1 :])
            confirmed = _further(watch, each, same_day, deferred=False)
            return (*episodes, replace(confirmed, state="CONFIRMED", ends=each.day, falling=falling))
    if watch is not None:
        episodes.append(_stalled(watch, trajectory, switched_on))
    return tuple(episodes)


SameDay = Mapping[date, tuple[UUID, ...]]


def _same_day(trajectory: Trajectory) -> SameDay:
    """Usable results of each date that another one stands for."""
    others: dict[date, tuple[UUID, ...]] = {}
    for each in trajectory.assessments:
        if each.excluded and counts(each):
            others[each.day] = (*others.get(each.day, ()), each.result)
    return others


def _opened(each: Assessment, before: Sequence[Assessment], in_window: bool, same_day: SameDay) -> Episode:
    sample = Sample.of(each, same_day.get(each.day, ()))
    basis = (each.nadir.result,) if each.nadir else _confirmed_negative(before)
    return Episode(met=(sample,), basis=basis, state="WATCH", judged=sample, deferred=in_window)


def _further(watch: Episode, each: Assessment, same_day: SameDay, *, deferred: bool) -> Episode:
    sample = Sample.of(each, same_day.get(each.day, ()))
    return replace(watch, met=(*watch.met, sample), judged=sample, deferred=deferred)


def _confirmed_negative(before: Sequence[Assessment]) -> tuple[UUID, ...]:
    """The newest two consecutive negatives of an immunofixation, on which HEM-6 rests."""
    told = [each for each in before if each.state in ("NEG", "POS")]
    for first, second in reversed(list(pairwise(told))):
        if first.state == second.state == "NEG":
            return (first.result, second.result)
    return ()


def _stalled(watch: Episode, trajectory: Trajectory, switched_on: date | None) -> Episode:
    """A watch whose series gave way to another one waits for the old series (SER-6)."""
    if trajectory.switched_to is None or (switched_on is not None and switched_on < watch.judged.day):
        return watch
    return replace(watch, state="STALLED", ends=switched_on or watch.judged.day)
