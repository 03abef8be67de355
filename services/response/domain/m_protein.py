"""M-protein levels of the hematologic axis: what a value proves against its baseline (clinical.md 11.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from refrain.clinical.poems import m_protein_rise
from refrain.clinical.threevalued import Span, Truth, falls_below, some, total
from refrain.contracts.events import LevelState
from services.response.domain.bands import Reading
from services.response.domain.facts import Result
from services.response.domain.rulesets.model import MProteinLevel, RuleSet
from services.response.domain.series import Mark, Series, Window, first_used, lower
from services.response.domain.verdict import closed_level, level_state, once

QUANTITATIVE = {"IGG": "IGG", "IGA": "IGA", "IGM": "IGM"}


def source_analyte(source: str) -> str | None:
    """The analyte that stands for M-protein in a line; None for a source that is not understood (HEM-9)."""
    kind, _, immunoglobulin = source.partition(":")
    if kind == "QUANT_IG":
        return QUANTITATIVE.get(immunoglobulin.strip().upper())
    return "MPROT_S" if kind == "MPROT_S" else None


def summed_spikes(results: Sequence[Result]) -> tuple[Result, ...]:
    """Several spikes of one draw are one value, their sum (clinical.md 4.1).

    Spikes are results of one order, series and time with sub-ids of their own. A spike reported only as less
    than something adds nothing to measured ones, with the caveat CENSORED_SPIKE.
    """
    draws: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        seen = result.view.observation
        apart = result.id if not (seen.sub_id and result.usable) else None
        draws.setdefault((result.series, result.collected_at, result.order, apart), []).append(result)
    return tuple(
        _sum(sorted(parts, key=lambda part: (part.view.observation.sub_id, part.id))) for parts in draws.values()
    )


def _sum(parts: Sequence[Result]) -> Result:
    measured = [part for part in parts if part.view.number is not None and part.view.comparator is None]
    if len(parts) == 1 or not measured:
        return parts[0]
    lead = measured[0]
    caveats = once((*lead.view.caveats, *(["CENSORED_SPIKE"] if len(measured) < len(parts) else [])))
    number = total(part.bounds for part in measured if part.bounds is not None).low
    return replace(lead, view=lead.view.model_copy(update={"number": number, "caveats": caveats}))


@dataclass(frozen=True, slots=True)
class MGrade:
    """One M-protein value, or its absence, graded."""

    levels: dict[str, LevelState]
    reasons: dict[str, tuple[str, ...]]
    """Per level, why it is neither met nor not met."""
    call: str | None
    """Best level met; "no response" where that is proven."""
    why_not: dict[str, str]

    @property
    def decided(self) -> bool:
        """No better level is left open."""
        if self.call is None:
            return False
        better = [name for name, state in self.levels.items() if state in ("INCOMPLETE", "INDETERMINATE")]
        names = list(self.levels)
        return not better or (self.call in names and names.index(self.call) < min(map(names.index, better)))

    @property
    def below(self) -> bool:
        """No level has a name for it, yet every level that this baseline can grade is surely not met."""
        gradable = [state for state in self.levels.values() if state != "NOT_ASSESSABLE"]
        return self.call is None and bool(gradable) and all(state == "NOT_MET" for state in gradable)


def grade(
    value: Result | None, baseline: Mark | None, obstacles: tuple[str, ...], serum: Reading | None, rules: RuleSet
) -> MGrade:
    """Grade the newest value against the baseline; ``serum`` is the serum immunofixation.

    ``obstacles`` say why nothing can be graded: there is no baseline, or the value waits for a review.
    """
    levels: dict[str, LevelState] = {}
    reasons: dict[str, tuple[str, ...]] = {}
    why_not: dict[str, str] = {}
    for level in rules.m_protein:
        why = obstacles if obstacles or baseline is None else _ineligible(baseline, level)
        if not why and value is None:
            why = ("M_PROTEIN_MISSING",)
        truth: Truth = None
        if not why and value is not None and baseline is not None:
            truth, why = _met(value, baseline, level, serum)
        levels[level.name] = closed_level(why) if why else level_state(truth)
        reasons[level.name] = why
        if levels[level.name] != "MET":
            why_not[level.name] = _sentence(level, value, baseline, why)
    return MGrade(levels, reasons, _call(levels, baseline, rules, value), why_not)


def _ineligible(baseline: Mark, level: MProteinLevel) -> tuple[str, ...]:
    if level.minimum is None:
        return () if _measurable(baseline) else ("BASELINE_NOT_QUANTIFIED",)
    large = level.minimum.reached(baseline.bounds)
    return () if large else (("CENSORED",) if large is None else ("BASELINE_BELOW_MINIMUM",))


def _measurable(mark: Mark) -> bool:
    return mark.comparator not in ("<", "<=") and falls_below(Span.of(Decimal(0)), mark.bounds) is True


def not_measurable(value: Result) -> bool:
    """The spike is 0, not detected, too small to quantify, or reported as less than something (HEM-3)."""
    bounds = value.bounds
    too_small = value.view.observation.value.missing == "below_quantification"
    return too_small or value.view.comparator in ("<", "<=") or (bounds is not None and bounds.high == 0)


def _met(value: Result, baseline: Mark, level: MProteinLevel, serum: Reading | None) -> tuple[Truth, tuple[str, ...]]:
    fall = level.fall_to.caps(value.bounds, baseline.bounds) if value.bounds is not None else None
    if not level.immunofixation_only or fall or not not_measurable(value):
        return fall, ("CENSORED",) if fall is None else ()
    truth = some((fall, serum.clonal if serum else None))
    if truth is not None:
        return truth, ()
    if serum is None:
        return None, ("SERUM_IFE_MISSING",)
    return None, (serum.reason or "CENSORED",)


def _call(levels: dict[str, LevelState], baseline: Mark | None, rules: RuleSet, value: Result | None) -> str | None:
    for name, state in levels.items():
        if state == "MET":
            return name
    if baseline is None or value is None or any(state != "NOT_MET" for state in levels.values()):
        return None
    minimum = rules.no_response_minimum
    return "NRH" if minimum is None or minimum.reached(baseline.bounds) else None


def _sentence(level: MProteinLevel, value: Result | None, baseline: Mark | None, why: Sequence[str]) -> str:
    if why:
        return f"not graded: {', '.join(why)}"
    shown = value.text() if value else "no value"
    start = format(baseline.number, "f") if baseline and baseline.number is not None else "?"
    return f"{shown} is over {level.fall_to.value} {level.fall_to.unit} ({start})"


@dataclass(frozen=True, slots=True)
class MSample:
    """One daily representative after the first dose."""

    sample: Result
    series: Series
    nadir: Mark | None
    """Before the sample."""
    p: Truth
    baseline: Mark | None
    obstacles: tuple[str, ...]

    @property
    def mark(self) -> Mark | None:
        """The value, if it may be used."""
        return Mark.of(self.sample) if self.sample.usable else None

    @property
    def running_nadir(self) -> Mark | None:
        return lower(self.nadir, self.mark)


def m_samples(series: Sequence[Series], window: Window) -> tuple[MSample, ...]:
    """Every sample of every M-protein series with condition P against its nadir (NAD-1, PDH).

    A value that waits for a review is among them, ungraded, so that it is told and not skipped.
    """
    found = []
    for each in series:
        baseline = Mark.of(each.baseline) if each.baseline else None
        obstacles = () if baseline else no_baseline(each, series)
        nadir = baseline
        pending = [result for result in each.results if result.awaits_review and window.during(result.day)]
        for sample in sorted((*each.during, *pending), key=lambda result: (result.day, result.collected_at, result.id)):
            if not sample.usable:
                found.append(MSample(sample, each, nadir, None, baseline, ("REVIEW_PENDING",)))
                continue
            bounds = sample.bounds
            p = m_protein_rise(bounds, nadir.bounds) if nadir is not None and bounds is not None else None
            found.append(MSample(sample, each, nadir, p, baseline, obstacles))
            if bounds is not None and bounds.high is not None:
                nadir = lower(nadir, Mark.of(sample))
    return tuple(found)


def no_baseline(series: Series, others: Sequence[Series]) -> tuple[str, ...]:
    """Why a series without baseline cannot be graded (HEM-4, BASE-1, SER-6)."""
    if any(result.awaits_review for result in series.results):
        return ("REVIEW_PENDING",)
    start = first_used(series)
    before = [first_used(other) for other in others if other.key != series.key]
    switched = start is not None and any(one is not None and one.collected_at < start.collected_at for one in before)
    return once(("BASELINE_NOT_QUANTIFIED", *(("SERIES_CHANGED", "NO_BASELINE_IN_SERIES") if switched else ())))
