"""The rules that speak in an alert of relapse, with where each comes from and how well it is known.

Nobody has signed the unverified ones (clinical.md 1.2); every alert says so through its rule.
"""

from __future__ import annotations

from refrain.contracts.events import RuleRef

UNVERIFIED = "unverified-needs-clinician"
POLICY = "site-policy"
VERSION = "1.0.0"


def _rule(rule_id: str, source: str = POLICY, verification: str = UNVERIFIED) -> RuleRef:
    return RuleRef(id=rule_id, version=VERSION, source=source, verification=verification)


VEGF_RISE = _rule("POEMS-V-PDV", "PDV-Q (the 50 % step, verified in text); ULN guard and confirmation: site-policy")
M_PROTEIN_RISE = _rule("POEMS-H-PDH", "DS12-T")
BAND_BACK = _rule("HEM-6")
PET_PROGRESSION = _rule("POEMS-P-PD", "DS12-T")
CLINICAL_WORSENING = _rule("LADDER-CLINICAL")
LADDER = _rule("LADDER-12.3")
RESPONSE_LOSS = _rule("VEGF-5")
UPGRADE = _rule("RESPONSE-UPGRADE")
CANDIDATE_WITHDRAWN = _rule("HEM-7")
CORRECTED = _rule("RET-5")
IGG_LOW = _rule("R-12")
TREATABLE = _rule("TREATABLE-B12")
NEW_CLONE = _rule("HEM-8")
DRUG_BAND = _rule("13.1", "ASH-D (the band, verified in text); handling: site-policy")
SUMMARY = _rule("ABNORMAL-SUMMARY")
RECHECK = _rule("GAP-1")
URINE_GAP = _rule("GAP-2")
WATCH_GAP = _rule("LADDER-GAP")
