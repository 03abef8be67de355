"""Who is told what: first contacts and levels, those who were told before, and what goes into the digest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from refrain.contracts.events import Occasion, Recipient, Tier
from refrain.contracts.events.actions import Escalated
from refrain.contracts.ids import derive
from services.notify.domain import clock
from services.notify.domain.thread import Message, rank_of
from services.notify.domain.turn import Turn

ASKS: frozenset[Occasion] = frozenset({"raised", "resent", "escalated", "reminded", "reassigned", "digest"})
"""Ask for an answer, or to be read: not sent any more once somebody answered. The others tell a change."""


def asks(message: Message) -> bool:
    return message.occasion in ASKS


def tell(
    turn: Turn,
    people: Iterable[tuple[str, datetime]],
    occasion: Occasion,
    *,
    tier: Tier | None = None,
    digest: bool = False,
    attempt: int = 0,
    already: frozenset[str] = frozenset(),
) -> None:
    """Send one message to each of ``people``, not before the time beside the name.

    Whoever is in ``already`` knows the alert, and is told that it changed. ``attempt`` counts the rounds in which all
    channels of the person failed.
    """
    thread, roster = turn.thread, turn.roster
    urgency: Tier = "P3" if digest else tier or thread.tier
    give_up = roster.chain(urgency, thread.due_hours).give_up
    turn.set(tellings=thread.tellings + 1)
    messages = []
    for person, when in dict(people).items():
        channel, *further = roster.channels_of(person, urgency)
        messages.append(
            Message(
                delivery=derive("delivery", thread.alert, turn.thread.tellings, person, channel), alert=thread.alert,
                to=Recipient(person=person, channel=channel), further=tuple(further),
                occasion="amended" if person in already else occasion, level=thread.level, tier=urgency, digest=digest,
                round=attempt, not_before=when, give_up_at=roster.later(when, give_up),
            )
        )  # fmt: skip
    turn.send(tuple(messages))


def tell_level(turn: Turn, occasion: Occasion, *, also: Iterable[str] = (), already: Iterable[str] = ()) -> None:
    """Tell whoever the thread's level names, and the people ``also``; where nobody is there, the next level at once.

    A P3 goes into the next digest.
    """
    thread, roster = turn.thread, turn.roster
    digest = thread.tier == "P3"
    start = roster.settled(thread.tier, turn.at)
    start = roster.next_digest(start) if digest else start
    while not (people := dict(roster.reach(thread.tier, thread.due_hours, turn.thread.level, start))):
        climb(turn, "nobody_on_duty")
        occasion = "escalated" if occasion == "raised" and not digest else occasion
    for person in also:
        if roster.belongs(person, thread.tier):
            people.setdefault(person, roster.free_at(person, thread.tier, start))
    tell(turn, people.items(), "digest" if digest and occasion == "raised" else occasion,
         digest=digest, already=frozenset(already))  # fmt: skip


def forward(turn: Turn, message: Message, channels: tuple[str, ...], when: datetime) -> None:
    """The same message over the person's next channel."""
    turn.set(tellings=turn.thread.tellings + 1)
    to = Recipient(person=message.to.person, channel=channels[0])
    give_up = turn.roster.chain(message.tier, turn.thread.due_hours).give_up
    again = message.model_copy(
        update={
            "delivery": derive("delivery", message.alert, turn.thread.tellings, to.person, to.channel), "to": to,
            "further": channels[1:], "begun": False, "repeats": None, "not_before": when,
            "give_up_at": turn.roster.later(when, give_up),
        }
    )  # fmt: skip
    turn.send((again,))


def tell_people(turn: Turn, people: Iterable[str], occasion: Occasion) -> None:
    """Tell certain people, at the alert's tier; in place of somebody who left the roster the fallback."""
    tier, roster = turn.thread.tier, turn.roster
    digest = tier == "P3"
    start = roster.settled(tier, turn.at)
    start = roster.next_digest(start) if digest else start
    known = dict.fromkeys(one for person in people for one in _present(turn, person, tier))
    tell(turn, ((one, roster.free_at(one, tier, start)) for one in known),
         "digest" if digest and occasion == "raised" else occasion, digest=digest)  # fmt: skip


def take_over(turn: Turn, message: Message) -> None:
    """A message of the alert that this one superseded goes on as this one's: to the same person, over the same channel,
    and under the same key where that was tried and never answered, so that whoever got it can drop the repeat."""
    turn.set(tellings=turn.thread.tellings + 1)
    alert, to = turn.thread.alert, message.to
    ours = {
        "delivery": derive("delivery", alert, turn.thread.tellings, to.person, to.channel), "alert": alert,
        "repeats": message.delivery if message.begun else None,
    }  # fmt: skip
    turn.send((message.model_copy(update=ours),))


def climb(turn: Turn, reason: str) -> None:
    """One level up, written down; nobody is told yet."""
    thread = turn.thread
    escalated = thread.waiting and not thread.answered
    turn.set(level=thread.level + 1, reminded_at=turn.at, state="escalated" if escalated else thread.state)
    clock.wind(turn)
    turn.note(Escalated.model_validate({"level": turn.thread.level, "reason": reason}))


def tell_those_told(turn: Turn, occasion: Occasion, people: Iterable[str], *, digest: bool = False) -> None:
    """Tell people of a change, at the most urgent tier under which any of them was told; never sooner than quiet
    hours allow, save for a P1. In place of somebody who left the roster the fallback is told. A message on its way says
    it too, unless a channel was tried with it: then it may have said something older."""
    thread, roster = turn.thread, turn.roster
    people = tuple(people)
    tiers = [thread.tier, *(entry.tier for entry in thread.told if entry.to.person in people)]
    tier = min(tiers, key=lambda one: rank_of(one, None))
    digest = digest or tier == "P3"
    start = roster.settled(tier, turn.at)
    start = roster.next_digest(start) if digest else start
    pending = {one.to.person for one in thread.unsent if one.occasion == occasion and not one.begun}
    known = dict.fromkeys(one for person in people for one in _present(turn, person, tier) if one not in pending)
    tell(turn, ((one, roster.free_at(one, "P3" if digest else tier, start)) for one in known), occasion,
         tier=tier, digest=digest)  # fmt: skip


def _present(turn: Turn, person: str, tier: Tier) -> tuple[str, ...]:
    roster = turn.roster
    if roster.belongs(person, tier):
        return (person,)
    return roster.recipients(tier, turn.thread.due_hours, roster.fallback_level(tier, turn.thread.due_hours), turn.at)
