"""All results of one patient judged together: versions, series, intervals, flags, neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from refrain.clinical.ranges import Interval
from refrain.clinical.repairs import range_from_series
from refrain.contracts.care import clone
from refrain.contracts.events import CareEvent, LabReport, Repaired, RepairReviewed
from refrain.contracts.site import SiteSettings
from services.flagging.domain import rules
from services.flagging.domain.expected import NOTHING, Expected, expected
from services.flagging.domain.flags import Flags, flags_of
from services.flagging.domain.history import Chain, chains, newest_translations
from services.flagging.domain.intervals import Choice, Printed, choose
from services.flagging.domain.neighbours import Beside, Member, beside
from services.flagging.domain.ratio import RatioMismatch, mismatches
from services.flagging.domain.seen import Reviews, Seen, may_flag, read, reviewed
from services.flagging.domain.series import Place, Switch, assign, position

ALONE = Beside()


@dataclass(frozen=True, slots=True)
class Judged:
    """One version with everything Refrain makes of it."""

    seen: Seen
    choice: Choice
    flags: Flags
    place: Place | None = None
    beside: Beside = ALONE
    expected: Expected = NOTHING
    notes: tuple[str, ...] = ()
    """Quality codes about the chain of a version that counts."""

    @property
    def held(self) -> frozenset[str]:
        """Why it may feed no response, neighbours included; empty when it may."""
        alone = {"SPECIMEN_UNKNOWN"} if self.place is not None and self.place.alone else set()
        far = {"DQ_DELTA"} if self.beside.delta_held else set()
        return self.seen.held | alone | far

    @property
    def codes(self) -> frozenset[str]:
        return self.flags.codes | self.beside.codes | self.expected.codes


@dataclass(frozen=True, slots=True)
class Patient:
    """Every version of every result of one patient, judged."""

    versions: Mapping[UUID, Judged]
    """By version id."""
    switches: Sequence[Switch]
    ratios: Sequence[RatioMismatch]

    @property
    def current(self) -> list[Judged]:
        """The versions that count, in clinical order."""
        return sorted((one for one in self.versions.values() if one.seen.current), key=lambda one: position(one.seen))


def judge(reports: Iterable[LabReport], care_events: Sequence[CareEvent], site: SiteSettings) -> Patient:
    """Judge all results together. ``care_events`` are the current ones; the order of nothing matters."""
    known = newest_translations(reports)
    results = chains(known)
    reviews = _reviews(care_events)
    counting = {chain.current.id: chain for chain in results if chain.current is not None}
    seen = {
        version.id: read(version, False, reviews)
        for chain in results
        for version in chain.versions
        if version.id not in counting
    } | {chain.current.id: read(chain.current, True, reviews) for chain in counting.values() if chain.current}
    places, switches = assign(seen.values(), care_events)
    seen |= _ranges_rebuilt(seen, places, reviews)
    judged = {
        version: _alone(one, counting.get(version), places.get(version), care_events, site)
        for version, one in seen.items()
    }
    judged |= _side_by_side(judged, care_events, site)
    return Patient(judged, switches, mismatches([one.seen for one in judged.values()]))


def _reviews(care_events: Iterable[CareEvent]) -> Reviews:
    """The newest word about each result and rule."""
    said = [(event.body, event.event_id) for event in care_events if isinstance(event.body, RepairReviewed)]
    return {(body.result, body.repair_rule_id): body for body, _ in sorted(said, key=lambda one: (one[0].at, one[1]))}


def _ranges_rebuilt(seen: Mapping[UUID, Seen], places: Mapping[UUID, Place], reviews: Reviews) -> dict[UUID, Seen]:
    """DQ-07: refused limits rebuilt from what the laboratory printed earlier in the same series."""
    rebuilt = {}
    for members in _by_series(seen.values(), places).values():
        earlier: list[Interval] = []
        for one in members:
            if one.printed.single is not None and one.status == "final":
                earlier.append(one.printed.single)
            elif one.printed.rejected is not None and one.repaired is None and one.comparable and one.analyte:
                found = range_from_series(one.analyte, one.observation.range.text, earlier, one.number)
                if found is not None:
                    repaired = reviewed(one.observation, Repaired.of(found), reviews)
                    rebuilt[one.version.id] = replace(one, repaired=repaired, printed=_rebuilt(one.printed, repaired))
    return rebuilt


def _rebuilt(refused: Printed, repaired: Repaired) -> Printed:
    rule = rules.of_repair(repaired.repair_rule_id)
    if not may_flag(repaired):
        return replace(refused, rejected=rule)
    limits = Interval(repaired.low, repaired.high, repaired.low_inclusive, repaired.high_inclusive)
    return Printed((limits,), "reported_repaired", rule, refused.why)


def _by_series(seen: Iterable[Seen], places: Mapping[UUID, Place]) -> dict[str, list[Seen]]:
    series: dict[str, list[Seen]] = {}
    for one in sorted(seen, key=position):
        if place := places.get(one.version.id):
            series.setdefault(place.series, []).append(one)
    return series


def _alone(
    seen: Seen, chain: Chain | None, place: Place | None, care_events: Sequence[CareEvent], site: SiteSettings
) -> Judged:
    choice = choose(seen.printed, seen.observation, seen.version.report, seen.analyte, seen.comparable, site)
    flags = flags_of(seen, choice, site)
    explained = expected(seen, flags.codes, care_events, site)
    return Judged(seen, choice, flags, place, expected=explained, notes=chain.notes if chain else ())


def _side_by_side(
    judged: Mapping[UUID, Judged], care_events: Sequence[CareEvent], site: SiteSettings
) -> dict[UUID, Judged]:
    series: dict[str, list[Judged]] = {}
    for one in sorted(judged.values(), key=lambda each: position(each.seen)):
        if one.place is not None:
            series.setdefault(one.place.series, []).append(one)
    stated = clone(care_events)
    light = stated.light if stated else None
    found: dict[UUID, Judged] = {}
    for members in series.values():
        together = beside([Member(one.seen, one.flags, one.held) for one in members], light, site)
        found |= {
            one.seen.version.id: replace(one, beside=standing) for one, standing in zip(members, together, strict=True)
        }
    return found
