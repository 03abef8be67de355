"""What a rule says about one sample, and the words around it (clinical.md 10)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID

from refrain.clinical.threevalued import EXACT, Truth
from refrain.contracts.events import Assessability, Assessment, Axis, AxisName, LevelState, Upgrade
from services.response.domain.confirmation import Confirmed
from services.response.domain.facts import Result
from services.response.domain.rulesets.model import Rule
from services.response.domain.series import Mark

MEANING: dict[str, Assessability] = {
    "NO_BASELINE_IN_SERIES": "NOT_ASSESSABLE",
    "BASELINE_NORMAL": "NOT_ASSESSABLE",
    "BASELINE_NOT_QUANTIFIED": "NOT_ASSESSABLE",
    "BASELINE_BELOW_MINIMUM": "NOT_ASSESSABLE",
    "NO_AVID_LESION_AT_BASELINE": "NOT_ASSESSABLE",
    "NO_CLONE": "NOT_ASSESSABLE",
    "TOTAL_IG_NOT_M_PROTEIN": "NOT_ASSESSABLE",
    "SERIES_CHANGED": "NOT_ASSESSABLE",
    "SERUM_IFE_MISSING": "INCOMPLETE",
    "URINE_IFE_MISSING": "INCOMPLETE",
    "MARROW_MISSING": "INCOMPLETE",
    "M_PROTEIN_MISSING": "INCOMPLETE",
    "LIVER_SUV_MISSING": "INCOMPLETE",
    "LESION_MISSING": "INCOMPLETE",
    "NO_ULN": "INCOMPLETE",
    "LIGHT_CHAIN_UNSTATED": "INCOMPLETE",
    "INTERFERENCE_DARATUMUMAB": "INCOMPLETE",
    "INTERFERENCE_BEVACIZUMAB": "INCOMPLETE",
    "REVIEW_PENDING": "INCOMPLETE",
    "CENSORED": "INDETERMINATE",
    "RANGE_NEEDS_SEX": "INDETERMINATE",
    "RANGE_NEEDS_AGE": "INDETERMINATE",
    "CONFLICTING_EVIDENCE": "INDETERMINATE",
    "EQUIVOCAL": "INDETERMINATE",
    "NO_DATA": "NE",
    "RULE_SET_UNKNOWN": "NE",
}
"""Reason to what it makes of an axis. LESION_MISSING, EQUIVOCAL and RULE_SET_UNKNOWN are additions to section 10."""

ORDER: tuple[Assessability, ...] = ("INCOMPLETE", "INDETERMINATE", "NOT_ASSESSABLE", "NE")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sample judged: what is proven, what is still possible, and why not more."""

    call: str | None
    candidate: str | None = None
    reasons: tuple[str, ...] = ()
    levels: dict[str, LevelState] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)

    @property
    def decided(self) -> bool:
        """Graded without doubt: such an assessment may confirm or break (CONF-5)."""
        return self.call is not None and self.candidate is None


def assessability(proven: bool, reasons: Iterable[str]) -> Assessability:
    """ASSESSED when a level is proven, else the first that applies (clinical.md 10)."""
    if proven:
        return "ASSESSED"
    found = {MEANING[reason] for reason in reasons}
    return next((meaning for meaning in ORDER if meaning in found), "NE")


def closed_level(reasons: Iterable[str]) -> LevelState:
    """The state of a level that these reasons keep from being graded; never MET."""
    states: dict[Assessability, LevelState] = {"INCOMPLETE": "INCOMPLETE", "INDETERMINATE": "INDETERMINATE"}
    return states.get(assessability(False, reasons), "NOT_ASSESSABLE")


def level_state(truth: Truth) -> LevelState:
    return "INDETERMINATE" if truth is None else ("MET" if truth else "NOT_MET")


def once(words: Iterable[str]) -> tuple[str, ...]:
    """In order of first mention, each once."""
    return tuple(dict.fromkeys(words))


def percent(value: Mark | None, reference: Mark | None) -> Decimal | None:
    """Change from a reference in percent, one decimal, half-even; None unless both are plain numbers over zero."""
    if value is None or reference is None or value.comparator or reference.comparator:
        return None
    if value.number is None or not reference.number:
        return None
    change = EXACT.multiply(Decimal(100), EXACT.subtract(value.number, reference.number))
    return EXACT.divide(change, reference.number).quantize(Decimal("0.1"), ROUND_HALF_EVEN, EXACT)


def no_call(axis: AxisName, rule: Rule, *reasons: str, call: str | None = None) -> Axis:
    """An axis with nothing proven."""
    return Axis(
        axis=axis, call=call, assessability=assessability(False, reasons), reasons=reasons,
        rule_id=rule.id, rule_version=rule.version, source=rule.source, verification=rule.how_verified,
    )  # fmt: skip


def entry(result: Result, excluded: Sequence[str] = ()) -> Assessment:
    """A result as a step of the course, before any rule has looked at it."""
    view = result.view
    return Assessment(
        result=result.id, version=view.observation.version, analyte=result.analyte, series=result.series,
        day=result.day, collected_at=result.collected_at, issued_at=result.issued_at, number=view.number,
        comparator=view.comparator, nominal=view.nominal, text=result.text(), low=view.low, high=view.high,
        above=result.above(), inside=result.inside(), below=result.below(), excluded=tuple(excluded),
        isotype=view.observation.isotype, caveats=view.caveats,
    )  # fmt: skip


@dataclass(slots=True)
class Best:
    """The best level confirmed so far, and each step that got there (RESPONSE_UPGRADE)."""

    axis: AxisName
    names: Sequence[str]
    """Levels by rank; rank 0 is "no response" and no step up."""
    rank: int = -1
    upgrades: list[Upgrade] = field(default_factory=list)

    def reach(self, confirmed: Confirmed | None) -> None:
        if confirmed is not None:
            self.hold(confirmed.rank, confirmed.sample, confirmed.by)

    def hold(self, rank: int, sample: Result, by: Result, evidence: Sequence[Result] = ()) -> None:
        """A level holds as of ``sample`` because of ``by``; at or under the best it is no news."""
        if rank <= self.rank:
            return
        self.rank = rank
        if rank > 0:
            at = max(result.issued_at for result in (sample, by, *evidence))
            further = tuple(result.id for result in evidence if result.id not in (sample.id, by.id))
            self.upgrades.append(
                Upgrade(
                    axis=self.axis,
                    level=self.names[rank],
                    sample=sample.id,
                    by=by.id,
                    at=at,
                    evidence=further,
                )
            )

    @property
    def level(self) -> str | None:
        return self.names[self.rank] if self.rank >= 0 else None


def truth_of_p(truth: Truth) -> str:
    return "undecidable" if truth is None else ("met" if truth else "not_met")


def ids(*results: Result | None) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(result.id for result in results if result is not None))
