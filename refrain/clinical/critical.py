"""Critical limits: five published lists as printed, converted exactly to canonical units (clinical.md 4.6).

All rows are verified in text for the named list, and none is transferable between sites: a site chooses one or
writes its own. Without a profile Refrain computes no LL and no HH.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.threevalued import compare, every
from refrain.clinical.units import to_canonical
from refrain.clinical.values import Comparator

Operator = Literal["<", "<=", ">", ">="]
VERIFICATION = "VT"

FREE_T4 = "FT4"
"""On one list, but no entry of the catalogue: kept as printed, judges nothing."""


@dataclass(frozen=True, slots=True)
class CriticalLimit:
    """One printed limit: critical when ``value operator limit``."""

    analyte: str
    operator: Operator
    limit: Decimal
    """In ``unit``: the canonical unit where the catalogue has the analyte."""
    unit: str
    printed: str
    """As printed, with its unit."""
    male_only: bool = False
    outpatients_only: bool = False
    not_in_bloody_tap: bool = False
    significant: bool = False
    """Significant, not critical: LU or HU."""

    @property
    def side(self) -> Literal["low", "high"]:
        return "low" if self.operator in ("<", "<=") else "high"

    @property
    def inclusive(self) -> bool:
        return self.operator in ("<=", ">=")


def _limit(
    analyte: str,
    printed: str,
    *,
    male_only: bool = False,
    outpatients_only: bool = False,
    not_in_bloody_tap: bool = False,
    significant: bool = False,
) -> CriticalLimit:
    operators: dict[str, Operator] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
    operator, number, unit = printed.split()
    limit, canonical = Decimal(number), unit
    if analyte in CATALOGUE:
        quantity = to_canonical(limit, unit, CATALOGUE[analyte])
        if quantity is None:
            raise ValueError(f"{analyte}: {unit} is not a unit of its entry")
        limit, canonical = quantity.number, quantity.unit
    return CriticalLimit(
        analyte, operators[operator], limit, canonical, printed, male_only, outpatients_only, not_in_bloody_tap,
        significant,
    )  # fmt: skip


_STARLING = (
    _limit("CREAT", ">= 6.0 mg/dL"),
    _limit("PLT", "<= 20 10*9/L"),
    _limit("PLT", ">= 1000 10*9/L"),
    _limit("ANC", "<= 1.0 10*9/L"),
    _limit("HGB", "<= 7.0 g/dL"),
    _limit("GLU", "<= 50 mg/dL"),
    _limit("GLU", ">= 500 mg/dL"),
    _limit("CA", "<= 7.0 mg/dL"),
    _limit("CA", ">= 13 mg/dL"),
)
_SUNRISE = (
    _limit("CREAT", "> 7.5 mg/dL"),
    _limit("PLT", "< 50 10*9/L"),
    _limit("PLT", "> 800 10*9/L"),
    _limit("ANC", "< 0.5 10*9/L"),
    _limit("HGB", "< 7.0 g/dL"),
    _limit("HGB", "> 20 g/dL", male_only=True),
    _limit("GLU", "< 40 mg/dL"),
    _limit("GLU", "> 500 mg/dL"),
    _limit("CA", "< 6.5 mg/dL"),
    _limit("CA", "> 12.9 mg/dL"),
)
_HOUSTON_METHODIST = (
    _limit("HGB", "<= 7.0 g/dL"),
    _limit("GLU", "<= 50 mg/dL"),
    _limit("GLU", "> 400 mg/dL"),
    _limit("CA", "<= 6.5 mg/dL"),
    _limit("CA", ">= 13.0 mg/dL"),
    _limit("CSF_WBC", "> 50 /uL", not_in_bloody_tap=True),
    _limit(FREE_T4, ">= 5.1 ng/dL"),
)
_CITILAB = (
    _limit("ANC", "<= 0.5 10*9/L", outpatients_only=True),
    _limit("CSF_WBC", "> 30 /uL"),
)
_U_IOWA = (_limit("CORT", "< 2.0 ug/dL", significant=True),)


def _by_analyte(limits: Iterable[CriticalLimit]) -> Mapping[str, tuple[CriticalLimit, ...]]:
    table: dict[str, tuple[CriticalLimit, ...]] = {}
    for limit in limits:
        table[limit.analyte] = (*table.get(limit.analyte, ()), limit)
    return MappingProxyType(table)


PROFILES: Mapping[str, Mapping[str, tuple[CriticalLimit, ...]]] = MappingProxyType(
    {
        "none": MappingProxyType({}),
        "starling": _by_analyte(_STARLING),
        "sunrise": _by_analyte(_SUNRISE),
        "houston_methodist": _by_analyte(_HOUSTON_METHODIST),
        "citilab": _by_analyte(_CITILAB),
        "u_iowa": _by_analyte(_U_IOWA),
    }
)


def profile(name: str) -> Mapping[str, tuple[CriticalLimit, ...]]:
    """The limits of one published list by analyte code; KeyError for a name that is not shipped."""
    return PROFILES[name]


def is_critical(
    limit: CriticalLimit,
    number: Decimal,
    comparator: Comparator | None = None,
    *,
    sex: str | None = None,
    outpatient: bool | None = None,
    bloody_tap: bool | None = None,
) -> bool | None:
    """Whether a value in ``limit.unit`` is beyond the limit; None when it may or may not be (R-9: fail safe).

    What a mark of the list asks for and nobody stated (sex, outpatient, bloody tap) is undecidable too.
    """
    known_sex = (sex or "").strip().upper()[:1]
    male = known_sex == "M" if known_sex in ("M", "F") else None
    applies: list[bool | None] = [male] if limit.male_only else []
    if limit.outpatients_only:
        applies.append(outpatient)
    if limit.not_in_bloody_tap:
        applies.append(None if bloody_tap is None else not bloody_tap)
    return every([compare(number, comparator, limit.operator, limit.limit), *applies])
