"""When a call is confirmed: two consecutive assessments of one series on different dates (clinical.md 10.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.response.domain.facts import Result

PROGRESSION = -1
"""Rank of a progression call. It confirms no response, and no response confirms it."""
UNGRADED = -2
"""Rank of an assessment below every level that its baseline can grade: it confirms none and breaks their run."""


@dataclass(frozen=True, slots=True)
class Graded:
    """A decided assessment: the sample and the rank of its level (0 no response, upwards; or PROGRESSION)."""

    sample: Result
    rank: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A level that holds as of ``sample`` because ``by``, the next assessment, was there or better."""

    rank: int
    sample: Result
    by: Result
    late: bool
    """More than the allowed days between the two (CONF-7)."""


def shown(chain: Sequence[Graded], index: int, late_days: int) -> Confirmed | None:
    """Whether the level of ``chain[index]`` is confirmed, and as of which sample (CONF-3, CONF-4).

    It is when the assessments before it were at that level or better without a break; the first of them counts.
    """
    rank = chain[index].rank
    start = index
    while start > 0 and supports(chain[start - 1].rank, rank):
        start -= 1
    if start == index:
        return None
    return pair(chain[start], chain[start + 1], rank, late_days)


def supports(other: int, rank: int) -> bool:
    """Whether an assessment of rank ``other`` confirms a level of rank ``rank``."""
    return other == rank if PROGRESSION in (other, rank) else other >= rank


def pair(first: Graded, second: Graded, rank: int, late_days: int) -> Confirmed:
    late = (second.sample.day - first.sample.day).days > late_days
    return Confirmed(rank, first.sample, second.sample, late)


def confirmed_at(chain: Sequence[Graded], index: int, late_days: int) -> Confirmed | None:
    """What ``chain[index]`` confirms about the assessment before it: the worse level of the two (CONF-3)."""
    if index == 0:
        return None
    first, second = chain[index - 1], chain[index]
    rank = min(first.rank, second.rank)
    return pair(first, second, rank, late_days) if supports(second.rank, rank) and supports(first.rank, rank) else None


def confirmer(chain: Sequence[Graded], index: int) -> Result | None:
    """The next assessment, if it confirms the level of ``chain[index]``."""
    if index + 1 < len(chain) and supports(chain[index + 1].rank, chain[index].rank):
        return chain[index + 1].sample
    return None
