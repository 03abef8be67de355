"""The rules that flagging quotes: id, version, where each number comes from and how well it is known."""

from __future__ import annotations

from decimal import Decimal

from refrain.contracts.events import RuleRef

VERSION = "1.0.0"
"""Version of this rule set; a changed number is a new version, and old flags keep the old one."""

POLICY, UNV, VT = "site-policy", "unverified-needs-clinician", "verified-in-text"


def _policy(rule: str) -> RuleRef:
    return RuleRef(id=rule, version=VERSION, source=POLICY, verification=UNV)


FLAGGING = _policy("FLAGGING")
R1, R2, R3, R4, R7, R8, R9, R10 = (_policy(f"R-{number}") for number in (1, 2, 3, 4, 7, 8, 9, 10))
R11 = RuleRef(id="R-11", version=VERSION, source="HL7-INT", verification=VT)
R13, R14, R15 = (_policy(f"R-{number}") for number in (13, 14, 15))
INT5 = _policy("INT-5")
SER4 = _policy("SER-4")
DELTA = _policy("DQ_DELTA")
STATUS = RuleRef(id="5.2", version=VERSION, source="HL7-0085", verification=VT)
CRITICAL = RuleRef(id="4.6", version=VERSION, source="critical lists", verification=VT)
LN1 = RuleRef(id="LN-1", version=VERSION, source="CALC", verification=VT)
LN4 = RuleRef(id="LN-4", version=VERSION, source=POLICY, verification=UNV)
DQ09 = _policy("DQ-09")

RATIO_ABSOLUTE = Decimal("0.01")
"""R-10: a reported ratio may differ from the computed one by this much, in {ratio}. POLICY, UNV."""

RATIO_PERCENT = Decimal("2")
"""R-10: or by this many percent of the computed one. POLICY, UNV."""

KDIGO_STEP = Decimal("26.52")
"""7.3: a creatinine step of 0.3 mg/dL, in umol/L, within :data:`KDIGO_STEP_HOURS`. UNV."""

KDIGO_STEP_HOURS = 48

KDIGO_PERCENT = Decimal("50")
"""7.3: creatinine up by this many percent within :data:`KDIGO_FACTOR_DAYS`. UNV."""

KDIGO_FACTOR_DAYS = 7


def of_quality(code: str) -> RuleRef:
    """The rule behind one of intake's quality codes: the code itself, as the feed reference lists them."""
    return RuleRef(id=code, version=VERSION, source="feeds", verification=UNV)


def of_repair(rule: str) -> RuleRef:
    """The rule of a repair (clinical.md 7.4)."""
    return RuleRef(id=rule, version=VERSION, source="CR", verification=UNV)
