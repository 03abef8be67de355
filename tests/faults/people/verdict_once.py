"""Whether nobody was told twice, and whether what is on record as told was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from refrain.contracts.events import AlertAction, Occasion
from refrain.contracts.events.actions import Inherited, Told, Undelivered
from tests.faults.people.complaints import Allowed, some
from tests.faults.people.evidence import Evidence, Heard
from tests.faults.people.lives import Life, family
from tests.faults.people.receivers import MAIL


def nobody_is_told_twice(evidence: Evidence, allowed: Allowed) -> Iterator[str]:
    """Of one alert, for one reason and level, a person hears once; what is repeated carries the key it had."""
    keys: dict[tuple[UUID, Occasion, int, str], set[tuple[UUID, str]]] = {}
    for one in evidence.heard:
        keys.setdefault((one.alert, one.occasion, one.level, one.person), set()).add((one.key, one.channel))
    given_up = Counter(
        (action.alert, action.body.occasion, action.body.level, action.body.to.person)
        for action in evidence.audit
        if isinstance(action.body, Undelivered)
    )
    twice = []
    for place, found in keys.items():
        alert, occasion, _, person = place
        may = _times(evidence, evidence.lives[alert], occasion, person)
        if len(found) > may + given_up[place]:
            twice.append(f"{alert} {occasion} {person} ({len(found)} keys, {may} meant, {given_up[place]} given up)")
        elif len(found) > may:
            allowed["message heard over a second channel after the first was given up"] += len(found) - may
    yield from some("messages came under more than one key", twice)


def _times(evidence: Evidence, life: Life, occasion: Occasion, person: str) -> int:
    """How often a person may hear of an alert for one reason, after what its service said and people asked."""
    kin = family(evidence.lives, [life.alert])  # what was on its way goes on under the id that took over
    asked = [request for request in evidence.requests if request.alert in kin]
    match occasion:
        case "amended":
            lives = [evidence.lives[alert] for alert in kin]
            more_urgent = sum(life.periods[0].rank < one.periods[-1].rank for one in lives)
            return sum(one.corrections + one.openings - 1 for one in lives) + more_urgent
        case "retracted":
            return sum(len(evidence.lives[alert].retractions) for alert in kin) + life.openings - 1
        case "closed":
            return life.closings
        case "reminded":
            return life.openings + sum(request.kind == "snooze" for request in asked)
        case "reassigned":
            return sum(request.kind == "reassign" and request.to == person for request in asked)
    return life.openings


def one_episode_is_told_once(evidence: Evidence, allowed: Allowed) -> Iterator[str]:
    """Nobody is told of an episode first under a superseded id and then, under another key, under the one that took
    over. Where a try was given up without an answer, somebody may hear twice."""
    twice = []
    for heir in evidence.lives.values():
        for alert in heir.predecessors:
            for old, new in _both(evidence, alert, heir):
                if why := _excuse(evidence, old, new):
                    allowed[f"episode told under both ids, because {why}"] += 1
                else:
                    twice.append(f"{alert} and {heir.alert} {old.person}")
    yield from some("episodes were told under two ids", twice)


def _excuse(evidence: Evidence, old: Heard, new: Heard) -> str:
    alerts = (old.alert, new.alert)
    mine = {one.message.delivery for one in evidence.members[old.key] if one.message.alert in alerts}
    done = [action for alert in alerts for action in evidence.actions_of.get(alert, ())
            if isinstance(action.body, Told | Undelivered) and action.body.delivery in mine]  # fmt: skip
    if any(isinstance(action.body, Told) and action.at.timestamp() < new.at for action in done):
        return ""
    if any(isinstance(action.body, Undelivered) for action in done):
        return "the first try was given up without an answer"
    took_over = [action.at.timestamp() for action in evidence.actions_of.get(new.alert, ())
                 if isinstance(action.body, Inherited)]  # fmt: skip
    return "" if any(at < new.at for at in took_over) else "notify learned later that one takes over from the other"


def _both(evidence: Evidence, alert: UUID, heir: Life) -> Iterator[tuple[Heard, Heard]]:
    if heir.periods[0].rank < evidence.lives[alert].periods[-1].rank:
        return  # more urgent: told anew
    for old in evidence.heard_of.get(alert, ()):
        for new in evidence.heard_of.get(heir.alert, ()):
            if old.person == new.person and old.occasion == new.occasion == "raised" and old.at < new.at:
                yield old, new


def keys_are_known(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """Whatever a receiver took is in the delivery log under its key, for that person, about those alerts."""
    strange = []
    for message in evidence.accepted:
        members = [one.message for one in evidence.members.get(message.key, ())]
        about = {one.alert for one in members if one.to.person == message.person and one.to.channel == message.channel}
        about = family(evidence.lives, about) if message.channel == MAIL else about  # a mail names what it goes on for
        if not members or not set(message.alerts) <= about:
            strange.append(f"{message.channel} {message.key}")
        elif message.channel != MAIL and not {*zip(message.alerts, message.occasions, strict=True)} <= {
            (one.alert, one.occasion) for one in members
        }:
            strange.append(f"{message.channel} {message.key} for another reason")
    yield from some("messages were taken that the delivery log does not know", strange)


def nobody_is_said_to_be_told_who_was_not(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """Each ``told`` of the audit was taken by that channel for that person."""
    took = {(one.key, one.person, one.channel, alert) for one in evidence.accepted for alert in one.alerts or (None,)}
    false = [
        f"{action.alert} {action.body.to.person}"
        for action in evidence.audit
        if isinstance(action.body, Told) and not _takings(evidence, action, action.body) & took
    ]
    yield from some("people are on record as told whom no channel told", false)


def _takings(evidence: Evidence, action: AlertAction, told: Told) -> set[tuple[UUID, str, str, UUID | None]]:
    """What a receiver has when this telling is true: with the alert's id, or in a digest, which has none."""
    if (delivery := evidence.deliveries.get(told.delivery)) is None:
        return set()
    place = delivery.key, told.to.person, told.to.channel
    return {(*place, action.alert), (*place, None)}
