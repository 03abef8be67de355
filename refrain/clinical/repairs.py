"""Repairs of damaged values and ranges (clinical.md 7): proposed beside what was received, never instead of it.

A repair needs two independent pieces of evidence to be of high confidence; with fewer nothing is proposed here,
and the value or range stays as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Literal

from refrain.clinical.analytes import Analyte
from refrain.clinical.interval import Interval, Range
from refrain.clinical.notation import plain
from refrain.clinical.plausibility import absurd, implausible
from refrain.clinical.ranges import read_range
from refrain.clinical.units import UNITLESS, Conversion, conversion, interval_to_canonical
from refrain.clinical.values import Value

RepairClass = Literal["notation", "range", "magnitude", "identity", "semantics"]
Confidence = Literal["high", "medium", "low"]
Review = Literal["pending", "not_required", "accepted", "rejected"]

SLIP = Decimal(1000)
"""The factor of DQ-01: a unit one SI prefix too small (CALC on the case report)."""
_EXACT = Context(prec=200)
_POWER_UNIT = re.compile(r"10\*(?P<power>[0-9]+)/")


@dataclass(frozen=True, slots=True)
class Repair:
    """One repaired reading; number and limits are in ``unit``, the analyte's canonical UCUM unit."""

    number: Decimal | None
    unit: str
    low: Decimal | None
    high: Decimal | None
    low_inclusive: bool | None
    high_inclusive: bool | None
    repair_rule_id: str
    repair_class: RepairClass
    confidence: Confidence
    review: Review


def propose(analyte: Analyte | None, value: Value, received: Range) -> tuple[Repair | None, tuple[str, ...]]:
    """The repair that one message alone supports, and its quality codes; (None, ()) when there is none.

    DQ-01: value and both limits lie below the plausible window, and all are plausible a thousand times larger.
    DQ-06: the value has no unit, the interval has one, and the value is plausible in it. Both are magnitude
    repairs of high confidence: used for flags, kept from every response until a person accepts them (7.2).
    """
    if analyte is None or analyte.nominal or value.number is None or received.by_sex is not None:
        return None, ()
    limits = received.interval()
    if limits is None:
        return None, ()
    if value.kind in ("quantity", "censored") and not _unit_came(value) and received.unit:
        return _unit_from_interval(analyte, value, limits, received.unit)
    if value.kind == "quantity" and value.unit is not None and received.unit in (None, value.unit):
        return _thousandfold(analyte, value.number, limits, value.unit), ()
    return None, ()


def _unit_came(value: Value) -> bool:
    return value.unit is not None or plain(value.unit_raw) not in ("", '""')


def _unit_from_interval(
    analyte: Analyte, value: Value, limits: Interval, unit: str
) -> tuple[Repair | None, tuple[str, ...]]:
    how, converted = conversion(unit, analyte), interval_to_canonical(limits, unit, analyte)
    if analyte.unit in UNITLESS or how is None or converted is None or value.number is None:
        return None, ()
    number = how.apply(value.number)
    if analyte.plausible is None or implausible(analyte, number, value.comparator) or absurd(analyte, converted):
        return None, ()
    return _repair(analyte, number, converted, "DQ-06", "magnitude", "pending"), ("unit_inferred",)


def _thousandfold(analyte: Analyte, received: Decimal, limits: Interval, unit: str) -> Repair | None:
    how: Conversion | None = conversion(unit, analyte) or analyte.repair_only_units.get(unit)
    if how is None or analyte.plausible is None or limits.low is None or limits.high is None:
        return None
    floor, ceiling = analyte.plausible.low, analyte.plausible.high
    literal = [how.apply(number) for number in (received, limits.low, limits.high)]
    larger = [_EXACT.multiply(number, SLIP) for number in literal]
    if floor is None or ceiling is None or any(number >= floor for number in literal):
        return None
    if any(number < floor or number > ceiling for number in larger):
        return None
    scaled = [_written_out(number) for number in larger]
    repaired = Interval(scaled[1], scaled[2], limits.low_inclusive, limits.high_inclusive)
    return _repair(analyte, scaled[0], repaired, "DQ-01", "magnitude", "pending")


def _written_out(number: Decimal) -> Decimal:
    """The shortest way to write a number without an exponent."""
    shortest = number.normalize(_EXACT)
    return shortest.quantize(Decimal(1), context=_EXACT) if shortest == shortest.to_integral_value() else shortest


def range_from_series(
    analyte: Analyte, text: str, earlier: Iterable[Interval], number: Decimal | None = None
) -> Repair | None:
    """DQ-07: a limit that lost its ×, rebuilt from an earlier limit of the same series; None when nothing fits.

    ``earlier`` are accepted intervals of the series, ``number`` the observation's own value, all canonical.
    ``up to 810^6/L`` is ``8`` + ``10^6`` when an earlier limit is 8 in 10*6/L; so is ``0-810000000``, the same
    damage already turned into a number. The limit must equal the earlier one exactly, and only one reading may
    be possible. A range repair of high confidence is used for flags and needs no review (7.2).
    """
    power = _POWER_UNIT.match(analyte.unit)
    if power is None:
        return None
    tidy = plain(text)
    limits = {limit for interval in earlier for limit in (interval.low, interval.high) if limit is not None}
    found: set[Interval] = set()
    for limit in limits:
        for candidate in _restored(tidy, limit, int(power["power"])):
            received = read_range([candidate])
            interval = received.interval()
            converted = interval and interval_to_canonical(interval, received.unit or analyte.unit, analyte)
            if converted and limit in (converted.low, converted.high) and not absurd(analyte, converted):
                found.add(converted)
    if len(found) != 1:
        return None
    return _repair(analyte, number, found.pop(), "DQ-07", "range", "not_required")


def _restored(text: str, limit: Decimal, power: int) -> Iterable[str]:
    """The text with the damaged limit written as the earlier one, for every form the damage takes."""
    if limit <= 0:
        return
    for digits in dict.fromkeys((format(limit, "f"), format(_written_out(limit), "f"))):
        joined = Decimal(f"{digits}10")
        damaged = {
            f"{digits}10^{power}": f"{digits}x10^{power}",
            format(joined.scaleb(power, _EXACT), "f"): digits,
            format(_EXACT.power(joined, power), "f"): digits,
        }
        for lost, whole in damaged.items():
            pattern = rf"(?<![0-9.]){re.escape(lost)}(?![0-9.])"
            if re.search(pattern, text):
                yield re.sub(pattern, whole, text)


def _repair(
    analyte: Analyte, number: Decimal | None, limits: Interval, rule: str, kind: RepairClass, review: Review
) -> Repair:
    return Repair(
        number, analyte.unit, limits.low, limits.high, limits.low_inclusive, limits.high_inclusive, rule, kind,
        "high", review,
    )  # fmt: skip
