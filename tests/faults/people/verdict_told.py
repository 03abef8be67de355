"""Whether everybody was told who had to be: of an alert, of a notice, of a retraction; and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from refrain.contracts.events import Occasion
from refrain.contracts.events.actions import Acknowledged, ReadBack
from tests.faults.people.answering import DONE, UNANSWERED, Request
from tests.faults.people.complaints import Allowed, some
from tests.faults.people.evidence import Evidence, Heard
from tests.faults.people.lives import Life, Period, family

SETTLED_SECONDS = 5.0
"""More than the roster of a run lets messages wait for others of their draw."""
OVER = "over before it was told"
ASKS: frozenset[Occasion] = frozenset({"raised", "resent", "escalated", "reminded", "reassigned", "digest", "amended"})
"""Whoever hears one of these knows that the alert stands."""


def everybody_is_told(evidence: Evidence, allowed: Allowed) -> Iterator[str]:
    """Of whatever stands somebody heard who can act, or somebody answered already; and of what ended before that, the
    digest says so."""
    untold, astray, unsaid = [], [], []
    for life in evidence.lives.values():
        heard = [one for one in evidence.heard_of.get(life.alert, ()) if one.occasion in ASKS]
        if not life.live:
            continue
        may = _may_be_told(evidence, life)
        astray += [f"{life.alert} to {one.person}" for one in heard if one.person not in may]
        for period in life.periods:
            if period.tier == "P3":
                continue
            why = _told_in(evidence, life, period, [one for one in heard if one.person in may])
            if why:
                allowed[f"alert {why}"] += 1
            else:
                untold.append(f"{life.alert} {period.tier}")
            if why == OVER and not _said_in_the_digest(evidence, life, period):
                unsaid.append(f"{life.alert} {period.tier}")
    yield from some("alerts were told to nobody who can act", untold)
    yield from some("alerts were closed before anybody was told, and the digest does not say so", unsaid)
    yield from some("alerts were told to somebody whom they do not concern", astray)


def _told_in(evidence: Evidence, life: Life, period: Period, heard: list[Heard]) -> str:
    """How one period is accounted for; empty when it is not."""
    if any(period.start <= one.at for one in heard):
        return "told"
    for alert in life.predecessors:
        known = evidence.lives[alert]
        told = any(one.occasion in ASKS for one in evidence.heard_of.get(alert, ()))
        answered = any(request.alert in family(evidence.lives, [alert]) for request in evidence.requests)
        if (told or answered or _inherited(evidence, alert)) and known.periods[-1].rank <= period.rank:
            return "told under the id that it superseded"
    if any(_asked(request, life, period) for request in evidence.requests):
        return "answered before anybody was told"
    return "" if period.end is None else OVER


def _said_in_the_digest(evidence: Evidence, life: Life, period: Period) -> bool:
    """Whether there is a message that it is over, where there has to be one: of a P1 or P2 that was closed."""
    last = period is life.periods[-1]
    if not last or life.state != "closed" or life.successor is not None or period.tier not in ("P1", "P2"):
        return True
    return any(
        delivery.message.alert == life.alert and delivery.message.occasion == "closed"
        for delivery in evidence.deliveries.values()
    )


def _inherited(evidence: Evidence, alert: UUID) -> bool:
    """Whether somebody knew through alerts that this one had superseded itself."""
    return any(
        one.occasion in ASKS for other in family(evidence.lives, [alert]) for one in evidence.heard_of.get(other, ())
    )


def _asked(request: Request, life: Life, period: Period) -> bool:
    answers = request.kind in ("acknowledge", "read_back") and request.outcome in (DONE, UNANSWERED)
    return answers and request.alert == life.alert and request.ended >= period.start


def _may_be_told(evidence: Evidence, life: Life) -> set[str]:
    """Everybody on its chains, the fallback, and to whom it was given."""
    roster, now = evidence.roster, evidence.issued[-1].event.at
    people: set[str] = set()
    kin = family(evidence.lives, [life.alert])
    for tier, hours in {pair for alert in kin for pair in evidence.lives[alert].tiers}:
        for level in range(roster.fallback_level(tier, hours) + 1):
            people |= set(roster.recipients(tier, hours, level, now))
    given = {request.to for request in evidence.requests if request.kind == "reassign" and request.alert in kin}
    return people | {person for person in given if person and roster.belongs(person, life.tier)}


def digests_are_told(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """A notice that notify had before the digest's hour, and that nobody answered, is in it."""
    answered = {action.alert for action in evidence.audit if isinstance(action.body, Acknowledged)}
    missed = [
        life.alert
        for life in evidence.lives.values()
        if life.live and life.notice and life.state != "retracted" and life.alert in evidence.threads.keys() - answered
        and evidence.threads[life.alert].raised_at.timestamp() < evidence.digest_at - SETTLED_SECONDS
        and not any(one.occasion == "digest" for one in evidence.heard_of.get(life.alert, ()))
    ]  # fmt: skip
    yield from some("notices are in no digest", missed)


def nobody_hears_of_a_test(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """What comes from a training system is told to nobody and answered by nobody."""
    tests = {life.alert for life in evidence.lives.values() if not life.live}
    yield from some("alerts of a training system were told", tests & evidence.heard_of.keys())
    yield from some("alerts of a training system have actions", tests & evidence.actions_of.keys())


def retractions_reach_who_was_told(evidence: Evidence, allowed: Allowed) -> Iterator[str]:
    """Whoever was told of an alert, or took it on, and has not heard since that it was taken back."""
    unaware = []
    for life in evidence.lives.values():
        if life.state != "retracted" or not life.live:
            continue
        kin = family(evidence.lives, [life.alert, *_taken_back_with(evidence, life)])
        heard = [one for alert in kin for one in evidence.heard_of.get(alert, ())]
        for person, since in _who_knew(evidence, kin, heard).items():
            after = [one for one in heard if one.person == person and one.occasion == "retracted" and one.at >= since]
            if after:
                allowed["person told of a retraction"] += 1
            elif person in _will_hear(evidence, kin):
                allowed["person told of a retraction in the next digest, or when all ways are tried again"] += 1
            else:
                unaware.append(f"{life.alert} {person}")
    yield from some("people were told of an alert and not of its retraction", unaware)


def _taken_back_with(evidence: Evidence, life: Life) -> list[UUID]:
    """Alerts of its patient that the same event took back."""
    last = life.retractions[-1]
    return [
        other.alert
        for other in evidence.lives.values()
        if other.patient == life.patient and other.state == "retracted" and other.retractions[-1] == last
    ]


def _who_knew(evidence: Evidence, kin: set[UUID], heard: list[Heard]) -> dict[str, float]:
    """People who were told that one of these alerts stands, or who took it on, and when they last were."""
    known: dict[str, float] = {}
    for one in heard:
        if one.occasion not in ("retracted", "closed"):
            known[one.person] = max(known.get(one.person, 0.0), one.at)
    for alert in kin:
        for action in evidence.actions_of.get(alert, ()):
            if isinstance(action.body, Acknowledged | ReadBack) and evidence.roster.belongs(
                action.actor.id, evidence.lives[alert].tier
            ):
                known[action.actor.id] = max(known.get(action.actor.id, 0.0), action.at.timestamp())
    return known


def _will_hear(evidence: Evidence, kin: set[UUID]) -> set[str]:
    return {
        delivery.message.to.person
        for delivery in evidence.deliveries.values()
        if delivery.message.alert in kin and (delivery.message.digest or delivery.message.round)
        and delivery.state == "waiting" and delivery.message.occasion == "retracted"
    }  # fmt: skip
