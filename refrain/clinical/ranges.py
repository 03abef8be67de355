"""Reference ranges: how their text is read (feeds.md section 11) and how a value stands to them (clinical.md 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

RangeKind = Literal["interval", "qualitative", "unparsed", "absent"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Two ends, each open, closed or missing (None). In whatever unit its owner says."""

    low: Decimal | None = None
    high: Decimal | None = None
    low_inclusive: bool | None = None
    high_inclusive: bool | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """One received reference range. Limits are in the received unit; ``text`` is always what came."""

    kind: RangeKind
    text: str = ""
    low: Decimal | None = None
    high: Decimal | None = None
    low_inclusive: bool | None = None
    high_inclusive: bool | None = None
    unit: str | None = None
    """The unit written inside the range, UCUM; None when it has none."""
    expected: str | None = None
    by_sex: Mapping[str, Interval] | None = None
    reason: str | None = None
    """Why an ``unparsed`` range was not read."""
