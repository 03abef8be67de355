"""Which results may be compared: series by analyte, specimen, method and laboratory (clinical.md SER-1 to SER-4).

A series is settled for all current results of a patient together, so that the order of arrival cannot matter.
An unknown specimen, then an unknown method, is settled by the only known one of that laboratory if the printed
limits agree; a method that stays unknown splits where the printed limits change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from refrain.contracts.events import CareEvent, SeriesJoined
from refrain.contracts.ids import derive
from services.flagging.domain.seen import Seen

UNKNOWN = "UNKNOWN"
MATRIX_ASSUMED = "matrix_assumed"
Signature = tuple[str, str] | None
"""Printed limits as plain numbers in the canonical unit; None where none were printed or none could be read."""
Alike = tuple[str | None, tuple[str, str]] | None
"""Unit and printed limits, which a link needs equal; None where no limits were printed."""


@dataclass(frozen=True, slots=True)
class Key:
    """What results of one series have in common."""

    analyte: str
    lab: str
    specimen: str
    method: str
    limits: Signature = None
    """Only while the method is not stated."""

    @property
    def id(self) -> str:
        """Opaque within the patient; the same for the same key, whenever it is made."""
        return str(derive("series", self.analyte, self.lab, self.specimen, self.method, self.limits))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a result belongs. ``linked``: only by assuming what was not stated (SER-3)."""

    series: str
    linked: bool
    alone: bool
    """The specimen had to be stated, was not, and nothing settles it."""


@dataclass(frozen=True, slots=True)
class Switch:
    """An analyte whose results fall into several series: the first result of each later one."""

    analyte: str
    firsts: tuple[Seen, ...]
    joined: bool
    """A person has joined them all."""


def position(seen: Seen) -> tuple[datetime, datetime, UUID]:
    """Clinical order (G-5), made total."""
    return seen.observation.collected_at, seen.observation.issued_at, seen.version.id


def assign(all_seen: Iterable[Seen], care_events: Iterable[CareEvent]) -> tuple[dict[UUID, Place], list[Switch]]:
    """The series of each version that belongs into one, and the switches between series.

    ``care_events`` are the current ones. Preliminary results are placed, but settle and split nothing.
    """
    groups: dict[tuple[str, str], list[Seen]] = {}
    for seen in sorted((seen for seen in all_seen if seen.in_series), key=position):
        groups.setdefault((seen.observation.analyte or "", seen.observation.lab), []).append(seen)
    keys: dict[UUID, Key] = {}
    for (analyte, lab), members in sorted(groups.items()):
        keys |= _keys(analyte, lab, members)
    joined = _joins(care_events)
    members_of = [seen for group in groups.values() for seen in group]
    names = {key: key.id for key in set(keys.values())}
    base = {version: names[key] for version, key in keys.items()}
    return _places(members_of, keys, base, joined), _switches(members_of, base, joined)


def signature(seen: Seen) -> Signature:
    """The printed limits, whatever the trailing zeros and the unit they were printed in."""
    limits = seen.printed.single
    if limits is None or not seen.comparable:
        return None
    return _plain(limits.low), _plain(limits.high)


def printed_alike(seen: Seen) -> Alike:
    """Unit and limits that must be equal for a link (SER-3); None where no limits were printed: nothing is equal."""
    limits, unit = signature(seen), seen.observation.value.unit
    if limits is None:
        return None
    if seen.repaired is not None and seen.repair_used and unit:
        return seen.repaired.unit or unit, limits
    return unit or seen.observation.range.unit, limits


def _plain(limit: Decimal | None) -> str:
    return "" if limit is None else format(limit.normalize(), "f")


def _keys(analyte: str, lab: str, members: Sequence[Seen]) -> dict[UUID, Key]:
    """The keys of one analyte's results from one laboratory."""
    keys = {seen.version.id: Key(analyte, lab, seen.observation.specimen, seen.observation.method) for seen in members}
    limits = {seen.version.id: signature(seen) for seen in members}
    alike = {seen.version.id: printed_alike(seen) for seen in members}
    definitive = [seen.version.id for seen in members if seen.status == "final"]
    _settle_specimens(keys, alike, definitive)
    for specimen in {key.specimen for key in keys.values()} - {UNKNOWN}:
        _settle_methods(specimen, keys, alike, definitive)
    _split(keys, limits, definitive)
    return keys


def _settle_specimens(keys: dict[UUID, Key], alike: Mapping[UUID, Alike], definitive: Sequence[UUID]) -> None:
    """SER-3: the only known specimen of this laboratory, if a result of it has the same unit and printed limits."""
    stated = [version for version in definitive if keys[version].specimen != UNKNOWN]
    known = {keys[version].specimen for version in stated}
    agreeing = {alike[version] for version in stated} - {None}
    if len(known) == 1:
        [specimen] = known
        for version, key in keys.items():
            if key.specimen == UNKNOWN and alike[version] in agreeing:
                keys[version] = replace(key, specimen=specimen)


def _settle_methods(
    specimen: str, keys: dict[UUID, Key], alike: Mapping[UUID, Alike], definitive: Sequence[UUID]
) -> None:
    """SER-3 for the method: the only stated one for this specimen, if unit and printed limits of one are the same."""
    stated = [v for v in definitive if keys[v].specimen == specimen and keys[v].method != UNKNOWN]
    known = {keys[version].method for version in stated}
    agreeing = {alike[version] for version in stated} - {None}
    if len(known) == 1:
        [method] = known
        for version, key in keys.items():
            if (key.specimen, key.method) == (specimen, UNKNOWN) and alike[version] in agreeing:
                keys[version] = replace(key, method=method)


def _split(keys: dict[UUID, Key], limits: Mapping[UUID, Signature], definitive: Sequence[UUID]) -> None:
    """SER-4: an unstated method is one while the printed limits agree; limits not printed do not disagree."""
    seen_limits: dict[Key, set[Signature]] = {}
    for version in definitive:
        seen_limits.setdefault(keys[version], set()).add(limits[version])
    for version, key in list(keys.items()):
        if key.method != UNKNOWN:
            continue
        own, printed = limits[version], seen_limits.get(key, set()) - {None}
        if own is None and len(printed) == 1:
            [own] = printed
        keys[version] = replace(key, limits=own)


def _joins(care_events: Iterable[CareEvent]) -> dict[str, str]:
    """Series to the series a person joined it into. A circle of joins ends where it began."""
    said = [event.body for event in care_events if isinstance(event.body, SeriesJoined)]
    into = {body.series: body.into for body in sorted(said, key=lambda body: (body.at, body.into))}
    return {series: _end(series, into) for series in into}


def _end(series: str, into: Mapping[str, str]) -> str:
    passed = [series]
    while (following := into.get(passed[-1])) is not None:
        if following in passed:
            return min(passed[passed.index(following) :])
        passed.append(following)
    return passed[-1]


def _places(
    members: Sequence[Seen], keys: Mapping[UUID, Key], base: Mapping[UUID, str], joined: Mapping[str, str]
) -> dict[UUID, Place]:
    series = {version: joined.get(own, own) for version, own in base.items()}
    company = Counter(series[seen.version.id] for seen in members if seen.status == "final")
    places = {}
    for seen in members:
        key, own = keys[seen.version.id], series[seen.version.id]
        stated = (seen.observation.specimen, seen.observation.method)
        needed = seen.analyte is not None and seen.analyte.specimen_must_be_stated
        unsettled = needed and key.specimen == UNKNOWN
        alone = unsettled and company[own] - (seen.status == "final") < 1
        linked = (key.specimen, key.method) != stated or (unsettled and not alone)
        places[seen.version.id] = Place(own, linked, alone)
    return places


def _switches(members: Sequence[Seen], base: Mapping[UUID, str], joined: Mapping[str, str]) -> list[Switch]:
    """Analytes with several series. Scans are read one by one and never compared as a series."""
    firsts: dict[str, dict[str, Seen]] = {}
    for seen in sorted(members, key=position):
        if seen.status == "final" and seen.observation.specimen != "IMAGE":
            firsts.setdefault(seen.observation.analyte or "", {}).setdefault(base[seen.version.id], seen)
    return [
        Switch(analyte, tuple(found.values())[1:], len({joined.get(series, series) for series in found}) == 1)
        for analyte, found in sorted(firsts.items())
        if len(found) > 1
    ]
