"""What an immunofixation or a marrow says about the clone, and when an antibody drug may be the band (13.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from refrain.clinical.threevalued import Span, Truth, falls_below
from refrain.contracts.care import clone, exposed
from refrain.contracts.events import CareEvent, CloneStated
from refrain.contracts.site import SiteSettings
from services.response.domain.facts import Result

BAND_DRUGS = frozenset({"daratumumab", "isatuximab", "elotuzumab"})
"""IgG1-kappa antibodies that show on immunofixation. Daratumumab: ASH-D, VT; the others: POLICY, UNV."""
DRUG_HEAVY, DRUG_LIGHT = "IgG", "kappa"

DRUG_SPIKE = Decimal("1")
"""g/L, inclusive: an IgG-kappa spike up to this on exposure may be the drug (clinical.md 13.1). POLICY, UNV."""

STATES = {
    "NEG": 0, "IND": 1, "POS_DRUG_SUSPECTED": 2, "POS_INDISTINGUISHABLE": 3, "POS_UNTYPED": 4, "POS_OTHER": 5, "POS": 6,
}  # fmt: skip
"""Component states, from best to worst of a day."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One immunofixation or marrow as a component of the hematologic call."""

    state: str
    negative: Truth
    """No clonal band or cell; None where the data cannot say (such a sample confirms and breaks nothing)."""
    clonal: Truth
    """The clone itself is seen."""
    reason: str | None = None
    """Why ``negative`` is undecidable."""


NEGATIVE = Reading("NEG", negative=True, clonal=False)
POSITIVE = Reading("POS", negative=False, clonal=True)
OTHER = Reading("POS_OTHER", negative=False, clonal=False)
EQUIVOCAL = Reading("IND", negative=None, clonal=None, reason="EQUIVOCAL")
SUSPECTED = Reading("POS_DRUG_SUSPECTED", negative=None, clonal=None, reason="INTERFERENCE_DARATUMUMAB")
INDISTINGUISHABLE = Reading("POS_INDISTINGUISHABLE", negative=None, clonal=None, reason="INTERFERENCE_DARATUMUMAB")
UNTYPED_ON_DRUG = Reading("POS_UNTYPED", negative=None, clonal=None, reason="LIGHT_CHAIN_UNSTATED")
UNTYPED = Reading("POS_UNTYPED", negative=False, clonal=None)


@dataclass(frozen=True, slots=True)
class BandReader:
    """Reads components of one patient."""

    care: Sequence[CareEvent]
    """Current ones only."""
    clone: CloneStated | None
    site: SiteSettings

    @classmethod
    def of(cls, care: Sequence[CareEvent], site: SiteSettings) -> BandReader:
        return cls(care, clone(care), site)

    def read(self, result: Result) -> Reading:
        return self.marrow(result) if result.analyte == "BM_FLOW" else self.band(result)

    def severity(self, result: Result) -> int:
        return STATES[self.read(result).state]

    def marrow(self, result: Result) -> Reading:
        """Clonal by the flow's own statement; a percentage alone says nothing of clonality (answers 24)."""
        stated = result.view.observation.attributes.get("clonal", "").upper()[:1]
        if stated == "N" or (not stated and result.view.nominal == "NEG"):
            return NEGATIVE
        if stated == "Y" or result.view.nominal == "POS":
            return POSITIVE
        return EQUIVOCAL

    def band(self, result: Result) -> Reading:
        """The table of 13.1 while a band drug acts, HEM-6 and HEM-8 without one."""
        if result.view.nominal != "POS":
            return NEGATIVE if result.view.nominal == "NEG" else EQUIVOCAL
        chains = result.view.observation.isotype
        heavy, light = (chains.heavy, chains.light) if chains else (None, None)
        may_be_drug = heavy in (None, DRUG_HEAVY) and light in (None, DRUG_LIGHT) and self.on_drug(result)
        if may_be_drug:
            if heavy is None or light is None:
                return UNTYPED_ON_DRUG
            return INDISTINGUISHABLE if self._clone_may_be(DRUG_HEAVY, DRUG_LIGHT) else SUSPECTED
        if not self._clone_may_be(heavy, light):
            return OTHER
        stated = self.clone
        matches = stated is not None and (stated.heavy, stated.light) == (heavy, light) and heavy and light
        return POSITIVE if matches else UNTYPED

    def on_drug(self, result: Result) -> bool:
        """Whether a drug band may show. A DIRA shifts the drug's band away, so what is left is not the drug."""
        if "DIRA" in result.view.observation.method.upper():
            return False
        return exposed(self.care, BAND_DRUGS, result.day, self.site.washout_daratumumab_days)

    def drug_spike(self, result: Result) -> bool:
        """Whether a small M-protein may be the drug's own."""
        chains, bounds = result.view.observation.isotype, result.bounds
        if chains is None or (chains.heavy, chains.light) != (DRUG_HEAVY, DRUG_LIGHT) or bounds is None:
            return False
        return falls_below(bounds, Span.of(DRUG_SPIKE), or_equal=True) is not False and self.on_drug(result)

    def _clone_may_be(self, heavy: str | None, light: str | None) -> bool:
        """Whether no stated chain contradicts the patient's clone; unknown contradicts nothing (G-3)."""
        stated = self.clone
        if stated is None:
            return True
        pairs = ((stated.heavy, heavy), (stated.light, light))
        return all(own is None or seen is None or own == seen for own, seen in pairs)
