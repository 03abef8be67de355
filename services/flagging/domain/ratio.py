"""A reported free light chain ratio against kappa over lambda of the same draw (clinical.md R-10, SER-8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.flagging.domain.rules import RATIO_ABSOLUTE, RATIO_PERCENT
from services.flagging.domain.seen import Seen
from services.flagging.domain.series import position

PARTS = {"SFLC_R": ("SFLC_K", "SFLC_L"), "UFLC_R": ("UFLC_K", "UFLC_L")}
NEEDED = frozenset(PARTS) | {part for parts in PARTS.values() for part in parts}
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class RatioMismatch:
    """A ratio that its own parts do not give."""

    ratio: Seen
    kappa: Seen
    lambda_: Seen


def mismatches(seen: Iterable[Seen]) -> list[RatioMismatch]:
    """Ratios that differ from kappa/lambda by more than 0.01 and more than 2 percent of it; measured values only."""
    draws: dict[tuple[str, datetime], list[Seen]] = {}
    for one in sorted(seen, key=position):
        if one.observation.analyte in NEEDED and one.current and one.status == "final" and _measured(one):
            draws.setdefault((one.observation.lab, one.observation.collected_at), []).append(one)
    return [found for draw in draws.values() for ratio in draw if (found := _mismatch(ratio, draw)) is not None]


def _measured(seen: Seen) -> bool:
    return seen.comparable and seen.number is not None and seen.comparator is None and not seen.implausible


def _mismatch(ratio: Seen, draw: Sequence[Seen]) -> RatioMismatch | None:
    parts = PARTS.get(ratio.observation.analyte or "")
    if parts is None:
        return None
    kappa, lambda_ = (_part(name, ratio, draw) for name in parts)
    if kappa is None or lambda_ is None or ratio.number is None or kappa.number is None or lambda_.number is None:
        return None
    return RatioMismatch(ratio, kappa, lambda_) if differs(ratio.number, kappa.number, lambda_.number) else None


def differs(ratio: Decimal, kappa: Decimal, lambda_: Decimal) -> bool:
    """R-10 by products: both limits strict. Nothing is said of a lambda of 0."""
    gap = abs(ratio * lambda_ - kappa)
    return lambda_ > 0 and gap > RATIO_ABSOLUTE * lambda_ and gap * HUNDRED > RATIO_PERCENT * kappa


def _part(analyte: str, ratio: Seen, draw: Sequence[Seen]) -> Seen | None:
    """The chain of the same draw (answers 14) and method; the same order's, where there are several."""
    same = [
        one
        for one in draw
        if one.observation.analyte == analyte
        and one.observation.method == ratio.observation.method
        and (_order(one) == _order(ratio) != "" or one.observation.specimen == ratio.observation.specimen)
    ]
    return min(same, key=lambda one: (_order(one) != _order(ratio), position(one)), default=None)


def _order(seen: Seen) -> str:
    order = seen.version.report.order
    return order.filler or order.placer
