"""Which version of a result counts: a total order, so that arrival does not matter (feeds.md 9, clinical.md ID-3 to 5).

Definitive versions stand before provisional ones, then the later issue time, then the higher rank, then the
version id. What is true of a chain is a function of the set of its versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, Self, TypeVar
from uuid import UUID

from refrain.clinical.statuses import DEFINITIVE_RANK, RANK, TAKES_BACK_RANK, StatusClass
from refrain.clinical.values import Value

VersionsBy = Literal["issued_at", "status"]
"""``status`` for senders without OBR-22: rank before time. One sender, one order: mixing both makes cycles."""

CARRIED = ("value", "canonical", "repaired", "range", "reported_flags", "isotype", "attributes")
"""What an earlier version lends to a status that came without a value."""
JOINED = ("notes", "quality")
"""What both say."""
_UNSENT = frozenset("UVB")
_UNCHANGED = frozenset("VB")


class Version(Protocol):
    """What the order looks at: the attributes of an observation as published."""

    @property
    def version(self) -> UUID: ...
    @property
    def status(self) -> str: ...
    @property
    def status_class(self) -> StatusClass: ...
    @property
    def issued_at(self) -> datetime: ...
    @property
    def value(self) -> Value: ...
    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """The same version with other fields, as pydantic models have it."""
        ...


V = TypeVar("V", bound=Version)
OrderKey = tuple[bool, datetime | int, datetime | int, str]


@dataclass(frozen=True, slots=True)
class Standing(Generic[V]):
    """What is true of one result."""

    version: V
    """The version that counts; a status sent without its value (U, V, B) carries the value it stands for."""
    notes: tuple[str, ...] = ()
    """Keys of ``QUALITY``: VERSION_TIE, reinstated, status_value_differs, ..."""

    @property
    def withdrawn(self) -> bool:
        """Taken back: deleted, posted for the wrong patient, or found unobtainable."""
        return RANK[self.version.status_class] >= TAKES_BACK_RANK


def order_key(version: Version, by: VersionsBy = "issued_at") -> OrderKey:
    """Sort key of one version: the greatest of a chain counts."""
    rank = RANK[version.status_class]
    clock: tuple[datetime | int, datetime | int] = (version.issued_at, rank)
    if by == "status":
        clock = (rank, version.issued_at)
    return rank >= DEFINITIVE_RANK, *clock, str(version.version)


def current(versions: Iterable[V], by: VersionsBy = "issued_at") -> V | None:
    """The version of one result that counts; None when there is none. See :func:`standing`.

    It may be a withdrawal: then the result has no value. A ``U`` comes back with the value that it promotes.
    """
    known = standing(versions, by)
    return known.version if known else None


def standing(versions: Iterable[V], by: VersionsBy = "issued_at") -> Standing[V] | None:
    """What is true of one result, from all its versions in any order, repeats allowed; None when there is none.

    Order details (class ``none``) are no versions of a result. ``V`` and ``B`` with another value than the
    version before them count as a correction; without a value they leave it as it was.
    """
    distinct = {version.version: version for version in versions if version.status_class != "none"}
    chain = sorted(distinct.values(), key=lambda version: order_key(version, by))
    if not chain:
        return None
    newest, notes = chain[-1], []
    earlier = [version for version in chain if version is not newest and version.issued_at <= newest.issued_at]
    before = _valued(earlier)
    if len(chain) > 1 and _same_moment(chain[-2], newest):
        notes.append("VERSION_TIE")
    rank = RANK[newest.status_class]
    if DEFINITIVE_RANK <= rank < TAKES_BACK_RANK and any(_takes_back(version) for version in earlier):
        notes.append("reinstated")
    if newest.status_class in ("corrected", "withdrawn") and not any(_has_result(version) for version in earlier):
        notes.append("correction_without_original")
    version = _with_value(newest, before, notes)
    return Standing(version, tuple(sorted(notes)))


def _with_value(newest: V, before: V | None, notes: list[str]) -> V:
    status = newest.status.strip()
    if status in _UNSENT and newest.value.missing == "empty":
        if before is not None:
            return newest.model_copy(update=_lent(before, newest))
        notes.append("unsent_value_missing")
    elif status in _UNCHANGED and before is not None and _content(before) != _content(newest):
        notes.append("status_value_differs")
        return newest.model_copy(update={"status_class": "corrected"})
    return newest


def _lent(before: Version, newest: Version) -> dict[str, Any]:
    lent = {name: getattr(before, name) for name in CARRIED if hasattr(before, name)}
    joined = {
        name: tuple(dict.fromkeys((*getattr(before, name), *getattr(newest, name))))
        for name in JOINED
        if hasattr(before, name) and hasattr(newest, name)
    }
    return lent | joined


def _has_result(version: Version) -> bool:
    return not _takes_back(version) and RANK[version.status_class] > RANK["pending"]


def _valued(earlier: Sequence[V]) -> V | None:
    """The last value that still stood: versions issued up to a withdrawal are taken back by it."""
    withdrawn_at = max((version.issued_at for version in earlier if _takes_back(version)), default=None)
    standing_values = [
        version
        for version in earlier
        if _has_result(version)
        and version.value.missing != "empty"
        and (withdrawn_at is None or version.issued_at > withdrawn_at)
    ]
    return standing_values[-1] if standing_values else None


def _takes_back(version: Version) -> bool:
    return RANK[version.status_class] >= TAKES_BACK_RANK


def _same_moment(one: Version, other: Version) -> bool:
    definitive = {RANK[version.status_class] >= DEFINITIVE_RANK for version in (one, other)}
    return one.issued_at == other.issued_at and len(definitive) == 1


def _content(version: Version) -> tuple[object, ...]:
    """What a person would call the value: number and comparator, or the words, and the unit."""
    value = version.value
    said = value.text.strip() if value.number is None and value.ordinal is None else None
    return value.kind, value.comparator, value.number, value.ordinal, value.missing, value.unit or value.unit_raw, said
