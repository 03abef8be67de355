"""What people know of an alert: who was told, and who may have been, because a channel was tried and never answered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.notify.domain.thread import Message, Thread, ToldOnce, rank_of


def learned(thread: Thread, entry: ToldOnce) -> Thread:
    """The thread once somebody knows, in place of what they knew before. What they surely know outweighs a perhaps."""
    before = next((one for one in thread.told if one.to.person == entry.to.person), None)
    if before and before.occasion != "retracted":
        if not entry.sure:
            return thread
        if rank_of(before.tier, None) < rank_of(entry.tier, None):
            entry = entry.model_copy(update={"tier": before.tier})
    others = tuple(one for one in thread.told if one.to.person != entry.to.person)
    return thread.model_copy(update={"told": (*others, entry)})


def perhaps(message: Message, at: datetime) -> ToldOnce | None:
    """What a person may know of a message that no channel is known to have taken; None when none was tried with it."""
    if not message.begun or message.occasion in ("retracted", "closed"):
        return None
    return ToldOnce(
        to=message.to, at=at, occasion=message.occasion, level=message.level, tier=message.tier,
        delivery=message.delivery, sure=False,
    )  # fmt: skip


def known(thread: Thread, at: datetime) -> tuple[ToldOnce, ...]:
    """Everybody who was told or may have been, messages on their way included."""
    for message in thread.unsent:
        if entry := perhaps(message, at):
            thread = learned(thread, entry)
    return thread.told


def believers(thread: Thread) -> tuple[str, ...]:
    """Everybody who was told of the alert, or may have been, and not, since, of its retraction."""
    return tuple(entry.to.person for entry in thread.told if entry.occasion != "retracted")


def may_believe(thread: Thread, at: datetime) -> tuple[str, ...]:
    """:func:`believers`, and who is being told at this moment: a channel was tried with what the alert said so far."""
    return believers(thread.model_copy(update={"told": known(thread, at)}))


def surely_told(thread: Thread) -> frozenset[str]:
    """Believers of whom a channel took a message, or who answered."""
    return frozenset(entry.to.person for entry in thread.told if entry.sure and entry.occasion != "retracted")


def is_untold(thread: Thread) -> bool:
    """Whether an alert waits for an answer and no channel is known to have told anybody since it last began to."""
    since = thread.clock_from - thread.snoozed_for
    told = any(entry.sure and entry.at >= since and entry.occasion != "retracted" for entry in thread.told)
    return thread.waiting and not thread.answered and not told


def absorb(thread: Thread, entries: Iterable[ToldOnce]) -> Thread:
    """The thread with what people were told of another alert of its episode."""
    held = {one.to.person for one in thread.told}
    more = {entry.to.person: entry for entry in entries if entry.to.person not in held}
    return thread.model_copy(update={"told": (*more.values(), *thread.told)}) if more else thread
