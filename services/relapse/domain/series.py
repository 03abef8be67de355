"""One series climbs the ladder: NONE, WATCH, and CONFIRMED or back (clinical.md 12.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from typing import Literal
from uuid import UUID

from refrain.clinical.poems import Bounds, m_protein_rise, vegf_rise
from refrain.contracts.events import Assessment, Point, Trajectory
from services.relapse.domain.course import counted

EpisodeState = Literal["WATCH", "CONFIRMED", "STALLED", "RESOLVED"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A result, a scan's lesion or a clinical finding, as far as a ladder looks at it."""

    result: UUID
    day: date
    collected_at: datetime
    analyte: str
    caveats: tuple[str, ...] = ()

    @classmethod
    def of(cls, each: Assessment) -> Sample:
        return cls(each.result, each.day, each.collected_at, each.analyte, each.caveats)

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
    """Every episode of one series, oldest first; a confirmed one is the last."""
    episodes: list[Episode] = []
    watch: Episode | None = None
    opened_by: Assessment | None = None
    steps = counted(trajectory)
    for place, each in enumerate(steps):
        if watch is None or opened_by is None:
            if each.p == "met":
                watch, opened_by = _opened(each, steps[:place], deferred(each.day)), each
            continue
        meets = still_meets(each, opened_by)
        if meets is None or each.day <= watch.judged.day:
            continue
        if not meets:
            episodes.append(replace(watch, state="RESOLVED", judged=Sample.of(each), ends=each.day, deferred=False))
            watch = None
        elif deferred(each.day):
            watch = _further(watch, each, deferred=True)
        else:
            falling = any(later.p == "not_met" for later in steps[place + 1 :])
            confirmed = _further(watch, each, deferred=False)
            return (*episodes, replace(confirmed, state="CONFIRMED", ends=each.day, falling=falling))
    if watch is not None:
        episodes.append(_stalled(watch, trajectory, switched_on))
    return tuple(episodes)


def _opened(each: Assessment, before: Sequence[Assessment], in_window: bool) -> Episode:
    sample = Sample.of(each)
    basis = (each.nadir.result,) if each.nadir else _confirmed_negative(before)
    return Episode(met=(sample,), basis=basis, state="WATCH", judged=sample, deferred=in_window)


def _further(watch: Episode, each: Assessment, *, deferred: bool) -> Episode:
    sample = Sample.of(each)
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


def still_meets(each: Assessment, opened_by: Assessment) -> bool | None:
    """Condition P at a later sample, against the nadir the watch was opened with (CONF-4). None: no assessment."""
    if each.p is None or each.p == "undecidable":
        return None
    then, now = opened_by.nadir, each.nadir
    if then is None or now is None or then.result == now.result:
        return each.p == "met"
    return _against(each, then)


def _against(each: Assessment, nadir: Point) -> bool | None:
    if each.number is None or nadir.number is None:
        return None
    value, lowest = Bounds.of(each.number, each.comparator), Bounds.of(nadir.number, nadir.comparator)
    return vegf_rise(value, lowest, each.above) if each.analyte == "VEGF" else m_protein_rise(value, lowest)
