"""One version as flagging sees it: what may be judged, whether it may feed a response, and if not, why.

Everything here needs this one version and the reviews about it; neighbours come in :mod:`series` and
:mod:`neighbours`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from refrain.clinical.analytes import CATALOGUE, Analyte
from refrain.clinical.specimens import agrees
from refrain.clinical.units import UNITLESS
from refrain.clinical.value_words import nominal as nominal_of
from refrain.clinical.values import Comparator
from refrain.contracts.events import Observation, Repaired, RepairReviewed
from services.flagging.domain.history import Status, Version
from services.flagging.domain.intervals import Printed, printed

Nominal = Literal["POS", "NEG", "IND"]
Reviews = Mapping[tuple[UUID, str], RepairReviewed]
"""By result and rule, the newest word of a person."""

QUALITATIVE_TOO = frozenset({"MPROT_S", "MPROT_U24", "BM_FLOW", "BM_PC"})
"""Quantities for which a word says enough: not detected, too small to quantify (HEM-3), no clonal cells."""

DAY_KNOWN = frozenset({"day", "hour", "minute", "second", "fraction", "relative"})
"""Precisions of a collection time that clinical.md 3.3 accepts."""

HOLDS: Mapping[str, str] = {
    "unit_unknown": "UNIT_UNKNOWN",
    "implausible_value": "IMPLAUSIBLE",
    "comment_questions_result": "COMMENT_QUESTIONS_RESULT",
}
"""Quality codes of intake that keep a result out of every response, and the reason shown for it."""

NO_RESPONSE: Mapping[Status, frozenset[str]] = {
    "final": frozenset(),
    "provisional": frozenset({"NOT_FINAL"}),
    "none": frozenset({"NO_RESULT"}),
    "withdrawn": frozenset({"WITHDRAWN"}),
}

RELEASED_BY_REVIEW = frozenset({"implausible_value", "comment_questions_result"})
"""Holds that end when a person accepts them; a unit that nobody knows stays unknown."""

TRUSTED: Mapping[str, frozenset[str]] = {
    "magnitude": frozenset({"high"}),
    "range": frozenset({"high"}),
    "notation": frozenset({"high", "medium"}),
    "identity": frozenset({"high", "medium"}),
    "semantics": frozenset({"high"}),
}
"""Confidence from which a repair may be used for flagging without a person (clinical.md 7.2; POLICY, UNV)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One version, read."""

    version: Version
    status: Status
    current: bool
    analyte: Analyte | None
    number: Decimal | None
    """Canonical, and repaired where the repair may be used for flagging; else as received."""
    unit: str | None
    """UCUM; the analyte's canonical one, or for an unmapped code the received one."""
    comparable: bool
    """The number is in the canonical unit of a mapped analyte, so that other results may stand beside it."""
    nominal: Nominal | None
    repaired: Repaired | None
    printed: Printed
    held: frozenset[str]
    accepted: frozenset[str]
    """Rules that a person accepted for this version."""
    rejected: frozenset[str] = frozenset()
    """... and those that a person rejected."""

    @property
    def observation(self) -> Observation:
        return self.version.observation

    @property
    def comparator(self) -> Comparator | None:
        return self.observation.value.comparator if self.number is not None else None

    @property
    def flagged(self) -> bool:
        """Whether a version of this status carries flags at all (clinical.md 5.2)."""
        return self.status in ("final", "provisional")

    @property
    def implausible(self) -> bool:
        return "IMPLAUSIBLE" in self.held

    @property
    def in_series(self) -> bool:
        """Whether it belongs into a series: mapped, counting, believable (LN-1, LN-4, feeds.md 12)."""
        kept_out = {"IMPLAUSIBLE", "SPECIMEN_MISMATCH", "CODE_UNMAPPED"}
        return self.current and self.flagged and self.analyte is not None and not kept_out & self.held

    @property
    def repair_used(self) -> bool:
        return self.repaired is not None and may_flag(self.repaired)


def read(version: Version, current: bool, reviews: Reviews) -> Seen:
    """Everything about one version that needs no other result."""
    status = version.status
    seen = version.observation
    analyte = CATALOGUE.get(seen.analyte) if seen.analyte else None
    words = _words(seen, reviews)
    accepted = frozenset(rule for rule, word in words.items() if word.decision == "accepted")
    repaired = reviewed(seen, seen.repaired, reviews) if seen.repaired else None
    number, unit, comparable = _number(seen, analyte, repaired)
    nominal = nominal_of(seen.value.ordinal) if seen.value.kind == "ordinal" else None
    usable_repair = repaired if repaired is not None and may_flag(repaired) else None
    held = _held(seen, analyte, repaired, number is not None and comparable, nominal) - {
        HOLDS[code] for code in accepted & RELEASED_BY_REVIEW
    }
    return Seen(
        version, status, current, analyte, number, unit, comparable, nominal, repaired,
        printed(seen, version.report, analyte, usable_repair),
        held | NO_RESPONSE[status] | (frozenset() if current else frozenset({"SUPERSEDED"})), accepted,
        frozenset(words) - accepted,
    )  # fmt: skip


def may_flag(repair: Repaired) -> bool:
    """Whether a repaired reading is what flags are made of (clinical.md 7.2)."""
    if repair.review in ("accepted", "rejected"):
        return repair.review == "accepted"
    return repair.confidence in TRUSTED[repair.repair_class]


def _words(seen: Observation, reviews: Reviews) -> dict[str, RepairReviewed]:
    """Reviews of this result that saw this version: a word from before its issue is about another one."""
    return {
        rule: word for (result, rule), word in reviews.items() if result == seen.result and word.at >= seen.issued_at
    }


def reviewed(seen: Observation, repaired: Repaired, reviews: Reviews) -> Repaired:
    """A repair of this version with a person's word about it, if there is one."""
    word = _words(seen, reviews).get(repaired.repair_rule_id)
    return repaired if word is None else repaired.model_copy(update={"review": word.decision})


def _number(
    seen: Observation, analyte: Analyte | None, repaired: Repaired | None
) -> tuple[Decimal | None, str | None, bool]:
    """Number, unit, and whether it is canonical. A doubtful magnitude is no number until a person says so."""
    if analyte is not None and analyte.nominal:
        return None, None, False
    if repaired is not None and repaired.number is not None:
        if may_flag(repaired):
            return repaired.number, repaired.unit, True
        if repaired.repair_class == "magnitude":
            return None, None, False
    if seen.value.kind not in ("quantity", "censored"):
        return None, None, False
    if seen.canonical is not None:
        return seen.canonical.number, seen.canonical.unit, analyte is not None
    if analyte is not None and analyte.unit in UNITLESS and not seen.value.unit_raw:
        return seen.value.number, analyte.unit, True
    return seen.value.number, None if analyte else seen.value.unit, False


def _held(
    seen: Observation, analyte: Analyte | None, repaired: Repaired | None, measured: bool, nominal: Nominal | None
) -> frozenset[str]:
    """Why this version may not feed baseline, nadir, response or ladder (clinical.md 3.3), neighbours aside."""
    held = {HOLDS[code] for code in seen.quality if code in HOLDS}
    if analyte is None:
        held.add("CODE_UNMAPPED")
    elif not (seen.specimen_source == "assumed" or agrees(analyte, _loinc(seen), seen.specimen)):
        held.add("SPECIMEN_MISMATCH")
    if repaired is not None and repaired.repair_class == "magnitude" and repaired.review != "accepted":
        held.add("REVIEW_REJECTED" if repaired.review == "rejected" else "REVIEW_PENDING")
    if seen.time_precision not in DAY_KNOWN:
        held.add("COLLECTED_AT_IMPRECISE")
    if not (measured or _says_enough(seen, analyte, nominal) or held & {"REVIEW_REJECTED", "REVIEW_PENDING"}):
        numeric = seen.value.kind in ("quantity", "censored")
        held.add("UNIT_UNKNOWN" if numeric and analyte and not analyte.nominal else "NO_VALUE")
    return frozenset(held)


def _says_enough(seen: Observation, analyte: Analyte | None, nominal: Nominal | None) -> bool:
    if analyte is None:
        return False
    if nominal is not None:
        return analyte.nominal or analyte.code in QUALITATIVE_TOO
    return analyte.code in QUALITATIVE_TOO and seen.value.missing == "below_quantification"


def _loinc(seen: Observation) -> str:
    return seen.code if seen.system == "LN" else ""
