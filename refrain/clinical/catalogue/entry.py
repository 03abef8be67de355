"""What an analyte's entry says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from refrain.clinical.interval import Interval
from refrain.clinical.units import Conversion

Verification = Literal["VT", "SEC", "UNV"]
"""verified-in-text · secondary · unverified-needs-clinician (clinical.md 1.1)."""
Better = Literal["lower", "higher", "NEG", "toward", "by_clone"]
NO_UNITS: Mapping[str, Conversion] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PublishedInterval:
    """A reference interval somebody printed, both ends included. For display: it flags nothing (R-1)."""

    who: str
    low: Decimal | None
    high: Decimal | None
    unit: str
    """UCUM, as printed; not always the canonical unit."""
    verification: Verification


@dataclass(frozen=True, slots=True)
class Analyte:
    """One entry of the catalogue. Everything numeric is in ``unit`` unless its own field says otherwise."""

    code: str
    """Catalogue code in capitals."""
    loinc: tuple[str, ...]
    """The code first, accepted alternates after it; empty for analytes with local codes only."""
    name: str
    unit: str
    """Canonical UCUM unit; ``nominal`` for qualitative analytes."""
    specimens: tuple[str, ...]
    """Codes of clinical.md 3.1 that the entry allows."""
    source: str
    """Where identity and conversions come from (keys of clinical.md section 22, or the section)."""
    verification: Verification
    """Of identity and codes; a conversion carries its own mark."""
    also_reported_in: Mapping[str, Conversion] = field(default_factory=lambda: NO_UNITS)
    """UCUM unit to its conversion; the canonical unit itself is not listed."""
    repair_only_units: Mapping[str, Conversion] = field(default_factory=lambda: NO_UNITS)
    """Units that count only where a magnitude repair explains them (DQ-01)."""
    specimen_must_be_stated: bool = False
    nominal: bool = False
    plausible: Interval | None = None
    """Intake window (site policy, UNV); a value outside is held. None where none makes sense."""
    better: Better | None = None
    recheck: bool = False
    """To be repeated within the line when abnormal at baseline (GAP-1)."""
    textbook: tuple[PublishedInterval, ...] = ()
    case_lab: PublishedInterval | None = None
    """Interval printed in the case report (CR, VT)."""
    method_specific: bool = False
    """The method is part of the identity more than elsewhere: free light chains (4.5)."""
    synonyms: tuple[str, ...] = ()
    note: str = ""


def window(low: str, high: str) -> Interval:
    """A plausible window, both ends included."""
    return Interval(Decimal(low), Decimal(high), True, True)


def published(who: str, low: str | None, high: str | None, unit: str, verification: Verification) -> PublishedInterval:
    """An interval from its printed digits."""
    ends = [None if end is None else Decimal(end) for end in (low, high)]
    return PublishedInterval(who, ends[0], ends[1], unit, verification)


def times(numerator: str, denominator: str = "1", *, verification: Verification = "VT", plus: str = "0") -> Conversion:
    """``received * numerator / denominator + plus``."""
    return Conversion(Decimal(numerator), Decimal(denominator), Decimal(plus), verification)
