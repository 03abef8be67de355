"""Rule set ``poems-pumch``: the hematologic axis of one center (clinical.md 11.1); the other axes are those of poems.

No VGPRH and no minimum baseline. Everything is UNV until a named clinician signs it.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from services.response.domain.rulesets.model import MProteinLevel, Rule, Threshold
from services.response.domain.rulesets.poems import OTHER_RULES, POEMS

PRH_FALL = Threshold(Decimal("0.50"), "x baseline", inclusive=True, source="PUMCH", verification="UNV")
"""v <= 0.50 b: a fall of 50 % or more."""

HEMATOLOGIC_RULES = (
    Rule(
        "PUMCH-H-CRH", "CRH", "serum and urine immunofixation negative and marrow without clonal plasma cells",
        "PUMCH", "UNV",
    ),
    Rule(
        "PUMCH-H-PRH", "PRH", "v <= 0.50 b, or spike not measurable any more with positive serum immunofixation",
        "PUMCH", "UNV",
    ),
    Rule("PUMCH-H-NRH", "NRH", "less than PRH, not progressing", "PUMCH", "UNV"),
    Rule("PUMCH-H-PDH", "PDH", "as POEMS-H-PDH", "DS12-T", "UNV"),
    Rule("PUMCH-H-NEH", "NEH", "nothing proven", "site-policy", "UNV"),
)  # fmt: skip

POEMS_PUMCH = replace(
    POEMS,
    id="poems-pumch",
    title="POEMS, PUMCH variant",
    m_protein=(MProteinLevel("PRH", PRH_FALL, None, immunofixation_only=True),),
    no_response_minimum=None,
    rules={rule.level: rule for rule in (*HEMATOLOGIC_RULES, *OTHER_RULES)},
)
