"""One VEGF value judged, in the order of the table of clinical.md 11.2."""

from __future__ import annotations

from refrain.clinical.poems import VEGF_RISE, vegf_rise
from refrain.clinical.threevalued import Span, Truth, negation
from refrain.contracts.site import SiteSettings
from services.response.domain.facts import Result
from services.response.domain.rulesets.model import RuleSet
from services.response.domain.series import Mark
from services.response.domain.verdict import Verdict, closed_level, level_state, once

NEEDS = ("RANGE_NEEDS_SEX", "RANGE_NEEDS_AGE")


def judge(
    sample: Result, baseline: Result | None, nadir: Mark | None, rules: RuleSet, site: SiteSettings,
    *, switched: bool = False, pending: bool = False,
) -> tuple[Truth, Verdict]:  # fmt: skip
    """Condition P and the verdict on one sample, in the order of the table in 11.2."""
    value, above = sample.bounds, sample.above()
    if value is None or sample.view.high is None:
        why = _no_limit(sample)
        return None, Verdict(None, reasons=why, why_not={"CRV": f"no upper limit to compare with: {', '.join(why)}"})
    p = vegf_rise(value, nadir.bounds, above if site.vegf_pd_above_uln else True) if nadir else None
    if p:
        halved = rules.vegf_partial.caps(value, baseline.bounds) if baseline and baseline.bounds else False
        levels = {"CRV": level_state(negation(above)), "PRV": level_state(halved)}
        return p, Verdict("PDV", levels=levels, why_not={"CRV": _place(sample)})
    obstacle = _not_gradable(baseline, rules, site, switched=switched, pending=pending)
    if nadir is not None and p is None:
        reasons = once(("CENSORED", *obstacle))
        return p, Verdict(None, reasons=reasons, why_not={"PDV": f"{sample.text()} may or may not be a rise"})
    if obstacle or baseline is None or baseline.bounds is None:
        return p, Verdict(None, reasons=obstacle, levels=dict.fromkeys(("CRV", "PRV"), closed_level(obstacle)))
    complete, partial = negation(above), rules.vegf_partial.caps(value, baseline.bounds)
    return p, _grade(sample, baseline, nadir, (complete, partial), rules)


def _no_limit(result: Result) -> tuple[str, ...]:
    """Why a result has no upper limit: strata that need sex or age (R-7), or none was given."""
    return tuple(reason for reason in result.view.reasons if reason in NEEDS) or ("NO_ULN",)


def _not_gradable(
    baseline: Result | None, rules: RuleSet, site: SiteSettings, *, switched: bool, pending: bool
) -> tuple[str, ...]:
    """Why no response can be graded with this baseline; empty when it can (step 3)."""
    if baseline is None or baseline.bounds is None:
        changed = ("SERIES_CHANGED",) if switched else ()
        return ("REVIEW_PENDING",) if pending else ("NO_BASELINE_IN_SERIES", *changed)
    if baseline.view.high is None:
        return _no_limit(baseline)
    above = baseline.above()
    if above is None:
        return ("CENSORED",)
    if not above:
        return ("BASELINE_NORMAL",)
    if site.vegf_baseline_2x_uln == "enforce":
        eligible = rules.vegf_eligible.reached(baseline.bounds, Span.of(baseline.view.high))
        return () if eligible else (("CENSORED",) if eligible is None else ("BASELINE_BELOW_MINIMUM",))
    return ()


def _grade(
    sample: Result, baseline: Result, nadir: Mark | None, truths: tuple[Truth, Truth], rules: RuleSet
) -> Verdict:
    complete, partial = truths
    levels = {"CRV": level_state(complete), "PRV": level_state(partial)}
    why_not = {}
    if nadir is not None:
        why_not["PDV"] = (
            f"{sample.text()} is not both over {VEGF_RISE} x the nadir {_text(nadir)} and above its own interval"
        )
    if complete:
        return Verdict("CRV", levels=levels, why_not=why_not)
    why_not["CRV"] = _place(sample)
    candidate = "CRV" if complete is None else None
    reasons = ("CENSORED",) if complete is None else ()
    if partial:
        return Verdict("PRV", candidate, reasons, levels, why_not)
    why_not["PRV"] = (
        f"{sample.text()} is not proven to be at or under {rules.vegf_partial.value} x the baseline {baseline.text()}"
    )
    if candidate is not None or partial is None:
        return Verdict(None, candidate or "PRV", ("CENSORED",), levels, why_not)
    return Verdict("NRV", levels=levels, why_not=why_not)


def _place(sample: Result) -> str:
    standing = {True: "is above", None: "may be above"}.get(sample.above(), "is within")
    return f"{sample.text()} {standing} its own upper limit {_limit(sample)}"


def _limit(sample: Result) -> str:
    sign = "<" if sample.view.high_inclusive is False else ""
    return sign + format(sample.view.high, "f") if sample.view.high is not None else "(none)"


def _text(mark: Mark) -> str:
    return f"{mark.comparator or ''}{format(mark.number, 'f') if mark.number is not None else '?'}"
