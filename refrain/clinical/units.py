"""Units: received text to UCUM through one closed table, and exact conversion to an analyte's canonical unit.

``K/uL`` is why there is a table and no parser: UCUM reads it as kelvin per microlitre, a laboratory means
thousands per microlitre. A unit that claims to be UCUM goes through the same table (feeds.md 12).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import TYPE_CHECKING

from refrain.clinical.unit_names import ucum
from refrain.clinical.values import Quantity

if TYPE_CHECKING:
    from refrain.clinical.catalogue.entry import Analyte
    from refrain.clinical.interval import Interval

__all__ = ["NOMINAL", "SAME", "UNITLESS", "Conversion", "conversion", "interval_to_canonical", "to_canonical", "ucum"]

_EXACT = Context(prec=120)
"""Wide enough that no product of a 40-character number with a factor is rounded."""
_DIVISION = Context(prec=28)
"""Digits kept where a quotient does not end (molar factors)."""
ONE = Decimal(1)
NOMINAL = "nominal"
"""Stands in the place of a unit for analytes that have no number."""
UNITLESS = frozenset({NOMINAL, "{ratio}", "{SUV}"})
"""Units that need not be written: when missing they are meant (answers 18)."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """``canonical = received * numerator / denominator + plus``: a pair, because 1/21.2 does not end."""

    numerator: Decimal = ONE
    denominator: Decimal = ONE
    plus: Decimal = Decimal(0)
    verification: str = "VT"
    """VT, SEC or UNV; VT where it is only a matter of prefixes."""

    def apply(self, number: Decimal) -> Decimal:
        """The number in the canonical unit. Exact unless the quotient does not end, then 28 digits, half-even."""
        product = _scale(number, self.numerator)
        if self.denominator != ONE:
            product = _DIVISION.divide(product, self.denominator)
        return _EXACT.add(product, self.plus) if self.plus else product


SAME = Conversion()


def _scale(number: Decimal, factor: Decimal) -> Decimal:
    """The product; a power of ten moves the point, so that 3.29 mg/dL becomes 32.9 mg/L and not 32.90."""
    _, digits, exponent = factor.normalize(_EXACT).as_tuple()
    if digits != (1,) or not isinstance(exponent, int):
        return _EXACT.multiply(number, factor)
    moved = number.scaleb(exponent, _EXACT)
    # Whole numbers are written out: 15 g/dL is 150 g/L, not 1.5E+2.
    whole = exponent > 0 and moved.as_tuple().exponent > 0  # type: ignore[operator]  # finite by the grammar
    return moved.quantize(ONE, context=_EXACT) if whole else moved


def conversion(unit: str | None, analyte: Analyte) -> Conversion | None:
    """How the analyte's entry converts a UCUM unit; None when the entry does not list the unit."""
    if unit is None:
        return None
    return SAME if unit == analyte.unit else analyte.also_reported_in.get(unit)


def to_canonical(number: Decimal, unit: str | None, analyte: Analyte) -> Quantity | None:
    """A number in the analyte's canonical unit; None when the unit is unknown or not one the entry lists.

    Units that an entry lists for a repair only (IgG in mg/L) are not converted here.
    """
    if analyte.nominal or (how := conversion(unit, analyte)) is None:
        return None
    return Quantity(how.apply(number), analyte.unit)


def interval_to_canonical(interval: Interval, unit: str | None, analyte: Analyte) -> Interval | None:
    """The same limits in the canonical unit, each keeping its own strictness; None as :func:`to_canonical`."""
    if analyte.nominal or (how := conversion(unit, analyte)) is None:
        return None
    low = None if interval.low is None else how.apply(interval.low)
    high = None if interval.high is None else how.apply(interval.high)
    return replace(interval, low=low, high=high)
