"""Intervals and received reference ranges, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

RangeKind = Literal["interval", "qualitative", "unparsed", "absent"]

REASONS: Mapping[str, str] = {
    "operator_on_low_only": "an operator before the first of two limits, and none before the second",
    "too_many_numbers": "more than two numbers",
    "bare_number": "one number without a direction",
    "inverted": "the low limit is above the high one",
    "empty": "no value can be inside",
    "brackets": "brackets that do not match",
    "prose": "words",
    "interpretive": "a text that explains several cut-offs",
    "unit": "a unit that is not known, or not that of the value",
    "sn_shape": "components that are no bound and no interval",
    "comma": "a comma between digits, and the sender's profile does not say what it means",
    "absurd": "a limit lies more than tenfold outside what is plausible for the analyte (R-4)",
    "range_conflict": "limits sent as numbers and as text differ",
}
"""Every ``Range.reason``, and what it means."""


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
    """What a qualitative range expects: an ordinal answer, or two with a dash between."""
    by_sex: Mapping[str, Interval] | None = None
    """``M`` and ``F``, when the text splits them; then the limits above are None."""
    reason: str | None = None
    """Why an ``unparsed`` range was not read: a key of ``REASONS``."""

    def interval(self, sex: str | None = None) -> Interval | None:
        """The limits for a patient; None when there are none, or when they depend on a sex that is not given."""
        if self.kind != "interval":
            return None
        if self.by_sex is not None:
            return self.by_sex.get((sex or "").strip().upper()[:1])
        return Interval(self.low, self.high, self.low_inclusive, self.high_inclusive)
