"""Rule set ``poems``, Mayo style (clinical.md 11): one page for a clinician to check and sign.

No number here may drive care before a named clinician has signed it. The response table itself was not read
by the author, so nearly all of it is UNV. ``inclusive`` False is a strict comparison: exactly the threshold
does not meet it. v current value, b baseline, n nadir, ULN the limit reported with that same result.
The three progression numbers stand in ``refrain.clinical.poems``, because the relapse ladder uses them too.
"""

from __future__ import annotations

from decimal import Decimal

from services.response.domain.rulesets.model import MProteinLevel, Rule, RuleSet, Threshold

# --- hematologic axis (11.1): M-protein in g/L, immunofixation, marrow ---
VGPRH_FALL = Threshold(Decimal("0.10"), "x baseline", inclusive=True, source="DS12-T", verification="UNV")
"""v <= 0.10 b: a fall of 90 % or more."""
VGPRH_BASELINE = Threshold(Decimal("5"), "g/L", inclusive=True, source="DS12-T", verification="UNV")
"""b >= 5 g/L (0.5 g/dL)."""
PRH_FALL = Threshold(Decimal("0.50"), "x baseline", inclusive=True, source="DS12-T", verification="UNV")
"""v <= 0.50 b: a fall of 50 % or more."""
PRH_BASELINE = Threshold(Decimal("10"), "g/L", inclusive=True, source="DS12-T", verification="UNV")
"""b >= 10 g/L (1.0 g/dL). Also for NRH (eligibility POLICY)."""

# --- VEGF axis (11.2): pg/mL ---
PRV_FALL = Threshold(Decimal("0.5"), "x baseline", inclusive=True, source="DS12-T", verification="UNV")
"""v <= 0.5 b."""
VEGF_ELIGIBLE = Threshold(Decimal("2"), "x ULN", inclusive=True, source="DS12-T", verification="UNV")
"""b >= 2 ULN: by default only a caveat (VEGF-6)."""

# --- PET axis (11.3): sum of lesion SUVmax ---
PET_RISE = Threshold(Decimal("1.30"), "x nadir sum", inclusive=True, source="DS12-T", verification="UNV")
"""sum >= 1.30 x nadir sum, and"""
PET_RISE_SUM = Threshold(Decimal("4"), "{SUV}", inclusive=True, source="DS12-T", verification="UNV")
"""sum >= 4."""
PRP_FALL = Threshold(Decimal("0.50"), "x baseline sum", inclusive=True, source="DS12-T", verification="UNV")
"""sum <= 0.50 x baseline sum."""

HEMATOLOGIC_RULES = (
    Rule(
        "POEMS-H-CRH", "CRH",
        "serum and urine immunofixation negative (at most 42 days apart) and marrow without clonal plasma cells "
        "(within 365 days), in a patient with a proven clone", "DS12-T", "UNV",
    ),
    Rule(
        "POEMS-H-VGPRH", "VGPRH",
        "b >= 5 g/L and (v <= 0.10 b, or spike not measurable with positive serum immunofixation)", "DS12-T", "UNV",
    ),
    Rule("POEMS-H-PRH", "PRH", "b >= 10 g/L and v <= 0.50 b", "DS12-T", "UNV"),
    Rule("POEMS-H-NRH", "NRH", "b >= 10 g/L, less than PRH, not progressing", "DS12-T", "UNV"),
    Rule(
        "POEMS-H-PDH", "PDH",
        "v >= 1.25 n and v - n >= 5 g/L, or the clone's band is back after a confirmed negative immunofixation",
        "DS12-T", "UNV",
    ),
    Rule("POEMS-H-NEH", "NEH", "nothing proven", "site-policy", "UNV"),
)  # fmt: skip
OTHER_RULES = (
    Rule("POEMS-V-PDV", "PDV", "v > 1.5 n and v above its own interval", "PDV-Q; guard site-policy", "VT"),
    Rule("POEMS-V-CRV", "CRV", "b above its interval and v within its own", "DS12-T", "UNV"),
    Rule("POEMS-V-PRV", "PRV", "b above its interval and v <= 0.5 b", "DS12-T", "UNV"),
    Rule("POEMS-V-NRV", "NRV", "none of the others", "DS12-T", "UNV"),
    Rule("POEMS-V", "VEGF", "the VEGF axis", "DS12-T", "UNV"),
    Rule("POEMS-P-PD", "PD-PET", "new FDG-avid lesion, or sum >= 1.30 nadir sum and sum >= 4", "DS12-T", "UNV"),
    Rule(
        "POEMS-P-CR", "CR-PET",
        "every baseline lesion at or under the liver of the same scan, or so stated; no new lesion",
        "DS12-T; liver proxy site-policy", "UNV",
    ),
    Rule("POEMS-P-PR", "PR-PET", "sum <= 0.50 baseline sum", "DS12-T", "UNV"),
    Rule("POEMS-P-NR", "NR-PET", "none of the others", "DS12-T", "UNV"),
    Rule("POEMS-P", "PET", "the PET axis", "DS12-T", "UNV"),
    Rule("POEMS-C", "CLINICAL", "what a clinician entered: better and worse features", "DS12-T; PUMCH", "UNV"),
)  # fmt: skip

POEMS = RuleSet(
    id="poems",
    title="POEMS, Mayo style",
    m_protein=(
        MProteinLevel("VGPRH", VGPRH_FALL, VGPRH_BASELINE, immunofixation_only=True),
        # HEM-2: the usual table lists "IFE-positive only" here too; with b >= 10 the line above catches it.
        MProteinLevel("PRH", PRH_FALL, PRH_BASELINE, immunofixation_only=True),
    ),
    no_response_minimum=PRH_BASELINE,
    vegf_partial=PRV_FALL,
    vegf_eligible=VEGF_ELIGIBLE,
    pet_new_sum=PET_RISE_SUM,
    pet_rise=PET_RISE,
    pet_partial=PRP_FALL,
    rules={rule.level: rule for rule in (*HEMATOLOGIC_RULES, *OTHER_RULES)},
)
