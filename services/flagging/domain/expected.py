"""Results that the treatment explains: steroid days, and counts between melphalan and engraftment (13.3, 13.5).

An expected result keeps its other flags, and a critical one still alerts: nothing is suppressed (G-9).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from refrain.contracts.care import given
from refrain.contracts.events import CareEvent, Engraftment
from refrain.contracts.site import SiteSettings
from services.flagging.domain.seen import Seen

DEX_DAY = "DEX_DAY"
DEXAMETHASONE, MELPHALAN = "dexamethasone", "melphalan"
HIGH = frozenset({"H", "HU", "HH"})
LOW = frozenset({"L", "LU", "LL"})

CELLS = {"ANC": ("neutrophil",), "PLT": ("platelet",), "HGB": ("neutrophil", "platelet")}
"""How a recorded engraftment names the cells that a count waits for; hemoglobin waits for both."""

UNRECORDED_DAYS = 28
"""Days after melphalan from which low counts without a recorded engraftment are no longer expected. POLICY, UNV."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the treatment adds to the flags of one result."""

    codes: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()


NOTHING = Expected()


def expected(seen: Seen, codes: Collection[str], care: Sequence[CareEvent], site: SiteSettings) -> Expected:
    """The code EXP and the tags of one result; ``care`` are the current events."""
    analyte = seen.observation.analyte
    day = seen.observation.collected_at.astimezone(ZoneInfo(site.time_zone)).date()
    if not seen.flagged:
        return NOTHING
    if analyte in ("GLU", "CORT") and _on_dexamethasone(care, day, site.dex_window_days):
        explained = analyte == "GLU" and bool(HIGH & set(codes))
        return Expected(frozenset({"EXP"} if explained else ()), (DEX_DAY,))
    if analyte in CELLS and LOW & set(codes) and _not_engrafted(care, day, CELLS[analyte]):
        return Expected(frozenset({"EXP"}))
    return NOTHING


def _on_dexamethasone(care: Sequence[CareEvent], day: date, days_after: int) -> bool:
    """A dose day or the days after it; between two courses the drug explains nothing."""
    after = timedelta(days=days_after)
    return any(drug.drug.casefold() == DEXAMETHASONE and drug.first <= day <= drug.last + after for drug in given(care))


def _not_engrafted(care: Sequence[CareEvent], day: date, cells: Sequence[str]) -> bool:
    doses = [drug.last for drug in given(care) if drug.drug.casefold() == MELPHALAN and drug.first <= day]
    if not doses:
        return False
    recorded = [_engrafted(care, max(doses), cell) for cell in cells]
    until = [max(doses) + timedelta(days=UNRECORDED_DAYS) if on is None else on for on in recorded]
    return day < max(until)


def _engrafted(care: Sequence[CareEvent], since: date, cell: str) -> date | None:
    days = (
        event.body.on
        for event in care
        if isinstance(event.body, Engraftment) and cell in event.body.cell.casefold() and event.body.on >= since
    )
    return min(days, default=None)
