"""What became better or was lost: RESPONSE_UPGRADE, RESPONSE_WITHDRAWN, RESPONSE_LOSS (clinical.md 11, 17.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from refrain.clinical.poems import NOTHING_PROVEN, RESPONSE_LEVELS
from refrain.contracts.alerting import Finding
from refrain.contracts.events import Assessment, AxisName, LineCourse, Trajectory, Upgrade
from services.relapse.domain import rules, wording
from services.relapse.domain.course import Course, Line, counted
from services.relapse.domain.findings.ladder_alerts import LINE_CLOSED
from services.relapse.domain.ladder import Ladders
from services.relapse.domain.priority import P2_72

UPGRADE_AXES: tuple[AxisName, ...] = ("VEGF", "HEMATOLOGIC", "PET")
"""Axes whose better level is told (answers 17)."""
SINGLE_SAMPLE = frozenset({"PET"})
"""Axes whose levels stand alone (CONF-2)."""

FOLLOWED = "a better level followed"
RECORDED = "the course went on"
WATCHED = "the ladder of this axis is active"
REGAINED = "the confirmed level is regained"


def upgrades(course: Course) -> Iterator[Finding]:
    """One notice per axis and level on the path; only the newest is told when several come at once."""
    for line in course.lines:
        for axis in UPGRADE_AXES if line.course else ():
            path = [each for each in (line.course.upgrades if line.course else ()) if each.axis == axis]
            for upgrade in path:
                if finding := _upgrade(course, line, upgrade, newest=upgrade is path[-1]):
                    yield finding


def _upgrade(course: Course, line: Line, upgrade: Upgrade, *, newest: bool) -> Finding | None:
    evidence = course.evidence([upgrade.sample, upgrade.by, *upgrade.evidence])
    if not evidence:
        return None
    told = newest and not line.closed
    return Finding(
        kind="RESPONSE_UPGRADE", tier="P3", subject=upgrade.axis, opener=str(upgrade.sample),
        text=wording.upgrade(upgrade.axis, upgrade.level, confirmed=upgrade.by != upgrade.sample),
        at=course.at(evidence), rule=rules.UPGRADE, evidence=evidence, line=line.number, notice=told,
        state="closed", closed_because="" if told else FOLLOWED, episode=f"upgrade {upgrade.sample}",
        covers=() if upgrade.by == upgrade.sample else (str(upgrade.by),), subjects=(upgrade.level,),
    )  # fmt: skip


def withdrawn(course: Course) -> Iterator[Finding]:
    """HEM-7: the clone's band after a single negative takes the candidate back; told while it is the newest word."""
    for line in course.lines:
        newest = {counted(each)[-1].result for each in line.trajectories if counted(each)}
        for result in line.course.withdrawn_candidates if line.course else ():
            if evidence := course.evidence([result]):
                told = result in newest and not line.closed
                yield Finding(
                    kind="RESPONSE_WITHDRAWN", tier="P3", subject="HEMATOLOGIC", opener=str(result),
                    text=wording.candidate_withdrawn(), at=course.at(evidence), rule=rules.CANDIDATE_WITHDRAWN,
                    evidence=evidence, line=line.number, notice=told, state="closed",
                    closed_because="" if told else RECORDED, episode=f"withdrawn {result}",
                )  # fmt: skip


def losses(course: Course, ladders: Ladders) -> Iterator[Finding]:
    """RESPONSE_LOSS: two assessments in a row below a confirmed level of the same series."""
    for line in course.lines:
        if line.course is None:
            continue
        busy = {each.axis for each in ladders[line.number] if each.state in ("WATCH", "CONFIRMED")}
        for axis in RESPONSE_LEVELS:
            runs = [run for each in line.on_axis(axis) for run in lost_runs(each, axis)]
            for run in sorted(runs, key=lambda run: (run[0][0].day, str(run[0][0].result))):
                yield _loss(course, line.course, axis, run, busy=axis in busy)


Run = tuple[tuple[Assessment, ...], Assessment | None]
"""Assessments below the confirmed level, and the one that regained it."""


def lost_runs(trajectory: Trajectory, axis: str) -> Iterator[Run]:
    """Every stretch of two or more assessments below the best level confirmed before it, oldest first."""
    order, alone = RESPONSE_LEVELS[axis], axis in SINGLE_SAMPLE
    steps = [each for each in counted(trajectory) if each.level in order or each.level == NOTHING_PROVEN]
    best, below, before = -1, [], None
    for each in steps:
        rank = order.index(each.level) if each.level in order else -1
        if rank < best:
            below.append(each)
        else:
            if len(below) > 1:
                yield tuple(below), each
            below = []
        if alone:
            best = max(best, rank)
        elif before is not None:
            best = max(best, min(rank, before))
        before = rank
    if len(below) > 1:
        yield tuple(below), None


def _loss(course: Course, line: LineCourse, axis: str, run: Run, *, busy: bool) -> Finding:
    below, regained = run
    because = LINE_CLOSED if line.closed else REGAINED if regained else WATCHED if busy else ""
    evidence = course.evidence(_results(below))
    return Finding(
        kind="RESPONSE_LOSS", tier=P2_72.tier, due_hours=P2_72.due_hours, subject=axis, opener=str(below[0].result),
        text=wording.alert(f"{axis}: {wording.RESPONSE_LOSS}", P2_72, wording.RESPONSE_LOSS_DO),
        at=course.at(evidence), rule=rules.RESPONSE_LOSS, evidence=evidence, line=line.line,
        state="closed" if because else "open", closed_because=because, episode=f"loss {below[0].result}",
        covers=tuple(str(each.result) for each in below[1:]),
        tags=tuple(sorted({caveat for each in below for caveat in each.caveats})),
    )  # fmt: skip


def _results(below: Sequence[Assessment]) -> list[UUID]:
    return [each.result for each in below]
