"""When a thread must be looked at again: computed anew from where it stands, after every change."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.notify.domain.chains import DIGEST_SLACK, P3_UNREAD
from services.notify.domain.roster import Roster
from services.notify.domain.thread import Thread
from services.notify.domain.turn import Turn


def wind(turn: Turn) -> None:
    """Set ``wake_at`` and ``due_at``. Somebody waits for an answer, so ``wake_at`` is set; else it mostly is not."""
    thread = turn.thread
    wake, due = _read_once_more(thread), None
    if thread.waiting and thread.state == "snoozed":
        wake, due = thread.snoozed_until, _next_level(thread, turn.roster)
    elif thread.waiting and thread.answered:
        wake, due = _read_back(thread, turn.roster)
    elif thread.waiting:
        due = _next_level(thread, turn.roster)
        resend = resend_at(thread, turn.roster)
        wake = min(due, resend) if resend else due
    if (wake, due) != (thread.wake_at, thread.due_at):
        turn.set(wake_at=wake, due_at=due)


def resend_at(thread: Thread, roster: Roster) -> datetime | None:
    """When the first contacts are told a second time; None when they are not, or were."""
    resend = roster.chain(thread.tier, thread.due_hours).resend
    return None if thread.resent or thread.level or not resend else roster.later(thread.clock_from, resend)


def last_level(thread: Thread, roster: Roster) -> bool:
    """Whether the chain has no further level."""
    return thread.level + 1 >= len(roster.chain(thread.tier, thread.due_hours).levels)


def _next_level(thread: Thread, roster: Roster) -> datetime:
    """When the next level is told, or the last one reminded."""
    chain = roster.chain(thread.tier, thread.due_hours)
    if last_level(thread, roster):
        return roster.later(max(thread.reminded_at or thread.clock_from, thread.clock_from), chain.remind)
    return roster.later(thread.clock_from, chain.levels[thread.level + 1].after)


def _read_back(thread: Thread, roster: Roster) -> tuple[datetime, datetime]:
    """A P1 was acknowledged and not read back: first its holder is reminded, then each level in turn is told."""
    chain = roster.chain(thread.tier, thread.due_hours)
    taken = thread.acknowledged_at or thread.clock_from
    if thread.reminded_at is None:
        wake = roster.later(taken, chain.read_back)
        return wake, roster.later(wake, chain.read_back)
    pause = chain.remind if last_level(thread, roster) else chain.read_back
    wake = roster.later(thread.reminded_at, pause)
    return wake, wake


def _read_once_more(thread: Thread) -> datetime | None:
    """A P3 that was told and that nobody acknowledged for two weeks is shown first in the digest then."""
    if thread.tier != "P3" or thread.state != "delivered" or thread.resent or not thread.told or not thread.live:
        return None
    return max(entry.at for entry in thread.told) + P3_UNREAD - DIGEST_SLACK


def shift(thread: Thread, by: timedelta) -> dict[str, object]:
    """The changes of a thread whose snooze stops, or stopped, the clock for so long."""
    return {"clock_from": thread.clock_from + by, "snoozed_for": thread.snoozed_for + by}
