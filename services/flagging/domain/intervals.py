"""Which interval judges a result (clinical.md R-1 to R-7): the reported one, its repair, the site's, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from refrain.clinical.analytes import Analyte
from refrain.clinical.plausibility import absurd
from refrain.clinical.ranges import REASONS, Interval
from refrain.clinical.units import UNITLESS, interval_to_canonical
from refrain.contracts.events import LabReport, Observation, RangeSource, Repaired, RuleRef
from refrain.contracts.site import CatalogueRange, SiteSettings
from services.flagging.domain import rules

SEXES = ("M", "F")
MALE_ONLY = "male"


@dataclass(frozen=True, slots=True)
class Printed:
    """What the laboratory printed beside a result, in the unit the result is judged in.

    Several intervals: those of both sexes, because the patient's sex is not known (R-7). ``rejected`` is the
    rule by which a printed range was refused; its limits are then nowhere.
    """

    intervals: tuple[Interval, ...] = ()
    source: RangeSource = "none"
    rejected: RuleRef | None = None
    why: str = ""

    @property
    def single(self) -> Interval | None:
        return self.intervals[0] if len(self.intervals) == 1 else None


@dataclass(frozen=True, slots=True)
class Choice:
    """The intervals that may judge a result. ``None`` among them: for some possible patient there is none."""

    source: RangeSource = "none"
    intervals: tuple[Interval | None, ...] = ()
    needs: str = ""
    """Reason when the intervals disagree: RANGE_NEEDS_SEX or RANGE_NEEDS_AGE."""
    note: str = ""


def printed(seen: Observation, report: LabReport, analyte: Analyte | None, repaired: Repaired | None) -> Printed:
    """The interval reported with a result; ``repaired`` only when it may be used for flagging (R-1, 7.2)."""
    given = seen.range
    if repaired is not None and (repaired.low is not None or repaired.high is not None):
        limits = Interval(repaired.low, repaired.high, repaired.low_inclusive, repaired.high_inclusive)
        return Printed((limits,), "reported" if limits == _as_received(seen, analyte) else "reported_repaired")
    if given.kind == "unparsed":
        refused = rules.R4 if given.reason == "absurd" else rules.of_quality("range_unparsed")
        return Printed(rejected=refused, why=REASONS.get(given.reason or "", "it could not be read"))
    if given.kind != "interval":
        return Printed()
    read = [_converted(seen, interval, analyte) for interval in _reported(seen, report)]
    usable = tuple(interval for interval in read if interval is not None)
    if not usable or len(usable) != len(read):
        return Printed(rejected=rules.R3, why="its unit does not agree with that of the value")
    if analyte is not None and seen.canonical is not None and any(absurd(analyte, one) for one in usable):
        return Printed(rejected=rules.R4, why=REASONS["absurd"])
    return Printed(tuple(dict.fromkeys(usable)), "reported")


def _as_received(seen: Observation, analyte: Analyte | None) -> Interval | None:
    """The received limits converted as they stand; None when they do not convert."""
    if analyte is None:
        return None
    limits = seen.range.interval()
    return interval_to_canonical(limits, seen.range.unit or seen.value.unit, analyte) if limits else None


def _reported(seen: Observation, report: LabReport) -> tuple[Interval, ...]:
    """One interval, or those that remain possible of a text split by sex."""
    given = seen.range
    known = given.interval(report.sex)
    return (known,) if known is not None else tuple((given.by_sex or {}).values())


def _converted(seen: Observation, limits: Interval, analyte: Analyte | None) -> Interval | None:
    """Limits in the unit the value is judged in; None when the two units do not agree (R-3)."""
    own, value_unit = seen.range.unit, seen.value.unit
    if analyte is None or seen.canonical is None:
        return limits if own is None or own == value_unit else None
    unit = own or value_unit
    if unit is None and analyte.unit in UNITLESS:
        unit = analyte.unit
    return interval_to_canonical(limits, unit, analyte)


def choose(
    found: Printed, seen: Observation, report: LabReport, analyte: Analyte | None, comparable: bool, site: SiteSettings
) -> Choice:
    """R-1: the printed interval, else the site's, else (where the site says so) the textbook's, else none.

    Only a number in the canonical unit (``comparable``) is judged by an interval that did not come with it.
    """
    if found.intervals:
        needs = "RANGE_NEEDS_SEX" if len(found.intervals) > 1 else ""
        return Choice(found.source, found.intervals, needs)
    if analyte is None or not comparable:
        return Choice()
    own = [entry for entry in site.catalogue if _fits(entry, seen)]
    if own:
        return _of_catalogue(own, seen, report)
    if site.range_use_textbook:
        return _of_textbook(analyte, report)
    return Choice()


def _fits(entry: CatalogueRange, seen: Observation) -> bool:
    return (entry.analyte, entry.specimen, entry.method, entry.lab) == (
        seen.analyte,
        seen.specimen,
        seen.method,
        seen.lab,
    )


def _of_catalogue(entries: Sequence[CatalogueRange], seen: Observation, report: LabReport) -> Choice:
    """Every interval that a patient of the possible sexes and ages may have (R-6, R-7)."""
    sexes = tuple(sex for sex in SEXES if report.sex not in SEXES or sex == report.sex)
    ages = tuple(possible_ages(report, seen.collected_at.date())) or _all_strata(entries)
    found = {
        (sex, age): _limits(next((entry for entry in entries if _covers(entry, sex, age)), None))
        for sex in sexes
        for age in ages
    }
    intervals = tuple(dict.fromkeys(found.values()))
    if intervals == (None,):
        return Choice()
    by_sex = any(found[sexes[0], age] != found[sexes[-1], age] for age in ages)
    needs = "" if len(intervals) == 1 else "RANGE_NEEDS_SEX" if by_sex else "RANGE_NEEDS_AGE"
    return Choice("site", intervals, needs)


def _all_strata(entries: Sequence[CatalogueRange]) -> tuple[int, ...]:
    """One age of every stratum, for a patient whose age is not known."""
    edges = (edge for entry in entries for edge in (entry.age_from_years, entry.age_below_years))
    return tuple(sorted({0, *(edge for edge in edges if edge is not None)}))


def _covers(entry: CatalogueRange, sex: str, age: int) -> bool:
    """Lower age inclusive, upper age exclusive (R-6)."""
    if entry.sex is not None and entry.sex != sex:
        return False
    young = entry.age_from_years is not None and age < entry.age_from_years
    old = entry.age_below_years is not None and age >= entry.age_below_years
    return not (young or old)


def possible_ages(report: LabReport, collected: date) -> Iterator[int]:
    """Completed years at collection, all that the age interval of the report leaves open; none when unknown."""
    if report.age_at_collection is None:
        return
    first, end = report.age_at_collection.days
    youngest, oldest = (collected - timedelta(days=days) for days in (first, max(first, end - 1)))
    yield from range(_years(youngest, collected), _years(oldest, collected) + 1)


def _years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _limits(entry: CatalogueRange | None) -> Interval | None:
    if entry is None:
        return None
    return Interval(entry.low, entry.high, entry.low_inclusive, entry.high_inclusive)


def _of_textbook(analyte: Analyte, report: LabReport) -> Choice:
    """The one published adult interval of the entry; several do not decide, and one of men only judges men."""
    if len(analyte.textbook) != 1:
        return Choice()
    [entry] = analyte.textbook
    adult = [years >= 18 for years in possible_ages(report, report.occurred_at.date())]
    limits = interval_to_canonical(Interval(entry.low, entry.high, True, True), entry.unit, analyte)
    if limits is None or not adult or not all(adult):
        return Choice()
    if MALE_ONLY in entry.who and report.sex != "M":
        return Choice()
    return Choice("site", (limits,), note=f"textbook interval: {entry.who}")
