"""The codes of one result by its own interval and limits: normality, off scale, detection (clinical.md 5.1, 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from refrain.clinical.critical import CriticalLimit, is_critical
from refrain.clinical.interpretation import nominal_codes
from refrain.clinical.ranges import Interval, Standing, stand
from refrain.clinical.threevalued import compare
from refrain.clinical.values import Comparator
from refrain.contracts.events import RuleRef
from refrain.contracts.site import SiteSettings
from services.flagging.domain import rules
from services.flagging.domain.intervals import Choice
from services.flagging.domain.limits import critical_limits, significant_limits
from services.flagging.domain.seen import Seen

NORMALITY: dict[Standing, str] = {"below": "L", "inside": "N", "above": "H"}
OFF_SCALE = {"<": "<", "<=": "<", ">": ">", ">=": ">"}


@dataclass(frozen=True, slots=True)
class Flags:
    """What one result is by itself."""

    codes: frozenset[str] = frozenset()
    rule: RuleRef = rules.R1
    reasons: frozenset[str] = frozenset()
    standing: Standing | None = None
    interval: Interval | None = None
    """The one interval that judged; None when several possible ones agreed, or none did."""
    critical: Literal["yes", "possible"] | None = None
    critical_text: str = ""
    note: str = ""

    @property
    def outside(self) -> bool:
        return self.standing in ("below", "above")


def flags_of(seen: Seen, choice: Choice, site: SiteSettings) -> Flags:
    """The codes of a result without its neighbours; a status without a result has none, a held one only off scale."""
    if not seen.flagged:
        return Flags(rule=rules.STATUS, reasons=seen.held & {"WITHDRAWN", "NO_RESULT"})
    if seen.implausible:
        off_scale = _off_scale(seen.comparator)
        return Flags(off_scale, rules.of_quality("implausible_value"), frozenset({"IMPLAUSIBLE"}))
    code = seen.analyte.code if seen.analyte else ""
    if code == "BM_FLOW" and seen.nominal is None:
        return _clonality(seen)
    if code == "PET_LESION":
        return _against_the_liver(seen)
    if seen.nominal is not None:
        return _detection(seen)
    if seen.number is None:
        return Flags(reasons=seen.held & {"REVIEW_PENDING", "REVIEW_REJECTED"} or frozenset({"NO_VALUE"}))
    return _quantity(seen, seen.number, choice, site)


def _detection(seen: Seen) -> Flags:
    """R-11, R-13: POS and A, NEG and N, IND alone. A quantity's word is normal or not by its own range's word."""
    nominal = seen.nominal or "IND"
    codes: set[str] = {nominal}
    expected = seen.observation.range.expected
    code = seen.analyte.code if seen.analyte else ""
    if code == "BM_FLOW" and seen.observation.attributes.get("clonal") == "Y":
        codes.add("A")
    elif seen.analyte is not None and (seen.analyte.nominal or code == "BM_FLOW"):
        codes.update(nominal_codes(nominal))
    elif expected and nominal != "IND":
        codes.add("N" if expected == seen.observation.value.ordinal else "A")
    return Flags(frozenset(codes), rules.R11 if code in ("IFE_S", "IFE_U") else rules.R13)


def _clonality(seen: Seen) -> Flags:
    """R-14: clonal cells are A, none are N; a percentage that says neither decides nothing."""
    code = {"Y": "A", "N": "N"}.get(seen.observation.attributes.get("clonal", ""))
    if code is None:
        return Flags(rule=rules.R14, reasons=frozenset({"CLONALITY_UNSTATED"}))
    return Flags(frozenset({code}) | _off_scale(seen.comparator), rules.R14)


def _against_the_liver(seen: Seen) -> Flags:
    """R-15: above the liver of its scan is A, at or below N, without a liver neither."""
    liver = _liver(seen)
    if liver is None:
        return Flags(rule=rules.R15, reasons=frozenset({"LIVER_SUV_MISSING"}))
    above = None if seen.number is None else compare(seen.number, seen.comparator, ">", liver)
    if above is None:
        return Flags(_off_scale(seen.comparator), rules.R15, frozenset({"CENSORED" if seen.comparator else "NO_VALUE"}))
    return Flags(frozenset({"A" if above else "N"}) | _off_scale(seen.comparator), rules.R15)


def _liver(seen: Seen) -> Decimal | None:
    try:
        liver = Decimal(seen.observation.attributes.get("liver_suvmax", "NaN"))
    except InvalidOperation:
        return None
    return liver if liver.is_finite() else None


def _off_scale(comparator: Comparator | None) -> frozenset[str]:
    return frozenset({OFF_SCALE[comparator]}) if comparator else frozenset()


def _quantity(seen: Seen, number: Decimal, choice: Choice, site: SiteSettings) -> Flags:
    standings = {None if one is None else stand(number, seen.comparator, one) for one in choice.intervals}
    standing = standings.pop() if len(standings) == 1 else None
    reasons, rule = _why_undecided(seen, choice, standing)
    code = NORMALITY.get(standing) if standing else None
    critical: Literal["yes", "possible"] | None = None
    text = ""
    if seen.comparable and seen.analyte is not None:
        code = _significant(number, seen, significant_limits(seen.analyte.code, site)) or code
        found = _critical(number, seen, critical_limits(seen.analyte.code, site))
        if found is not None:
            critical, text, side = found
            code = side if critical == "yes" else code
    codes = frozenset({code} if code else ()) | _off_scale(seen.comparator)
    interval = choice.intervals[0] if len(choice.intervals) == 1 else None
    return Flags(codes, rule, reasons, standing, interval, critical, text, choice.note)


def _why_undecided(seen: Seen, choice: Choice, standing: Standing | None) -> tuple[frozenset[str], RuleRef]:
    reasons = {"UNIT_UNKNOWN"} & seen.held
    if not choice.intervals:
        return frozenset({"NO_RANGE", *reasons}), rules.R1
    if standing == "indeterminate":
        return frozenset({"CENSORED" if seen.comparator else "NO_RANGE", *reasons}), rules.R8
    if standing is None:
        return frozenset({choice.needs, *reasons}), rules.R7
    return frozenset(reasons), rules.R8 if seen.comparator else rules.R2


def _significant(number: Decimal, seen: Seen, limits: Iterable[CriticalLimit]) -> str | None:
    for limit in limits:
        if is_critical(limit, number, seen.comparator, sex=seen.version.report.sex) is True:
            return "LU" if limit.side == "low" else "HU"
    return None


def _critical(
    number: Decimal, seen: Seen, limits: Iterable[CriticalLimit]
) -> tuple[Literal["yes", "possible"], str, str] | None:
    """Beyond a critical limit for every possible value and patient, or for some (R-9: fail safe)."""
    possible: tuple[Literal["yes", "possible"], str, str] | None = None
    for limit in limits:
        passed = is_critical(limit, number, seen.comparator, sex=seen.version.report.sex)
        side = "LL" if limit.side == "low" else "HH"
        if passed is True:
            return "yes", limit.printed, side
        if passed is None:
            possible = ("possible", limit.printed, side)
    return possible
