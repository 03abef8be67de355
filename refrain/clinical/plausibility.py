"""What can be believed: values against the plausible window, limits against ten times that window (R-4)."""

from __future__ import annotations

from decimal import Decimal

from refrain.clinical.analytes import Analyte
from refrain.clinical.interval import Interval, Range
from refrain.clinical.ranges import stand
from refrain.clinical.units import interval_to_canonical
from refrain.clinical.values import Comparator

ABSURD_FACTOR = Decimal(10)
"""A limit more than tenfold outside the plausible window is rejected (R-4; POLICY, UNV)."""


def implausible(analyte: Analyte, number: Decimal, comparator: Comparator | None = None) -> bool:
    """Whether a canonical value lies outside the window, for every point that it may be."""
    return analyte.plausible is not None and stand(number, comparator, analyte.plausible) in ("below", "above")


def absurd(analyte: Analyte, limits: Interval) -> bool:
    """Whether a limit, in the canonical unit, cannot be meant (R-4). A low limit of 0 or below is never absurd."""
    window = analyte.plausible
    if window is None or window.low is None or window.high is None:
        return False
    tested = [limit for limit in (limits.high,) if limit is not None]
    if limits.low is not None and limits.low > 0:
        tested.append(limits.low)
    return any(limit * ABSURD_FACTOR < window.low or limit > window.high * ABSURD_FACTOR for limit in tested)


def absurd_range(analyte: Analyte, received: Range, unit: str | None) -> bool:
    """Whether a received range has an absurd limit; limits in a unit that cannot be converted are not judged."""
    each = [received.interval()] if received.by_sex is None else list(received.by_sex.values())
    converted = [interval_to_canonical(limits, unit, analyte) for limits in each if limits is not None]
    return any(limits is not None and absurd(analyte, limits) for limits in converted)
