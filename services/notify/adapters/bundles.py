"""What goes together as one message, and when it is tried again.

Results of one draw make one message per person, channel and tier (FAT-4); a digest is one over all patients. A bundle
is noted before it is sent for the first time and never grows: what is sent again after a crash has the same key and
the same members, but for those that were withdrawn meanwhile. Where the alert of a member was superseded, the one that
took over has the member's place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from refrain.contracts.events import Recipient, Tier
from services.notify.adapters.deliveries import Due
from services.notify.domain.thread import Message, Thread

URGENT_PAUSES = (2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds between the tries of a P1. POLICY, UNV."""
PAUSES = (5.0, 15.0, 45.0, 135.0, 300.0)
"""Seconds between the tries of others; the last one repeats. POLICY, UNV."""
JITTER = 0.2
"""Each pause is longer or shorter by up to this part, so that what failed together does not come back together."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Deliveries of one person and channel that are one message; never empty."""

    key: UUID
    """The channel's idempotency key."""
    members: tuple[Due, ...]
    noted: bool
    """Whether the store knows it."""

    def as_of(self, threads: Mapping[UUID, Thread]) -> Bundle:
        """The same with its alerts as they stand now; ``threads`` by alert."""
        return replace(self, members=tuple(replace(due, thread=threads[due.message.alert]) for due in self.members))

    @property
    def to(self) -> Recipient:
        return self.members[0].message.to

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(due.message for due in self.members)

    @property
    def tier(self) -> Tier:
        return self.members[0].message.tier

    @property
    def attempts(self) -> int:
        return max(due.attempts for due in self.members)

    @property
    def give_up_at(self) -> datetime:
        """All of it is tried, and given up, together."""
        return min(message.give_up_at for message in self.messages)

    @property
    def elsewhere(self) -> bool:
        """Whether each of its people has another channel to be reached by."""
        return all(message.further for message in self.messages)


def bundles(lent: Sequence[Due]) -> list[Bundle]:
    """Deliveries on loan as bundles, in their order. New ones are named after their first delivery."""
    groups: dict[object, list[Due]] = {}
    for due in lent:
        groups.setdefault(due.bundle or _together(due), []).append(due)
    return [
        Bundle(members[0].bundle or members[0].message.delivery, tuple(members), noted=members[0].bundle is not None)
        for members in groups.values()
    ]


def _together(due: Due) -> tuple[object, ...]:
    message = due.message
    return (message.to, message.tier, None if message.digest else due.thread.patient.key, message.digest)


def next_try(bundle: Bundle, now: datetime, wait_seconds: float | None, random: Random) -> datetime:
    """When to try again: after a growing pause, not before the receiver wants it, once more at the very end."""
    pauses = URGENT_PAUSES if bundle.tier == "P1" else PAUSES
    pause = pauses[min(bundle.attempts, len(pauses) - 1)] * random.uniform(1 - JITTER, 1 + JITTER)
    return min(now + timedelta(seconds=max(pause, wait_seconds or 0.0)), max(bundle.give_up_at, now))
