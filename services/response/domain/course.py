"""The whole course of one patient: a pure function of the facts, used by the stream, by gRPC and by ``assess``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from refrain.contracts.care import Line
from refrain.contracts.events import (
    Axis,
    AxisName,
    CareEvent,
    FlaggedReport,
    LineCourse,
    Recheck,
    ResponseAssessed,
    Trajectory,
)
from refrain.contracts.site import SiteSettings
from services.response.domain.clinical_axis import clinical_axis
from services.response.domain.facts import CourseFacts, gather
from services.response.domain.hematologic import hematologic_course
from services.response.domain.pet import pet_course
from services.response.domain.rechecks import baseline_draw, rechecks
from services.response.domain.rulesets import RULESETS
from services.response.domain.rulesets.model import Rule, RuleSet
from services.response.domain.series import Window, lowest_is_worst, series_of
from services.response.domain.trajectories import outside_lines, trajectory
from services.response.domain.vegf import vegf_course
from services.response.domain.verdict import no_call

AXES: tuple[AxisName, ...] = ("HEMATOLOGIC", "VEGF", "PET", "CLINICAL")
SAFETY = ("B12", "IGG")
"""Analytes whose low values are told whatever the line (IGG_LOW_SAFETY, TREATABLE_FINDING)."""
AXIS_ANALYTES = ("VEGF", "MPROT_S", "IFE_S", "IFE_U", "BM_FLOW", "PET_LESION")
UNKNOWN = Rule("RULE_SET_UNKNOWN", "UNKNOWN", "no rule set of this name", "", "UNV")


def assess(
    facts: Sequence[FlaggedReport | CareEvent], site: SiteSettings, until: datetime | None = None
) -> ResponseAssessed | None:
    """The snapshot that the facts of one patient call for, with its id; None before the first moment of time.

    ``facts`` are in any order, repeats allowed; ``revision`` grows with each of them. ``until`` asks how things
    stand at a time after the newest fact (answers 19). ``changes``, ``caused_by``, ``trace`` and ``recorded_at`` are
    the caller's: here the first two are empty and ``recorded_at`` is the newest of the facts. Only a line's first
    rule set is judged; ``second_rule_set`` is ignored for now.
    """
    if not facts:
        return None
    gathered = gather(facts, site, until)
    if gathered.as_of is None:
        return None
    collected = [result.collected_at for result in gathered.results]
    return ResponseAssessed(
        patient=gathered.patient,
        occurred_at=max(collected, default=gathered.as_of),
        recorded_at=max(fact.recorded_at for fact in facts),
        revision=gathered.revision,
        as_of=gathered.as_of,
        lines=tuple(_line(gathered, line) for line in gathered.lines),
        trajectories=_safety(gathered),
        settings=site.hash,
        processing=gathered.processing,
    ).identified()


def _safety(facts: CourseFacts) -> tuple[Trajectory, ...]:
    return outside_lines(facts.of(*SAFETY), lowest_is_worst)


def _line(facts: CourseFacts, line: Line) -> LineCourse:
    window = Window(line, facts.site.baseline_window_days)
    baseline_at, abnormal = baseline_draw(facts, window)
    rules = RULESETS.get(line.rule_set)
    due = rechecks(facts, window)
    course = LineCourse(
        line=line.number,
        rule_set=line.rule_set,
        start=line.start,
        end=line.end,
        first_dose=line.first_dose,
        closed=line.end is not None and facts.as_of is not None and line.end <= facts.day(facts.as_of),
        axes={name: no_call(name, UNKNOWN, "RULE_SET_UNKNOWN") for name in AXES},
        trajectories=_rechecked(facts, window, due, judged=rules is not None),
        rechecks=due,
        baseline_at=baseline_at,
        baseline_abnormal=abnormal,
    )
    return course if rules is None else course.model_copy(update=_judged(facts, window, rules, course.trajectories))


def _rechecked(facts: CourseFacts, window: Window, due: Sequence[Recheck], *, judged: bool) -> tuple[Trajectory, ...]:
    """Series of what is or was due and that neither an axis nor the safety series hold."""
    elsewhere = {*SAFETY, *(AXIS_ANALYTES if judged else ())}
    analytes = sorted({recheck.analyte for recheck in due} - elsewhere)
    return tuple(
        trajectory(None, series, window, lambda entry: entry)
        for analyte in analytes
        for series in series_of(facts.of(analyte), window)
    )


def _judged(facts: CourseFacts, window: Window, rules: RuleSet, others: tuple[Trajectory, ...]) -> dict[str, object]:
    """Axes, trajectories, upgrades and withdrawn candidates of a line under its rule set."""
    hematologic = hematologic_course(facts, window, rules)
    vegf = vegf_course(facts.of("VEGF"), window, rules, facts.site, facts.in_infection_window)
    pet = pet_course(facts.of("PET_LESION"), window, rules, facts.site)
    clinical = clinical_axis(facts.care, window, rules)
    axes: dict[str, Axis] = {"HEMATOLOGIC": hematologic.axis, "VEGF": vegf.axis, "PET": pet.axis, "CLINICAL": clinical}
    return {
        "axes": axes,
        "trajectories": (*vegf.trajectories, *hematologic.trajectories, *pet.trajectories, *others),
        "upgrades": (*vegf.upgrades, *hematologic.upgrades, *pet.upgrades),
        "withdrawn_candidates": hematologic.withdrawn,
    }
