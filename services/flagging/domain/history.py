"""A patient's versions and results: which reading of a version counts, which version counts for its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from refrain.clinical.statuses import StatusClass
from refrain.clinical.versions import standing
from refrain.contracts.events import LabReport, Observation, Processing

CHAINING = frozenset({"C", "D", "W", "X"})
"""Statuses that speak of an earlier version; alone in their chain they look for one (feeds.md 9)."""


Status = Literal["final", "provisional", "none", "withdrawn"]
STATUS: Mapping[StatusClass, Status] = {
    "none": "none", "pending": "none", "preliminary": "provisional", "unknown": "provisional", "final": "final",
    "corrected": "final", "unobtainable": "withdrawn", "withdrawn": "withdrawn",
}  # fmt: skip
"""What a status class means for a flag (clinical.md 5.2)."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a result in its newest translation, with the report that brought it."""

    observation: Observation
    report: LabReport

    @property
    def id(self) -> UUID:
        return self.observation.version

    @property
    def subject(self) -> str:
        """The analyte's code, or the code as received."""
        return self.observation.analyte or self.observation.code

    @property
    def status(self) -> Status:
        return STATUS[self.observation.status_class]


@dataclass(frozen=True, slots=True)
class Chain:
    """All versions of one result, and the one that counts."""

    versions: tuple[Version, ...]
    current: Version | None
    """None where there are order details only. A ``U`` has the value that it promotes."""
    notes: tuple[str, ...] = ()
    """Quality codes about the chain: VERSION_TIE, reinstated, collection_time_changed,
    fits_no_one_result, ..."""


def newest_translations(reports: Iterable[LabReport]) -> dict[UUID, Version]:
    """Every version once: the reading of the highest translation, then of the highest report id."""
    kept: dict[UUID, Version] = {}
    for report in sorted(reports, key=lambda report: (report.translation, report.event_id)):
        for observation in report.observations:
            kept[observation.version] = Version(observation, report)
    return kept


def worlds(reports: Iterable[LabReport]) -> dict[Processing, list[LabReport]]:
    """Live, test and training apart: a test result never judges a living patient's."""
    found: dict[Processing, list[LabReport]] = {}
    for report in reports:
        found.setdefault(report.processing, []).append(report)
    return found


def chains(versions: Mapping[UUID, Version]) -> tuple[Chain, ...]:
    """The results of a patient. A lone C, D, W or X joins the one result it fits when time is left out."""
    by_result: dict[UUID, list[Version]] = {}
    for version in sorted(versions.values(), key=lambda version: version.id):
        by_result.setdefault(version.observation.result, []).append(version)
    orphans = {result for result, group in by_result.items() if all(v.observation.status in CHAINING for v in group)}
    homes: dict[tuple[str, ...], list[UUID]] = {}
    for result in by_result.keys() - orphans:
        if identity := _without_time(by_result[result][0]):
            homes.setdefault(identity, []).append(result)
    beside = {_order_and_code(by_result[result][0]) for result in by_result.keys() - orphans} - {()}
    notes: dict[UUID, str] = {}
    for result in sorted(orphans):
        lone = by_result[result][0]
        identity = _without_time(lone)
        candidates = homes.get(identity, []) if identity else []
        if len(candidates) == 1:
            by_result[candidates[0]].extend(by_result.pop(result))
            notes[candidates[0]] = "collection_time_changed"
        elif _order_and_code(lone) in beside:
            notes[result] = "fits_no_one_result"
    return tuple(_chain(group, notes.get(result)) for result, group in sorted(by_result.items()))


def _chain(group: list[Version], note: str | None) -> Chain:
    versions = {version.id: version for version in sorted(group, key=lambda version: version.id)}
    found = standing(version.observation for version in versions.values())
    if found is None:
        return Chain(tuple(versions.values()), None)
    current = replace(versions[found.version.version], observation=found.version)
    return Chain(tuple(versions.values()), current, (*found.notes, *((note,) if note else ())))


def _without_time(version: Version) -> tuple[str, ...]:
    """Identity of a result with its time of collection left out; empty where no order number ties it."""
    seen = version.observation
    tied = _order_and_code(version)
    return (*tied, seen.sub_id, str(seen.repeat), seen.specimen_raw) if tied else ()


def _order_and_code(version: Version) -> tuple[str, ...]:
    order = version.report.order
    number = order.filler or order.placer
    return (version.report.sender, number, version.observation.code, version.observation.system) if number else ()
