"""What happens when nobody answers: told again, the next level, reminders; and when a channel gives a message up."""

from __future__ import annotations

from datetime import timedelta

from refrain.contracts.events import Tier
from refrain.contracts.events.actions import Told, Undelivered, Woken
from services.notify.domain import clock, tellings
from services.notify.domain.happenings import Begun, Failed, Sent, Woke
from services.notify.domain.knowing import learned, surely_told
from services.notify.domain.thread import Message, ToldOnce
from services.notify.domain.turn import Turn

P1_PAUSE, P1_PAUSE_MAX = timedelta(minutes=2), timedelta(minutes=15)
PAUSE, PAUSE_MAX = timedelta(minutes=30), timedelta(hours=6)
"""Before everybody is tried again, when not one channel took a message: doubled each time. Ours, POLICY, UNV."""


def begin(turn: Turn, *, also: tuple[str, ...] = (), already: tuple[str, ...] = ()) -> None:
    """Tell the first contacts and those ``also``; the clock starts. Those in ``already`` hear that it changed."""
    tellings.tell_level(turn, "raised", also=also, already=already)
    clock.wind(turn)


def wake(turn: Turn, _: Woke) -> None:
    """Take every step that is due by now; after a long absence these are several at once."""
    while turn.thread.wake_at is not None and turn.thread.wake_at <= turn.at:
        _step(turn)
        clock.wind(turn)


def _step(turn: Turn) -> None:
    thread, roster = turn.thread, turn.roster
    if thread.tier == "P3":
        turn.set(resent=True)
        tellings.tell_level(turn, "reminded")
    elif thread.answered and thread.reminded_at is None:
        turn.set(reminded_at=turn.at)
        _remind(turn, holder=thread.acknowledged_by)
    elif not thread.answered and (resend := clock.resend_at(thread, roster)) and resend <= turn.at:
        turn.set(resent=True)
        tellings.tell_level(turn, "resent", also=_holder(turn))
    elif not clock.last_level(thread, roster):
        tellings.climb(turn, "unanswered")
        tellings.tell_level(turn, "escalated")
    else:
        turn.set(reminded_at=turn.at)
        tellings.tell_level(turn, "reminded", also=_holder(turn))


def _holder(turn: Turn) -> tuple[str, ...]:
    return (turn.thread.assigned_to,) if turn.thread.assigned_to else ()


def _remind(turn: Turn, holder: str) -> None:
    """Remind whoever took it on to read it back; the level's people, where that is nobody of the roster."""
    thread, roster = turn.thread, turn.roster
    if roster.belongs(holder, thread.tier):
        when = roster.free_at(holder, thread.tier, roster.settled(thread.tier, turn.at))
        tellings.tell(turn, ((holder, when),), "reminded")
    else:
        tellings.tell_level(turn, "reminded")


def stop_snooze(turn: Turn, reason: str) -> None:
    """The snooze is over: what was left of it counts again."""
    thread = turn.thread
    left = max(timedelta(), (thread.snoozed_until or turn.at) - turn.at)
    state = "escalated" if thread.level else "delivered" if surely_told(thread) else "raised"
    turn.set(snoozed_until=None, state=state, **clock.shift(thread, -left))
    clock.wind(turn)
    turn.note(Woken(reason=reason))


def end_snooze(turn: Turn, woke: Woke) -> None:
    """The time is over and nobody answered: whoever the level names hears of it again."""
    until = turn.thread.snoozed_until
    if until is None or until > woke.at:
        return
    turn.set(reminded_at=turn.at)
    stop_snooze(turn, "the time is over")
    tellings.tell_level(turn, "reminded", also=_holder(turn))
    wake(turn, woke)


def begun(turn: Turn, on_its_way: Begun) -> None:
    """From here on it may have been told. One that was withdrawn meanwhile is not to be sent: nothing changes."""
    turn.set(
        unsent=tuple(
            message.model_copy(update={"begun": True}) if message.delivery == on_its_way.delivery else message
            for message in turn.thread.unsent
        )
    )


def sent(turn: Turn, taken: Sent) -> None:
    """Somebody was told. A repeat changes nothing."""
    message = turn.take_off(taken.delivery)
    if message is None and any(entry.delivery == taken.delivery and entry.sure for entry in turn.thread.told):
        return
    tier: Tier = message.tier if message else turn.thread.tier
    entry = ToldOnce(
        to=taken.to, at=turn.at, occasion=taken.occasion, level=taken.level, tier=tier, delivery=taken.delivery
    )
    turn.thread = learned(turn.thread, entry)
    if turn.thread.state == "raised":
        turn.set(state="delivered")
    clock.wind(turn)
    turn.note(Told(to=taken.to, occasion=taken.occasion, level=taken.level, delivery=taken.delivery))


def sent_after_the_end(turn: Turn, taken: Sent) -> None:
    """A message was on its way when the alert ended: whoever got it learns that it is over."""
    sent(turn, taken)
    ended = turn.thread.state
    if ended == "retracted" and taken.occasion != "retracted":
        tellings.tell_those_told(turn, "retracted", (taken.to.person,))
    elif ended == "closed" and taken.occasion in tellings.ASKS:
        tell_the_end(turn, (taken.to.person,))


def tell_the_end(turn: Turn, people: tuple[str, ...]) -> None:
    """Into the digest: that a P1 or P2 is over which nobody had answered."""
    thread = turn.thread
    if thread.tier in ("P1", "P2") and not thread.answered and thread.successor is None:
        tellings.tell_those_told(turn, "closed", people, digest=True)


def failed(turn: Turn, given_up: Failed) -> None:
    """Try the person's next channel; else, if nobody else was reached, the next level; at the end all over again."""
    message = turn.take_off(given_up.message.delivery)
    if message is None:
        return
    turn.may_know(message)
    turn.note(
        Undelivered(
            to=message.to, occasion=message.occasion, level=message.level, delivery=message.delivery,
            reason=given_up.reason,
        )
    )  # fmt: skip
    if not _next_channel(turn, message):
        if tellings.asks(message) and message.occasion != "reassigned":
            _next_level(turn, message)
        else:
            _once_more(turn, message)
            if message.occasion == "amended" and turn.thread.waiting and not turn.thread.answered:
                _next_level_besides(turn, message)
    clock.wind(turn)


def _next_channel(turn: Turn, message: Message) -> bool:
    """Whether there is one. Where the roster has this one no more, all that it has now are next."""
    roster, person = turn.roster, message.to.person
    renamed = person in roster.people and roster.address(person, message.to.channel) is None
    ways = roster.channels_of(person, message.tier) if renamed else message.further
    channels = [name for name in ways if roster.address(person, name) is not None]
    if not channels:
        return False
    when = roster.quiet_until(person, channels[0], message.tier, turn.at)
    tellings.forward(turn, message, tuple(channels), max(when, message.not_before))
    return True


def _next_level(turn: Turn, message: Message) -> None:
    """Nobody of this level can be reached: up, and from the last level on again with everybody, more and more seldom.

    Where somebody of the level was told, or still may be, the clock goes on as it is.
    """
    thread, roster = turn.thread, turn.roster
    if _stand_in(turn, message) or _reached(turn, message.level) or _next_level_besides(turn, message):
        return
    start = turn.at + _pause(message)
    first = roster.reach(thread.tier, thread.due_hours, 0, start)
    last = roster.reach(thread.tier, thread.due_hours, thread.level, start)
    tellings.tell(turn, dict((*first, *last)).items(), message.occasion, digest=message.digest,
                  attempt=message.round + 1)  # fmt: skip


def _stand_in(turn: Turn, message: Message) -> bool:
    """Whether somebody else has by now the place of a person who left the roster: then they are told."""
    thread, roster = turn.thread, turn.roster
    if message.to.person in roster.people:
        return False
    start = roster.settled(thread.tier, turn.at)
    start = roster.next_digest(start) if message.digest else start
    known = {entry.to.person for entry in thread.told} | {one.to.person for one in thread.unsent}
    reach = roster.reach(thread.tier, thread.due_hours, message.level, start)
    if others := [(person, when) for person, when in reach if person not in known]:
        tellings.tell(turn, others, message.occasion, digest=message.digest)
    return bool(others)


def _next_level_besides(turn: Turn, message: Message) -> bool:
    """Tell the next level at once, unless somebody of this one was told; whether that was to be done."""
    thread, roster = turn.thread, turn.roster
    if _reached(turn, message.level) or thread.level >= roster.fallback_level(thread.tier, thread.due_hours):
        return False
    tellings.climb(turn, "undeliverable")
    tellings.tell_level(turn, "digest" if message.digest else "escalated")
    return True


def _reached(turn: Turn, level: int) -> bool:
    """Whether somebody of the level heard since the clock started, or is about to. That it opened again asks too."""
    thread = turn.thread
    started = thread.clock_from - thread.snoozed_for
    hopeful = [one for one in thread.unsent if tellings.asks(one) or (one.occasion == "amended" and not one.round)]
    return any(one.level >= level for one in hopeful) or any(
        entry.sure and entry.at >= started and entry.level >= level and entry.occasion != "retracted"
        for entry in thread.told
    )


def _once_more(turn: Turn, message: Message) -> None:
    """A change must reach this very person: again after a pause; the fallback, if they left the roster."""
    thread, roster, person = turn.thread, turn.roster, message.to.person
    start = turn.at + _pause(message)
    people: tuple[str, ...] = (person,)
    if person not in roster.people:
        people = roster.recipients(
            message.tier, thread.due_hours, roster.fallback_level(message.tier, thread.due_hours), start
        )
    tellings.tell(turn, ((one, roster.free_at(one, message.tier, start)) for one in people), message.occasion,
                  tier=message.tier, digest=message.digest, attempt=message.round + 1)  # fmt: skip


def _pause(message: Message) -> timedelta:
    first, most = (P1_PAUSE, P1_PAUSE_MAX) if message.tier == "P1" else (PAUSE, PAUSE_MAX)
    return min(first * (1 << min(message.round, 10)), most)
