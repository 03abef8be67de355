"""The VEGF axis (clinical.md 11.2): each series of a line judged sample by sample, then the newest one told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

from refrain.clinical.threevalued import Span, Truth
from refrain.contracts.events import Assessment, Axis, Trajectory, Upgrade
from refrain.contracts.site import SiteSettings
from services.response.domain.confirmation import PROGRESSION, Confirmed, Graded, confirmed_at, confirmer, pair, shown
from services.response.domain.facts import Result
from services.response.domain.rulesets.model import RuleSet
from services.response.domain.series import Mark, Series, Window, first_used, lower, series_of, successor
from services.response.domain.trajectories import trajectory
from services.response.domain.vegf_grading import judge
from services.response.domain.verdict import (
    Best,
    Verdict,
    assessability,
    ids,
    no_call,
    once,
    percent,
    truth_of_p,
)

LEVELS = ("NRV", "PRV", "CRV")
"""By rank."""
RANK = {"PDV": PROGRESSION, **{level: rank for rank, level in enumerate(LEVELS)}}


DEFERRED = "confirmation_deferred:INFECTION"
Deferred = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class Judged:
    """One daily representative after the first dose."""

    sample: Result
    nadir: Mark | None
    """Before the sample (NAD-1)."""
    p: Truth
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class JudgedSeries:
    """A series of the line with every sample judged."""

    series: Series
    samples: tuple[Judged, ...]
    switched: bool
    """It took over from another series within the line and has no baseline of its own (SER-6)."""
    grades: tuple[Graded, ...]
    """The decided assessments in order (CONF-5)."""
    rises: tuple[Graded, ...]
    """The samples that condition P decides; rank PROGRESSION where it is met (CONF-4)."""
    deferred: Deferred
    """Days whose samples confirm no rise."""


@dataclass(frozen=True, slots=True)
class VegfCourse:
    axis: Axis
    trajectories: tuple[Trajectory, ...]
    upgrades: tuple[Upgrade, ...]


def vegf_course(
    results: Sequence[Result], window: Window, rules: RuleSet, site: SiteSettings, deferred: Deferred
) -> VegfCourse:
    """Axis, trajectories and upgrades of VEGF within one line; a sample of a ``deferred`` day confirms no rise."""
    series = series_of(results, window)
    judged = tuple(_judge_series(each, series, rules, site, deferred) for each in series)
    best = Best("VEGF", LEVELS)
    steps = [
        step
        for each in judged
        for index in range(len(each.grades))
        if (step := confirmed_at(each.grades, index, site.confirm_late_days)) is not None and step.rank >= 0
    ]
    for step in sorted(steps, key=lambda step: (step.by.collected_at, step.by.id)):
        best.reach(step)
    axis = _axis(judged, window, rules, site, best)
    return VegfCourse(axis, tuple(_trajectory(each, series, window) for each in judged), tuple(best.upgrades))


# --- one series ---


def _judge_series(
    series: Series, others: Sequence[Series], rules: RuleSet, site: SiteSettings, deferred: Deferred
) -> JudgedSeries:
    switched = series.baseline is None and any(
        other.key != series.key and first_used(other) is not None and series.during
        and _earlier(first_used(other), series.during[0])
        for other in others
    )  # fmt: skip
    baseline, nadir = series.baseline, Mark.of(series.baseline) if series.baseline else None
    pending = any(result.awaits_review for result in series.results) and baseline is None
    judged = []
    for sample in series.during:
        p, verdict = judge(sample, baseline, nadir, rules, site, switched=switched, pending=pending)
        judged.append(Judged(sample, nadir, p, verdict))
        if sample.view.comparator is None or sample.above() is not None or p is not None or nadir is None:
            nadir = lower(nadir, Mark.of(sample))
    grades = tuple(
        Graded(each.sample, RANK[each.verdict.call])
        for each in judged
        if each.verdict.decided and each.verdict.call is not None
    )
    rises = tuple(Graded(each.sample, PROGRESSION if each.p else 0) for each in judged if each.p is not None)
    return JudgedSeries(series, tuple(judged), switched, grades, rises, deferred)


def _earlier(one: Result | None, other: Result) -> bool:
    return one is not None and (one.collected_at, one.id) < (other.collected_at, other.id)


# --- the axis at its newest sample ---


def _axis(judged: Sequence[JudgedSeries], window: Window, rules: RuleSet, site: SiteSettings, best: Best) -> Axis:
    telling = [
        (result, each)
        for each in judged
        for result in each.series.results
        if window.during(result.day) and _tells(result, each)
    ]
    if not telling:
        only = judged[0].series.baseline if len(judged) == 1 else None
        mark = Mark.of(only) if only else None
        return no_call("VEGF", rules.rule("VEGF"), "NO_DATA").model_copy(
            update={"baseline": mark.point() if mark else None, "evidence": ids(only)}
        )
    result, each = max(telling, key=lambda found: (found[0].collected_at, found[0].id))
    if not result.usable:
        return _excluded(result, judged, rules, best)
    index = next(i for i, one in enumerate(each.samples) if one.sample.id == result.id)
    return _assessed(index, each, judged, window, rules, site, best)


def _tells(result: Result, judged: JudgedSeries) -> bool:
    """The daily representatives, and what is kept out by a drug or a pending review: that is shown, not skipped."""
    if not result.usable:
        return result.awaits_review or "INTERFERENCE_BEVACIZUMAB" in result.excluded
    return any(one.sample.id == result.id for one in judged.samples)


def _excluded(result: Result, judged: Sequence[JudgedSeries], rules: RuleSet, best: Best) -> Axis:
    reasons = ("INTERFERENCE_BEVACIZUMAB",) if "INTERFERENCE_BEVACIZUMAB" in result.excluded else ("REVIEW_PENDING",)
    return no_call("VEGF", rules.rule("VEGF"), *reasons).model_copy(
        update={
            "as_of": result.id, "evidence": ids(result), "best_response": best.level,
            "last_assessable": _last_call(judged),
            "why_not": {"CRV": f"{result.text()} is shown but not used: {', '.join(reasons)}"},
        }
    )  # fmt: skip


def _last_call(judged: Sequence[JudgedSeries]) -> str | None:
    calls = [
        (one.sample.collected_at, one.sample.id, one.verdict.call)
        for each in judged for one in each.samples if one.verdict.call is not None
    ]  # fmt: skip
    return max(calls)[2] if calls else None


def _assessed(
    index: int, each: JudgedSeries, judged: Sequence[JudgedSeries], window: Window, rules: RuleSet,
    site: SiteSettings, best: Best,
) -> Axis:  # fmt: skip
    one, baseline = each.samples[index], each.series.baseline
    verdict, sample = one.verdict, one.sample
    running = lower(one.nadir, Mark.of(sample))
    confirmed = _confirmed(each, one, site.confirm_late_days)
    rule = rules.rule(verdict.call, verdict.candidate, "VEGF")
    others = [other for other in judged if other.series.key != each.series.key]
    at_baseline, now = Mark.of(baseline) if baseline else None, Mark.of(sample)
    return Axis(
        axis="VEGF", as_of=sample.id, call=verdict.call, candidate=verdict.candidate,
        assessability=assessability(verdict.call is not None, verdict.reasons), reasons=verdict.reasons,
        confirmation="confirmed" if confirmed else "unconfirmed",
        confirmed_as_of=confirmed.sample.id if confirmed else None, levels=verdict.levels,
        caveats=_caveats(one, each, confirmed, window, rules, site), best_response=best.level,
        baseline=at_baseline.point() if at_baseline else None, nadir=running.point() if running else None,
        nadir_confirmed=_nadir_confirmed(each, running) if running else None,
        percent_from_baseline=percent(now, at_baseline), percent_over_nadir=percent(now, running),
        last_assessable=_last_call(others) if each.switched else None, rule_id=rule.id, rule_version=rule.version,
        source=rule.source, verification=rule.how_verified,
        evidence=(*ids(baseline, confirmed.sample if confirmed else None, sample),), why_not=verdict.why_not,
    )  # fmt: skip


def _confirmed(each: JudgedSeries, one: Judged, late_days: int) -> Confirmed | None:
    if one.verdict.call == "PDV":
        return _confirmed_rise(each, one, late_days)
    chain = each.grades
    index = next((i for i, graded in enumerate(chain) if graded.sample.id == one.sample.id), None)
    if index is not None:
        return shown(chain, index, late_days)
    before = [graded for graded in chain if graded.sample.day < one.sample.day]
    if one.verdict.call is None:
        return None
    return shown((*before, Graded(one.sample, RANK[one.verdict.call])), len(before), late_days)


def _confirmed_rise(each: JudgedSeries, one: Judged, late_days: int) -> Confirmed | None:
    """A rise holds when a later sample of the same unbroken rise, outside any infection, met it too (13.4)."""
    run = _rise(each, one)
    by = next((graded for graded in run[1:] if not each.deferred(graded.sample.day)), None)
    return pair(run[0], by, PROGRESSION, late_days) if by is not None else None


def _rise(each: JudgedSeries, one: Judged) -> list[Graded]:
    """The unbroken samples that met condition P, up to and with this one."""
    before = [graded for graded in each.rises if graded.sample.day <= one.sample.day]
    return list(takewhile(lambda graded: graded.rank == PROGRESSION, reversed(before)))[::-1]


def _nadir_confirmed(each: JudgedSeries, nadir: Mark) -> bool:
    """Whether an assessment next to the nadir stayed in its response level (NAD-2)."""
    chain = each.grades
    at = next((i for i, graded in enumerate(chain) if graded.sample.id == nadir.result), None)
    if at is None:
        return False
    return any(graded.rank == chain[at].rank for graded in (*chain[max(at - 1, 0) : at], *chain[at + 1 : at + 2]))


def _caveats(
    one: Judged, each: JudgedSeries, confirmed: Confirmed | None, window: Window, rules: RuleSet, site: SiteSettings
) -> tuple[str, ...]:
    baseline = each.series.baseline
    found = [*one.sample.view.caveats]
    if baseline is not None and one.verdict.call is not None:
        found += baseline.view.caveats
        if baseline.day == window.line.first_dose:
            found.append("same_day_as_dose")
        if one.verdict.call != "PDV" and site.vegf_baseline_2x_uln == "tag" and _small(baseline, rules):
            found.append("BASELINE_BELOW_2X_ULN")
    nadir = next((r for r in each.series.during if one.nadir and r.id == one.nadir.result), None)
    if nadir is not None and one.verdict.call == "PDV":
        found += nadir.view.caveats
    if one.verdict.call == "PDV" and confirmed is None and len(_rise(each, one)) > 1:
        found.append(DEFERRED)
    if confirmed is not None:
        found += (*confirmed.sample.view.caveats, *confirmed.by.view.caveats)
        found += ["LATE_CONFIRMATION"] * confirmed.late
    return once(found)


def _small(baseline: Result, rules: RuleSet) -> bool:
    """Not proven to be at least twice its own upper limit (VEGF-6)."""
    if baseline.bounds is None or baseline.view.high is None:
        return False
    return rules.vegf_eligible.reached(baseline.bounds, Span.of(baseline.view.high)) is not True


def _trajectory(each: JudgedSeries, others: Sequence[Series], window: Window) -> Trajectory:
    grades, by_sample = each.grades, {one.sample.id: one for one in each.samples}
    places = {graded.sample.id: index for index, graded in enumerate(grades)}
    rises = each.rises
    rise_places = {graded.sample.id: index for index, graded in enumerate(rises)}

    def judged(entry: Assessment) -> Assessment:
        one = by_sample.get(entry.result)
        if one is None:
            return entry
        by = None
        if one.verdict.call == "PDV":
            by = confirmer(rises, rise_places[entry.result])
            by = None if by is not None and each.deferred(by.day) else by
        elif entry.result in places:
            by = confirmer(grades, places[entry.result])
        return entry.model_copy(
            update={
                "p": truth_of_p(one.p), "nadir": one.nadir.point() if one.nadir else None,
                "level": one.verdict.call if one.verdict.decided else None,
                "level_confirmed_by": by.id if by else None,
            }
        )  # fmt: skip

    return trajectory("VEGF", each.series, window, judged, successor(each.series, others))
