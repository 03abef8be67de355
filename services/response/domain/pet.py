"""The PET axis (clinical.md 11.3): every scan judged on its own, no confirmation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from refrain.clinical.threevalued import Truth, every, some
from refrain.contracts.events import Assessment, Axis, Trajectory, Upgrade
from refrain.contracts.site import SiteSettings
from services.response.domain.facts import Result
from services.response.domain.rulesets.model import RuleSet
from services.response.domain.scans import Scan, resolved, scans_of
from services.response.domain.series import Mark, Window, lower
from services.response.domain.verdict import (
    Best,
    Verdict,
    assessability,
    closed_level,
    entry,
    level_state,
    no_call,
    once,
    percent,
    truth_of_p,
)

LEVELS = ("NR-PET", "PR-PET", "CR-PET")
"""By rank."""
NEW_LESION_UNSTATED = "NEW_LESION_UNSTATED"
PET_LEVELS = ("CR-PET", "PR-PET")


@dataclass(frozen=True, slots=True)
class JudgedScan:
    scan: Scan
    nadir: Mark | None
    """Lowest sum before the scan, baseline included."""
    p: Truth
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PetCourse:
    axis: Axis
    trajectories: tuple[Trajectory, ...]
    upgrades: tuple[Upgrade, ...]


def pet_course(results: Sequence[Result], window: Window, rules: RuleSet, site: SiteSettings) -> PetCourse:
    """Axis, trajectory and upgrades of the scans of one line."""
    inside = [result for result in results if window.holds(result.day)]
    scans = scans_of([result for result in inside if result.usable])
    before = [scan for scan in scans if window.baseline(scan.day)]
    baseline = before[-1] if before else None
    judged: list[JudgedScan] = []
    nadir = baseline.mark() if baseline else None
    expected = frozenset(lesion.name for lesion in baseline.lesions) if baseline else frozenset()
    best = Best("PET", LEVELS)
    for scan in (replace(scan, expected=expected) for scan in scans if window.during(scan.day)):
        p, verdict = judge(scan, baseline, nadir, rules, site)
        judged.append(JudgedScan(scan, nadir, p, verdict))
        nadir = lower(nadir, scan.mark()) if scan.whole else nadir
        if verdict.call in LEVELS and verdict.decided:
            best.hold(LEVELS.index(verdict.call), scan.lead, scan.lead, [lesion.result for lesion in scan.lesions])
    axis = _axis(judged, baseline, nadir, rules, best)
    unused = [result for result in inside if not result.usable]
    return PetCourse(axis, _trajectories(judged, before, unused, window), tuple(best.upgrades))


def judge(
    scan: Scan, baseline: Scan | None, nadir: Mark | None, rules: RuleSet, site: SiteSettings
) -> tuple[Truth, Verdict]:
    """Progression (condition P of the ladder) and the verdict on one scan."""
    summed = scan.sum
    relative = rules.pet_rise.reached(summed, nadir.bounds) if nadir else False
    grown = every((relative, rules.pet_new_sum.reached(summed)))
    p = some((scan.new_lesion is True, grown))
    if p:
        why = {"CR-PET": "a new lesion is reported" if scan.new_lesion else f"the sum rose to {scan.text()}"}
        return p, Verdict("PD-PET", levels=dict.fromkeys(PET_LEVELS, "NOT_MET"), why_not=why)
    obstacle = "NO_BASELINE_IN_SERIES" if baseline is None else ""
    if baseline is not None and baseline.avid() is False:
        obstacle = "NO_AVID_LESION_AT_BASELINE"
    if baseline is None or obstacle:
        closed = dict.fromkeys(PET_LEVELS, closed_level((obstacle,)))
        return p, Verdict(None, reasons=(obstacle,), levels=closed)
    return p, _grade(scan, baseline, p, rules, site)


def _grade(scan: Scan, baseline: Scan, p: Truth, rules: RuleSet, site: SiteSettings) -> Verdict:
    complete, reason = _complete(scan, baseline, site)
    partial, missing = _partial(scan, baseline, rules)
    levels = {"CR-PET": level_state(complete), "PR-PET": level_state(partial)}
    if complete is None and reason:
        levels["CR-PET"] = closed_level((reason,))
    if reason == "CONFLICTING_EVIDENCE":
        return Verdict(None, "CR-PET", (reason,), levels, {"CR-PET": "statement and measurement do not agree"})
    if complete:
        return Verdict("CR-PET", levels=levels)
    why_not = {"CR-PET": f"not proven: {reason}" if reason else "a baseline lesion is above the liver of the scan"}
    candidate, reasons = ("CR-PET", (reason or "CENSORED",)) if complete is None else (None, ())
    if p is None:
        return Verdict(None, candidate, once((*reasons, missing)), levels, why_not)
    if partial:
        return Verdict("PR-PET", candidate, reasons, levels, why_not)
    why_not["PR-PET"] = f"{scan.text()} is not proven to be at or under half of {baseline.text()}"
    if partial is None:
        return Verdict(None, candidate or "PR-PET", once((*reasons, missing)), levels, why_not)
    return Verdict("NR-PET", candidate, reasons, levels, why_not)


def _complete(scan: Scan, baseline: Scan, site: SiteSettings) -> tuple[Truth, str | None]:
    """Every baseline lesion resolved, by the report's words or by the liver of the scan; both must not disagree."""
    measured, reason = resolved(scan, baseline)
    if not site.pet_liver_proxy:
        measured, reason = None, "LIVER_SUV_MISSING"
    stated = scan.stated
    if stated is None:
        return measured, reason
    if measured is not None and measured != stated:
        return None, "CONFLICTING_EVIDENCE"
    if measured is None and reason == "CONFLICTING_EVIDENCE":
        return None, reason
    return stated, None


def _partial(scan: Scan, baseline: Scan, rules: RuleSet) -> tuple[Truth, str]:
    """The sum fell enough, or why that is open. A baseline lesion that the scan does not tell of is unknown."""
    known = scan.whole and baseline.whole
    return rules.pet_partial.caps(scan.sum, baseline.sum), "CENSORED" if known else "LESION_MISSING"


# --- the axis at its newest scan ---


def _axis(judged: Sequence[JudgedScan], baseline: Scan | None, nadir: Mark | None, rules: RuleSet, best: Best) -> Axis:
    start = baseline.mark() if baseline else None
    if not judged:
        axis = no_call("PET", rules.rule("PET"), "NO_DATA")
        return axis.model_copy(update={"baseline": start.point() if start else None})
    newest = judged[-1]
    verdict, scan = newest.verdict, newest.scan
    rule = rules.rule(verdict.call, verdict.candidate, "PET")
    used = [lesion.result for each in ((baseline,) if baseline else ()) for lesion in each.lesions]
    used += [lesion.result for lesion in scan.lesions]
    return Axis(
        axis="PET", as_of=scan.lead.id, call=verdict.call, candidate=verdict.candidate,
        assessability=assessability(verdict.call is not None, verdict.reasons), reasons=verdict.reasons,
        confirmation="not_required", levels=verdict.levels,
        caveats=_caveats(scan, verdict, used), best_response=best.level,
        baseline=start.point() if start else None, nadir=nadir.point() if nadir else None,
        percent_from_baseline=percent(scan.mark(), start), percent_over_nadir=percent(scan.mark(), nadir),
        rule_id=rule.id, rule_version=rule.version, source=rule.source, verification=rule.how_verified,
        evidence=tuple(result.id for result in used), why_not=verdict.why_not,
    )  # fmt: skip


def _caveats(scan: Scan, verdict: Verdict, used: Sequence[Result]) -> tuple[str, ...]:
    """Those of the results, and whether the report says nothing of new lesions: unknown is not none (G-3)."""
    unsaid = scan.new_lesion is None and verdict.call in LEVELS
    return once((*(caveat for result in used for caveat in result.view.caveats), *([NEW_LESION_UNSTATED] * unsaid)))


def _trajectories(
    judged: Sequence[JudgedScan], before: Sequence[Scan], unused: Sequence[Result], window: Window
) -> tuple[Trajectory, ...]:
    """One trajectory for the scans of the line: each scan is one assessment, its number the sum of its lesions."""
    steps = [
        *(_step(scan).model_copy(update={"before_line": True}) for scan in before),
        *(
            _step(one.scan).model_copy(
                update={
                    "p": truth_of_p(one.p), "nadir": one.nadir.point() if one.nadir else None,
                    "level": one.verdict.call if one.verdict.decided else None,
                }
            )
            for one in judged
        ),
        *(entry(r, r.excluded).model_copy(update={"before_line": not window.during(r.day)}) for r in unused),
    ]  # fmt: skip
    if not steps:
        return ()
    steps.sort(key=lambda step: (step.collected_at, step.result))
    return (Trajectory(axis="PET", analyte="PET_LESION", series=steps[0].series, assessments=tuple(steps)),)


def _step(scan: Scan) -> Assessment:
    mark = scan.mark()
    return entry(scan.lead).model_copy(
        update={
            "number": mark.number, "comparator": mark.comparator,
            "text": scan.text(), "issued_at": scan.issued_at,
        }
    )  # fmt: skip
