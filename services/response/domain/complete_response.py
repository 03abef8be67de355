"""CRH, the complete hematologic response: three components that must fit together in time (HEM-5, CONF-8)."""

from __future__ import annotations

from dataclasses import dataclass

from refrain.clinical.threevalued import Truth, every
from refrain.contracts.events import Component, LevelState
from refrain.contracts.site import SiteSettings
from services.response.domain.components import Track
from services.response.domain.confirmation import Confirmed
from services.response.domain.facts import Result
from services.response.domain.verdict import closed_level, once

MISSING = {"IFE_S": "SERUM_IFE_MISSING", "IFE_U": "URINE_IFE_MISSING", "MARROW": "MARROW_MISSING"}
WORDS = {"IFE_S": "serum immunofixation", "IFE_U": "urine immunofixation", "MARROW": "marrow"}
Tracks = dict[str, Track]
"""By component name: IFE_S, IFE_U, MARROW."""


@dataclass(frozen=True, slots=True)
class Complete:
    """CRH as it stands after the newest sample."""

    truth: Truth
    state: LevelState
    reasons: tuple[str, ...]
    possible: bool
    """May be named as candidate: a serum immunofixation that counts is negative, or was before a drug's band."""
    components: dict[str, Component]
    confirmed: Confirmed | None
    evidence: tuple[Result, ...]
    why_not: str


def complete(tracks: Tracks, site: SiteSettings, *, rank: int, clone_known: bool) -> Complete:
    """CRH of the line's components. ``rank`` is that of CRH among the levels."""
    stale = _stale(tracks, site)
    truths: dict[str, Truth] = {}
    reasons: list[str] = [] if clone_known else ["NO_CLONE"]
    for name, track in tracks.items():
        reading = track.current.reading if track.current else None
        positive = reading is not None and reading.negative is False
        if positive:
            truths[name] = False
        elif reading is None or name in stale:
            truths[name] = None
            reasons.append(MISSING[name])
        else:
            truths[name] = reading.negative
            reasons += [reading.reason] if reading.negative is None and reading.reason else []
    truth = every(truths.values())
    if truth is False:
        reasons = []
    elif not clone_known:
        truth = None
    return Complete(
        truth=truth,
        state="MET" if truth else ("NOT_MET" if truth is False else _open_state(reasons)),
        reasons=once(reasons),
        possible=truth is None and clone_known and "IFE_S" not in stale and tracks["IFE_S"].negative_or_masked,
        components={name: track.component(name in stale and truths[name] is None) for name, track in tracks.items()},
        confirmed=_confirmed(tracks, rank) if truth else None,
        evidence=tuple(track.current.sample for track in tracks.values() if track.current),
        why_not=_why_not(truths, tracks, stale, reasons),
    )


def _open_state(reasons: list[str]) -> LevelState:
    return "NOT_ASSESSABLE" if "NO_CLONE" in reasons else closed_level(reasons)


def _stale(tracks: Tracks, site: SiteSettings) -> frozenset[str]:
    """Components whose newest sample does not reach the others: the older immunofixation, an old marrow."""
    days = {name: track.current.sample.day for name, track in tracks.items() if track.current}
    stale = set()
    if "IFE_S" in days and "IFE_U" in days:
        older, newer = sorted(("IFE_S", "IFE_U"), key=lambda name: days[name])
        if (days[newer] - days[older]).days > site.crh_ife_pair_days:
            stale.add(older)
    if "MARROW" in days and (max(days.values()) - days["MARROW"]).days > site.crh_marrow_days:
        stale.add("MARROW")
    return frozenset(stale)


def _confirmed(tracks: Tracks, rank: int) -> Confirmed | None:
    """Both immunofixations confirmed, the marrow once; it holds as of the last component to turn (CONF-8)."""
    parts = [part for track in tracks.values() if (part := track.negative_since()) is not None]
    if len(parts) < len(tracks):
        return None
    sample = max((part.sample for part in parts), key=lambda result: (result.collected_at, result.id))
    by = max((part.by for part in parts), key=lambda result: (result.collected_at, result.id))
    return Confirmed(rank, sample, by, late=any(part.late for part in parts))


def _why_not(truths: dict[str, Truth], tracks: Tracks, stale: frozenset[str], reasons: list[str]) -> str:
    said = []
    for name, truth in truths.items():
        current = tracks[name].current
        if truth is False and current is not None:
            said.append(f"{WORDS[name]} of {current.sample.day} is {current.reading.state}")
        elif truth is None and current is None:
            said.append(f"{WORDS[name]} missing")
        elif truth is None and current is not None:
            state = "is too old to count" if name in stale else f"is {current.reading.state}"
            said.append(f"{WORDS[name]} of {current.sample.day} {state}")
    if "NO_CLONE" in reasons:
        said.append("no clone is stated")
    return "; ".join(said)
