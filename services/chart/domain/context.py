"""What surrounds the results in time: lines, drugs with their washout, infections, transplants, as bars with words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from refrain.contracts.care import given, lines
from refrain.contracts.events import (
    CareEvent,
    ClinicalFinding,
    Collection,
    Drug,
    Engraftment,
    Infection,
    Transplant,
)
from refrain.contracts.site import SiteSettings

BarKind = Literal["line", "given", "washout", "planned", "infection", "window", "event"]
BAND_DRUGS = frozenset({"daratumumab", "isatuximab", "elotuzumab"})
"""Antibodies that show as a band of their own (clinical.md 13.1)."""
BEVACIZUMAB = frozenset({"bevacizumab"})
DEXAMETHASONE = frozenset({"dexamethasone"})
ONE_DAY = timedelta(days=1)
KINDS: dict[BarKind, str] = {
    "line": "therapy line", "given": "given", "washout": "still acts (washout)", "planned": "planned, not given",
    "infection": "infection", "window": "still counts as infection", "event": "event",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted, on one row under a curve. ``last`` is the last day, or None while it goes on."""

    row: str
    kind: BarKind
    first: date
    last: date | None
    text: str

    @property
    def span(self) -> str:
        """First and last day, as people read them."""
        if self.last is None:
            return f"from {self.first}"
        return str(self.first) if self.last == self.first else f"{self.first} to {self.last}"


def bars(events: Iterable[CareEvent], site: SiteSettings) -> tuple[Bar, ...]:
    """Every bar, row by row: lines, transplants and other events, infections, drugs by name."""
    standing = tuple(events)
    return (*_lines(standing), *_events(standing), *_infections(standing, site), *_drugs(standing, site))


def _lines(events: Sequence[CareEvent]) -> Iterator[Bar]:
    for line in lines(events):
        last = None if line.end is None else max(line.start, line.end - ONE_DAY)
        yield Bar("therapy line", "line", line.start, last, f"line {line.number}, rule set {line.rule_set}")


def _events(events: Sequence[CareEvent]) -> Iterator[Bar]:
    for event in events:
        match event.body:
            case Transplant(on=on, kind=kind):
                yield Bar("transplant", "event", on, on, f"transplant, {kind}")
            case Collection(on=on, cell=cell):
                yield Bar("events", "event", on, on, f"{cell} collected")
            case Engraftment(on=on, cell=cell):
                yield Bar("events", "event", on, on, f"engraftment of {cell}")
            case ClinicalFinding(on=on, new_feature=feature):
                yield Bar("events", "event", on, on, f"new feature: {feature}" if feature else "clinical finding")
            case _:
                pass


def _infections(events: Sequence[CareEvent], site: SiteSettings) -> Iterator[Bar]:
    """From onset to end, then the days in which a VEGF still confirms no rise (clinical.md 13.4)."""
    after = timedelta(days=site.infection_window_days)
    for event in events:
        if isinstance(event.body, Infection):
            body = event.body
            name = body.name or "infection"
            last = body.end or body.onset
            text = name if body.end else f"{name}, end not recorded"
            yield Bar("infection", "infection", body.onset, last, text)
            if after:
                until = last + after
                yield Bar("infection", "window", last + ONE_DAY, until, f"{name}: counts as infection until {until}")


def _drugs(events: Sequence[CareEvent], site: SiteSettings) -> Iterator[Bar]:
    doses = given(events)
    for name in sorted({drug.drug.casefold() for drug in doses}):
        own = sorted((drug for drug in doses if drug.drug.casefold() == name), key=lambda drug: (drug.first, drug.last))
        yield from _merged(name, own)
        washout = _washout_days(name, site)
        if washout:
            last = max(drug.last for drug in own)
            until = last + timedelta(days=washout)
            yield Bar(name, "washout", last + ONE_DAY, until, f"{name}: acts until {until}")
    for event in events:
        if isinstance(event.body, Drug) and event.body.status == "planned":
            body = event.body
            yield Bar(body.drug.casefold(), "planned", body.first, body.last, f"{body.drug} {body.dose}: planned only")


def _washout_days(name: str, site: SiteSettings) -> int:
    if name in BAND_DRUGS:
        return site.washout_daratumumab_days
    if name in BEVACIZUMAB:
        return site.washout_bevacizumab_days
    return site.dex_window_days if name in DEXAMETHASONE else 0


def _merged(name: str, doses: Sequence[Drug]) -> Iterator[Bar]:
    """Doses that touch are one bar: a drug taken daily is not a row of days."""
    first, last, dose = doses[0].first, doses[0].last, doses[0].dose
    for drug in doses[1:]:
        if drug.first <= last + ONE_DAY and drug.dose == dose:
            last = max(last, drug.last)
            continue
        yield Bar(name, "given", first, last, f"{name} {dose}".strip())
        first, last, dose = drug.first, max(last, drug.last), drug.dose
    yield Bar(name, "given", first, last, f"{name} {dose}".strip())
