"""What the rules of relapse look at: the newest snapshot, the care events that hold, and the evidence of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from uuid import UUID
from zoneinfo import ZoneInfo

from refrain.contracts.care import current_care_events, exposed, in_infection_window, lines
from refrain.contracts.events import (
    Assessment,
    BaselineFlag,
    CareEvent,
    ClinicalFinding,
    Evidence,
    LineCourse,
    ResponseAssessed,
    Trajectory,
)
from refrain.contracts.ids import derive
from refrain.contracts.site import SiteSettings
from refrain.contracts.visits import judged_visits

BAND_DRUGS = frozenset({"daratumumab", "isatuximab", "elotuzumab"})
"""IgG-kappa antibodies that show on immunofixation (clinical.md 13.1). ASH-D, VT; the last two UNV."""


NOT_WORST_OF_DAY = "NOT_WORST_OF_DAY"
"""Response's mark on a usable result of a date that another one stands for (SER-5)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One therapy line: when it ran, and what response says of it (None while no snapshot knows it)."""

    number: int
    start: date
    end: date | None
    closed: bool
    course: LineCourse | None

    def followed(self, day: date) -> bool:
        """Whether a finding of this day is judged in this line. The day of its start is its baseline."""
        return self.start < day and (self.end is None or day < self.end)

    def on_axis(self, axis: str) -> tuple[Trajectory, ...]:
        """The line's series that feed an axis."""
        return tuple(t for t in self.trajectories if t.axis == axis)

    @property
    def trajectories(self) -> tuple[Trajectory, ...]:
        return self.course.trajectories if self.course else ()


@dataclass(frozen=True)
class Course:
    """One patient as the facts now say: everything a rule may ask."""

    snapshot: ResponseAssessed | None
    care: tuple[CareEvent, ...]
    """Current ones only."""
    site: SiteSettings

    @classmethod
    def of(cls, snapshot: ResponseAssessed | None, care: Iterable[CareEvent], site: SiteSettings) -> Course:
        return cls(snapshot, current_care_events(care), site)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """In order of their number. Only a line's first rule set counts: a second one raises no alert (answers 17)."""
        stated = {line.number: line for line in lines(self.care)}
        assessed: dict[int, LineCourse] = {}
        for course in self.snapshot.lines if self.snapshot else ():
            assessed.setdefault(course.line, course)
        result = []
        for number in sorted(stated.keys() | assessed.keys()):
            known, seen = stated.get(number), assessed.get(number)
            if known is not None:
                closed = seen.closed if seen else known.end is not None
                result.append(Line(number, known.start, known.end, closed, seen))
            elif seen is not None:
                result.append(Line(number, seen.start, seen.end, seen.closed, seen))
        return tuple(result)

    @cached_property
    def today(self) -> date | None:
        """Calendar date of the newest fact; no clock is read (answers 19)."""
        return self.day_of(self.snapshot.as_of) if self.snapshot else None

    def day_of(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.site.time_zone)).date()

    def start_of(self, day: date) -> datetime:
        """Midnight of a day in the site's zone, as UTC."""
        return datetime.combine(day, time(), tzinfo=ZoneInfo(self.site.time_zone)).astimezone(UTC)

    # --- context of a day ---

    def in_infection_window(self, day: date) -> bool:
        """Whether an infection raises VEGF on this day, so that a sample confirms nothing (clinical.md 13.4)."""
        return in_infection_window(self.care, day, self.site.infection_window_days)

    def on_band_drug(self, day: date) -> bool:
        """Whether a drug band may show on this day (clinical.md 13.1)."""
        return exposed(self.care, BAND_DRUGS, day, self.site.washout_daratumumab_days)

    # --- results ---

    def of_analyte(self, analyte: str) -> tuple[Assessment, ...]:
        """Every result of an analyte that holds, over the whole history and all its series, oldest first."""
        found = {
            each.result: each
            for trajectory in self._all_trajectories()
            if trajectory.analyte == analyte
            for each in trajectory.assessments
            if counts(each)
        }
        return tuple(sorted(found.values(), key=_lowest_last))

    def _all_trajectories(self) -> Iterator[Trajectory]:
        if self.snapshot:
            for line in self.snapshot.lines:
                yield from line.trajectories
            yield from self.snapshot.trajectories

    @cached_property
    def findings(self) -> tuple[tuple[UUID, CareEvent, ClinicalFinding], ...]:
        """What clinicians saw, with an id that stays the same over its versions; oldest first."""
        found = [
            (derive("clinical_finding", event.patient.key, event.key), event, event.body)
            for event in self.care
            if isinstance(event.body, ClinicalFinding)
        ]
        return tuple(sorted(found, key=lambda each: (each[2].on, str(each[0]))))

    def worse_by_score(self, number: int) -> frozenset[UUID]:
        """Events of a line with a score that is worse than its baseline or its best allows (clinical.md 11.4)."""
        stated = next((line for line in lines(self.care) if line.number == number), None)
        judged = judged_visits(self.care, stated, self.site.baseline_window_days) if stated else ()
        return frozenset(
            event.event_id
            for each in judged
            for event in each.visit.events
            if isinstance(event.body, ClinicalFinding)
            and any(each.directions.get(name.upper()) == "worse" for name in event.body.scores)
        )

    # --- evidence ---

    @cached_property
    def _shown(self) -> dict[UUID, tuple[Evidence, datetime, bool]]:
        """Every result: evidence, time of issue, and whether it counts."""
        shown: dict[UUID, tuple[Evidence, datetime, bool]] = {}
        for trajectory in self._all_trajectories():
            for each in trajectory.assessments:
                if each.result not in shown or counts(each):
                    shown[each.result] = (_of_assessment(each), each.issued_at, counts(each))
        for line in self.snapshot.lines if self.snapshot else ():
            for flag in line.baseline_abnormal:
                evidence, issued_at, _ = shown.get(flag.result) or self._of_flag(flag, line)
                shown[flag.result] = (evidence, issued_at, True)
        for result, event, body in self.findings:
            shown[result] = (self._of_finding(result, event, body), event.known_from or event.occurred_at, True)
        return shown

    def _of_flag(self, flag: BaselineFlag, line: LineCourse) -> tuple[Evidence, datetime, bool]:
        collected = flag.collected_at or line.baseline_at or self.start_of(line.start)
        evidence = Evidence(
            result=flag.result,
            version=flag.version or flag.result,
            analyte=flag.analyte,
            text=flag.text,
            collected_at=collected,
        )
        return evidence, flag.issued_at or collected, True

    def _of_finding(self, result: UUID, event: CareEvent, body: ClinicalFinding) -> Evidence:
        seen = [f"{name} {word}" for name, word in sorted(body.symptoms.items())]
        seen += [f"{name} {value}" for name, value in sorted(body.scores.items())]
        text = "; ".join([*seen, *([body.new_feature] if body.new_feature else [])])
        return Evidence(
            result=result, version=event.event_id, analyte="CLINICAL", text=text, collected_at=self.start_of(body.on)
        )

    @cached_property
    def counting(self) -> Mapping[UUID, Evidence]:
        """Evidence of every result that counts now: what :func:`refrain.contracts.alerting.reconcile` compares with."""
        return {result: evidence for result, (evidence, _, counts) in self._shown.items() if counts}

    def evidence(self, results: Iterable[UUID]) -> tuple[Evidence, ...]:
        """Evidence of results in order of collection, each once."""
        pieces = {result: self._shown[result][0] for result in results if result in self._shown}
        return tuple(sorted(pieces.values(), key=lambda piece: (piece.collected_at, piece.analyte, str(piece.result))))

    def at(self, evidence: Sequence[Evidence]) -> datetime:
        """The latest time of issue among the evidence (answers 20)."""
        return max(self._shown[piece.result][1] for piece in evidence)


def _of_assessment(each: Assessment) -> Evidence:
    text = each.text or each.nominal or f"{each.comparator or ''}{each.number if each.number is not None else ''}"
    return Evidence(
        result=each.result, version=each.version, analyte=each.analyte, text=text, collected_at=each.collected_at
    )


def _lowest_last(each: Assessment) -> tuple[object, ...]:
    """Of two results of one instant the lower one is the later: a low value is never closed by its twin."""
    number = -each.number if each.number is not None else 0
    return (each.collected_at, number, str(each.result))


def counts(each: Assessment) -> bool:
    """Whether a result holds: used, or only not the one that stands for its date (SER-5)."""
    return set(each.excluded) <= {NOT_WORST_OF_DAY}


def counted(trajectory: Trajectory) -> tuple[Assessment, ...]:
    """A series' usable assessments after the line's first dose, oldest first."""
    kept = [each for each in trajectory.assessments if not each.excluded and not each.before_line]
    return tuple(sorted(kept, key=lambda each: (each.day, each.collected_at, str(each.result))))
