"""Escalation chains, and the times that hold where a site sets none.

Defaults are clinical.md 17.2 and 21 (all POLICY, UNV; the practice figures of 15, 30 and 60 min: SEC). Those that
clinical.md does not give are ours and marked so; a site signs all of them by writing its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from refrain.contracts.events import Tier
from services.notify.domain.schedules import Span, Strict, span

ChainKey = Literal["P1", "P2_24", "P2_72", "P3", "DQ"]

P1_LEVELS = (span("0 min"), span("30 min"), span("60 min"))
"""First contact at once, second contact, supervisor. clinical.md 17.2, 21 ``p1.escalate``, ``p1.supervisor``: UNV."""
P1_RESEND = span("15 min")
"""clinical.md 17.2, 21 ``p1.resend``: UNV."""
P2_24_LEVELS = (span("0 h"), span("24 h"), span("48 h"))
"""Second clinician at the deadline, service lead at twice the deadline. clinical.md 17.2, 21 ``p2.ack``: UNV."""
P2_72_LEVELS = (span("0 h"), span("72 h"), span("144 h"))
"""The same for a deadline of 72 h. clinical.md 17.2: UNV."""
DQ_LEVELS = (span("0 h"), span("2 working days"))
"""The laboratory queue, then the lab lead. clinical.md 17.2, 21 ``dq.ack``: UNV."""
P3_LEVELS = (span("0 h"),)
"""The weekly digest; nothing waits. clinical.md 17.2: UNV."""
P3_UNREAD = timedelta(days=14)
"""Unread for so long: first in the next digest. clinical.md 17.2: UNV."""
DIGEST_SLACK = timedelta(hours=12)
"""A digest is told some time after its hour; the one two weeks later must not be missed by that. Ours."""

P1_READ_BACK = span("15 min")
"""From acknowledgement to a reminder to read back, and as long again to escalation. Ours, POLICY, UNV."""
P1_REMIND, P2_REMIND, DQ_REMIND = span("30 min"), span("24 h"), span("2 working days")
"""Between reminders once the last level was told and still nobody answers. Ours, POLICY, UNV."""
NEVER = span("0 min")
"""A P1 is never snoozed; of a P3 nothing waits. clinical.md 17.2, 17.3: UNV."""
P2_24_SNOOZE, P2_72_SNOOZE, DQ_SNOOZE = span("8 h"), span("24 h"), span("48 h")
"""All snoozes of an alert together. Ours, POLICY, UNV."""
P1_GIVE_UP, GIVE_UP, DIGEST_GIVE_UP = span("2 min"), span("1 h"), span("6 h")
"""How long one channel is tried before the next one. Ours, POLICY, UNV."""
SETTLE_SECONDS: dict[Tier, int] = {"P1": 2, "P2": 20, "P3": 20, "DQ": 20}
"""How long messages wait for others of the same draw (FAT-4). Ours, POLICY, UNV."""


@dataclass(frozen=True, slots=True)
class Times:
    """What a chain has where the roster says nothing."""

    after: tuple[Span, ...]
    remind: Span
    snooze_max: Span
    give_up: Span
    resend: Span | None = None
    read_back: Span = P1_READ_BACK


DEFAULTS: dict[ChainKey, Times] = {
    "P1": Times(P1_LEVELS, P1_REMIND, NEVER, P1_GIVE_UP, resend=P1_RESEND),
    "P2_24": Times(P2_24_LEVELS, P2_REMIND, P2_24_SNOOZE, GIVE_UP),
    "P2_72": Times(P2_72_LEVELS, P2_REMIND, P2_72_SNOOZE, GIVE_UP),
    "P3": Times(P3_LEVELS, P2_REMIND, NEVER, DIGEST_GIVE_UP),
    "DQ": Times(DQ_LEVELS, DQ_REMIND, DQ_SNOOZE, GIVE_UP),
}


def chain_key(tier: Tier, due_hours: int | None) -> ChainKey:
    """The chain of an alert. A P2 without hours, or with other ones, takes the shorter chain that keeps them."""
    if tier != "P2":
        return tier
    return "P2_72" if due_hours is not None and due_hours >= 72 else "P2_24"


class Level(Strict):
    """Who is told when ``after`` has passed without an answer: ids of people and duties."""

    to: tuple[str, ...] = Field(min_length=1)
    after: Span


class Chain(Strict):
    """What happens to an alert of one tier that nobody answers."""

    levels: tuple[Level, ...] = Field(min_length=1)
    resend: Span | None = None
    """The first contacts are told a second time."""
    remind: Span
    """Once everybody was told: how often the last level is reminded."""
    read_back: Span
    """P1: how long after the acknowledgement the read-back is asked for."""
    snooze_max: Span
    give_up: Span


def with_defaults(key: ChainKey, given: Any) -> Any:
    """What a site wrote about one chain, completed with the default times."""
    if not isinstance(given, dict):
        return given
    times = DEFAULTS[key]
    known = {name: getattr(times, name) for name in ("remind", "snooze_max", "give_up", "resend", "read_back")}
    levels = given.get("levels")
    if isinstance(levels, list):
        timed = [
            {"after": times.after[place]} | level if isinstance(level, dict) and place < len(times.after) else level
            for place, level in enumerate(levels)
        ]
        return known | given | {"levels": timed}
    return known | given


class Chains(Strict):
    """One chain per tier; P2 has two, by the hours it leaves."""

    P1: Chain
    P2_24: Chain
    P2_72: Chain
    P3: Chain
    DQ: Chain

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: with_defaults(key, value) if key in DEFAULTS else value for key, value in given.items()}

    def of(self, key: ChainKey) -> Chain:
        chain: Chain = getattr(self, key)
        return chain
