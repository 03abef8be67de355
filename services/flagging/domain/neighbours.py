"""What a result is beside the earlier ones of its series: change, trend, and values too far apart to believe.

INT-2 to INT-4, DQ_DELTA and the creatinine step of clinical.md 5.1 and 7.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from refrain.clinical.catalogue.entry import Better
from refrain.clinical.threevalued import Span, exceeds
from refrain.contracts.site import SiteSettings
from services.flagging.domain import rules
from services.flagging.domain.change import change_code, exact, percent_of_change, rises, too_far, trend_code
from services.flagging.domain.flags import Flags
from services.flagging.domain.seen import Seen

Chain = Literal["kappa", "lambda"]
INVOLVED: dict[str, Chain] = {"SFLC_K": "kappa", "SFLC_L": "lambda"}
STEP_HOURS = timedelta(hours=rules.KDIGO_STEP_HOURS)
FACTOR_DAYS = timedelta(days=rules.KDIGO_FACTOR_DAYS)


@dataclass(frozen=True, slots=True)
class Member:
    """A result of a series with the flags it has by itself, and why it may not be used so far."""

    seen: Seen
    flags: Flags
    held: frozenset[str]

    @property
    def span(self) -> Span | None:
        if self.seen.number is None or not self.seen.comparable:
            return None
        return Span.of(self.seen.number, self.seen.comparator)

    @property
    def eligible(self) -> bool:
        """Usable, or held only because a repair that may be flagged awaits review (INT-2)."""
        return self.span is not None and (not self.held or (self.held == {"REVIEW_PENDING"} and self.seen.repair_used))


@dataclass(frozen=True, slots=True)
class Beside:
    """How a result stands to its neighbours."""

    codes: frozenset[str] = frozenset()
    previous: Seen | None = None
    change_percent: Decimal | None = None
    delta: bool = False
    """Ratio to the previous one beyond the limits of DQ_DELTA."""
    delta_held: bool = False
    """... and printed with another unit or other limits, unconfirmed so far."""


def beside(members: Sequence[Member], clone_light: Chain | None, site: SiteSettings) -> list[Beside]:
    """Walk one series in clinical order. ``clone_light`` is the light chain of the patient's clone, if stated."""
    usable: list[Member] = []
    found = []
    for index, member in enumerate(members):
        previous = _previous(member, usable)
        one = _one(member, previous, usable, clone_light, site)
        if one.delta and _printed_otherwise(member, previous):
            released = "DQ_DELTA" in member.seen.accepted or _confirmed(member, members[index + 1 :], site)
            one = Beside(one.codes, one.previous, one.change_percent, True, not released)
        found.append(one)
        if member.eligible and not one.delta_held:
            usable.append(member)
    return found


def _previous(member: Member, usable: Sequence[Member]) -> Member | None:
    """The newest usable result collected before; times that overlap are the same time (feeds.md 7)."""
    start = member.seen.observation.collected_at
    return next((other for other in reversed(usable) if other.seen.observation.collected_until <= start), None)


def _one(
    member: Member, previous: Member | None, usable: Sequence[Member], clone_light: Chain | None, site: SiteSettings
) -> Beside:
    value = member.span
    before = previous.span if previous else None
    if value is None or before is None or previous is None or member.seen.observation.specimen == "IMAGE":
        return Beside()
    codes = {change_code(value, before, site.delta_change_pct)}
    if member.flags.outside or previous.flags.outside:
        better = _better(member.seen, clone_light)
        codes.add(trend_code(value, before, better, site.delta_trend_pct, member.flags.interval))
    if "D" not in codes and _kidney_step(member, usable):
        codes.add("U")
    far = member.eligible and too_far(value, before, site.delta_ratio_above, site.delta_ratio_below)
    return Beside(frozenset(codes - {""}), previous.seen, percent_of_change(value, before), far)


def _better(seen: Seen, clone_light: Chain | None) -> Better | None:
    """For free light chains less of the clone's own chain is better; of the other chain neither is."""
    better = seen.analyte.better if seen.analyte else None
    if better != "by_clone":
        return better
    own = INVOLVED.get(seen.observation.analyte or "")
    return "lower" if own is not None and own == clone_light else None


def _printed_otherwise(member: Member, previous: Member | None) -> bool:
    """Whether the unit or the limits were printed differently than with the previous result."""
    return previous is not None and _as_printed(member.seen) != _as_printed(previous.seen)


def _as_printed(seen: Seen) -> tuple[object, ...]:
    value, limits = seen.observation.value, seen.observation.range
    return value.unit or value.unit_raw, limits.low, limits.high


def _confirmed(member: Member, later: Sequence[Member], site: SiteSettings) -> bool:
    """Whether the next sample of the series lies within tenfold of a held one (7.3)."""
    end = member.seen.observation.collected_until
    following = next((one for one in later if one.eligible and one.seen.observation.collected_at >= end), None)
    if following is None or following.span is None or member.span is None:
        return False
    return not too_far(following.span, member.span, site.delta_ratio_above, site.delta_ratio_below)


def _kidney_step(member: Member, usable: Sequence[Member]) -> bool:
    """Creatinine up by 0.3 mg/dL in 48 h, or times 1.5 in 7 days (7.3; UNV). Measured values only."""
    if member.seen.observation.analyte != "CREAT" or member.span is None or exact(member.span) is None:
        return False
    for earlier in usable:
        gap = member.seen.observation.collected_at - earlier.seen.observation.collected_at
        if earlier.span is None or (before := exact(earlier.span)) is None or gap <= timedelta(0):
            continue
        step = Span.of(before + rules.KDIGO_STEP)
        if gap <= STEP_HOURS and exceeds(member.span, step, or_equal=True) is True:
            return True
        if gap <= FACTOR_DAYS and rises(member.span, earlier.span, rules.KDIGO_PERCENT):
            return True
    return False
