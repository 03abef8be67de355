"""How one result reads: its interval as printed, its flags, its dates as precise as they are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from refrain.clinical.interpretation import CRITICAL, GROUPS
from services.chart.domain.views import VersionRow


class Limited(Protocol):
    """Anything with an interval: a result's row, or its flags."""

    @property
    def low(self) -> Decimal | None: ...
    @property
    def high(self) -> Decimal | None: ...
    @property
    def low_inclusive(self) -> bool | None: ...
    @property
    def high_inclusive(self) -> bool | None: ...


def limits(row: Limited) -> str:
    """``180 to 914``, ``up to 8``, ``below 5``, ``4.5 or more``: with the sign that its ends have (R-2)."""
    low, high = row.low, row.high
    if low is None and high is None:
        return ""
    if low is None:
        return f"{'below' if row.high_inclusive is False else 'up to'} {high}"
    if high is None:
        return f"above {low}" if row.low_inclusive is False else f"{low} or more"
    start = f"above {low}" if row.low_inclusive is False else f"{low}"
    return f"{start} to {'below ' if row.high_inclusive is False else ''}{high}"


def normality(codes: Iterable[str]) -> bool:
    """Whether one of the codes says normal or abnormal."""
    return any(GROUPS.get(code) == "normality" for code in codes)


def flag_looks(code: str) -> str:
    """The class of its badge: what it looks like beside its words."""
    if code in CRITICAL:
        return "critical"
    if code == "N":
        return "good"
    return "warning" if GROUPS.get(code) == "normality" else "plain"


def month_of(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m")


def year_of(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y")


def old_values(versions: Sequence[VersionRow]) -> tuple[VersionRow, ...]:
    """The versions of one result that had another value than the one that counts, oldest first."""
    counting = next((version for version in versions if version.counts), None)
    if counting is None:
        return ()
    seen: dict[str, VersionRow] = {}
    for version in versions:
        if not version.counts and version.text != counting.text and version.observation.value.kind != "missing":
            seen.setdefault(version.text, version)
    return tuple(seen.values())


def judged_alike(one: VersionRow, other: VersionRow) -> bool:
    """Whether two versions have the same value and the same flags."""
    if one.flagged is None or other.flagged is None:
        return one.text == other.text
    return one.text == other.text and one.flagged.interpretation == other.flagged.interpretation


def result_of(identifier: UUID, versions: Sequence[VersionRow]) -> VersionRow | None:
    """The version of this id, or the one that counts."""
    own = next((version for version in versions if version.version == identifier), None)
    return own or next((version for version in versions if version.counts), versions[-1] if versions else None)
