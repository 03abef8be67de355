"""What is due and has not come: rechecks of a line (GAP-1, GAP-2), and a watch without a sample for 42 days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from refrain.contracts.alerting import Finding
from refrain.contracts.events import Recheck
from services.relapse.domain import rules, wording
from services.relapse.domain.course import Course, Line
from services.relapse.domain.findings.ladder_alerts import LINE_CLOSED, WATCH_KIND
from services.relapse.domain.ladder import Ladder, Ladders
from services.relapse.domain.priority import P3
from services.relapse.domain.series import Episode, Sample

REPEATED = "every subject is repeated"
SAMPLE_CAME = "a sample came"
WATCH_OVER = "the watch is over or waits for its old series"


def rechecks(course: Course) -> Iterator[Finding]:
    """One alert per line and moment, with the list of its subjects; a subject repeated in time is none."""
    for line in course.lines:
        moments: dict[datetime, list[Recheck]] = {}
        for each in line.course.rechecks if line.course else ():
            if each.due_at is not None:
                moments.setdefault(each.due_at, []).append(each)
        for due_at in sorted(moments):
            yield _recheck(course, line, due_at, sorted(moments[due_at], key=_order))


def _order(each: Recheck) -> tuple[str, str, str]:
    return (each.due_on.isoformat(), each.rule, each.analyte)


def _recheck(course: Course, line: Line, due_at: datetime, due: list[Recheck]) -> Finding:
    missing = [each.analyte for each in due if each.repeated_by is None]
    repeated = [each.analyte for each in due if each.repeated_by is not None]
    because = REPEATED if not missing else LINE_CLOSED if line.closed else ""
    first = due[0]
    return Finding(
        kind="MONITORING_GAP", tier=P3.tier, subject="RECHECK",
        opener=f"{first.rule} {first.analyte} {first.opened_by}", text=wording.recheck(missing, repeated), at=due_at,
        rule=rules.URINE_GAP if first.rule == "GAP-2" else rules.RECHECK,
        evidence=course.evidence(each.opened_by for each in due if each.opened_by), line=line.number,
        state="closed" if because else "open", closed_because=because, subjects=tuple(each.analyte for each in due),
        covers=tuple(f"{each.rule} {each.analyte} {each.opened_by}" for each in due[1:]),
    )  # fmt: skip


def watch_gaps(course: Course, ladders: Ladders) -> Iterator[Finding]:
    """A watch that waited 42 days for its next sample (clinical.md 12.3): once for each sample that asked."""
    for four in ladders.values():
        for ladder in four:
            for episode in ladder.episodes if ladder.axis in WATCH_KIND else ():
                yield from _waits(course, ladder, episode)


def _waits(course: Course, ladder: Ladder, episode: Episode) -> Iterator[Finding]:
    samples = [*episode.met, *([episode.judged] if episode.state == "RESOLVED" else [])]
    days = timedelta(days=course.site.ladder_gap_days)
    for sample, following in zip(samples, [*samples[1:], None], strict=True):
        due = sample.day + days
        came = following is not None and following.day <= due
        late = course.today is not None and course.today >= due
        ended = following is None and episode.state in ("CONFIRMED", "RESOLVED")
        if late and not came and not ended:
            yield _gap(course, ladder, episode, sample, came_late=following is not None)


def _gap(course: Course, ladder: Ladder, episode: Episode, sample: Sample, *, came_late: bool) -> Finding:
    waiting = episode.state == "WATCH" and not episode.overtaken
    because = SAMPLE_CAME if came_late else LINE_CLOSED if ladder.closed else "" if waiting else WATCH_OVER
    days = course.site.ladder_gap_days
    return Finding(
        kind="MONITORING_GAP", tier=P3.tier, subject=ladder.axis, opener=str(sample.result),
        text=wording.watch_gap(ladder.axis, days), at=course.start_of(sample.day + timedelta(days=days)),
        rule=rules.WATCH_GAP, evidence=course.evidence([sample.result]), line=ladder.line,
        state="closed" if because else "open", closed_because=because, episode=f"gap {sample.result}",
        subjects=(sample.analyte,),
    )  # fmt: skip
