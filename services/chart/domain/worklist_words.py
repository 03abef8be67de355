"""What the work list and the page of an alert say: tiers, states and what was done, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from refrain.contracts.acknowledging import REASON_BY_CODE
from refrain.contracts.events import (
    Acknowledged,
    AlertAction,
    Ended,
    Escalated,
    Inherited,
    Occasion,
    ReadBack,
    Reassigned,
    Reopened,
    Snoozed,
    ThreadState,
    Tier,
    Told,
    Undelivered,
    Woken,
)
from services.chart.domain.views import AlertRow


@dataclass(frozen=True, slots=True)
class TierWords:
    """``name`` as people say it, ``means`` by when somebody answers."""

    name: str
    means: str


TIERS: Mapping[Tier, TierWords] = {
    "P1": TierWords("Critical", "answer and read back within 15 minutes"),
    "P2": TierWords("Same day", "answer within 24 or 72 hours"),
    "P3": TierWords("For information", "weekly digest, nothing to answer"),
    "DQ": TierWords("Data question", "laboratory, within 2 working days"),
}

STATES: Mapping[ThreadState, str] = {
    "raised": "nobody told yet",
    "delivered": "told, not answered",
    "escalated": "escalated, not answered",
    "snoozed": "snoozed",
    "acknowledged": "acknowledged",
    "read_back": "acknowledged and read back",
    "closed": "closed",
    "retracted": "withdrawn",
}

OCCASIONS: Mapping[Occasion, str] = {
    "raised": "the alert",
    "amended": "a change of the alert",
    "closed": "that it is over",
    "retracted": "that it is withdrawn",
    "resent": "the alert again",
    "escalated": "the alert, because nobody had answered",
    "reassigned": "the alert, because it was passed on",
    "reminded": "a reminder of the read-back",
    "digest": "the alert, in a digest",
}

FAILURES: Mapping[str, str] = {
    "unreachable": "the channel could not be reached",
    "refused": "the channel refused the message",
    "timeout": "the channel did not answer in time",
    "auth": "the channel refused our sign-in",
    "tls": "the channel's certificate could not be trusted",
    "misconfigured": "the channel is not set up",
    "channel_dead": "the channel is down",
}

ESCALATIONS: Mapping[str, str] = {
    "unanswered": "nobody had answered in time",
    "undeliverable": "no channel took the message",
    "nobody_on_duty": "nobody was on duty",
}

SNOOZES: Mapping[Tier, tuple[tuple[str, timedelta], ...]] = {
    "P1": (),
    "P2": (("1 hour", timedelta(hours=1)), ("4 hours", timedelta(hours=4)), ("1 day", timedelta(days=1))),
    "P3": (),
    "DQ": (("4 hours", timedelta(hours=4)), ("1 day", timedelta(days=1))),
}
"""The times to choose from; the site's own limit is notify's, which may refuse a longer one."""


def snoozes(row: AlertRow) -> tuple[tuple[str, timedelta], ...]:
    """What is offered for an alert: never a silence that lasts until the hour it is to be answered by, or longer."""
    within = timedelta(hours=row.due_hours) if row.due_hours else None
    return tuple((words, length) for words, length in SNOOZES[row.tier] if within is None or length < within)


def sentence(action: AlertAction) -> str:
    """What was done, without who and when."""
    match action.body:
        case Told(to=to, occasion=occasion, level=level):
            further = f" (escalation level {level})" if level else ""
            return f"{to.person} was told {OCCASIONS[occasion]} over {to.channel}{further}"
        case Undelivered(to=to, occasion=occasion, reason=reason):
            why = FAILURES.get(reason, reason)
            return f"{to.person} could not be told {OCCASIONS[occasion]} over {to.channel}: {why}"
        case Acknowledged(reason=reason, comment=comment):
            words = REASON_BY_CODE[reason].words if reason in REASON_BY_CODE else reason
            return f"acknowledged: {words}" + (f" – “{comment}”" if comment else "")
        case ReadBack(by=by, comment=comment):
            return f"read back by {by}" + (f" – “{comment}”" if comment else "")
        case Snoozed(reason=reason):
            return "snoozed" + (f": {reason}" if reason else "")
        case Woken(reason=reason):
            return f"the snooze ended: {reason}"
        case Reassigned(to=to_person, reason=reason):
            return f"passed on to {to_person}" + (f": {reason}" if reason else "")
        case Escalated(level=level, reason=reason):
            return f"escalated to level {level}: {ESCALATIONS.get(reason, reason)}"
        case Reopened(reason=reason):
            return f"waits for an answer again: {reason}"
        case Inherited():
            return "goes on where an earlier alert of the same episode stood"
        case Ended(how=how):
            return "closed: nobody needs to answer any more" if how == "closed" else "withdrawn"


def who(action: AlertAction) -> str:
    """Refrain itself, or the person with their role."""
    if action.actor.type == "system":
        return "Refrain"
    role = f" ({action.actor.role})" if action.actor.role else ""
    via = f", through {action.actor.via}" if action.actor.via and action.actor.via != "console" else ""
    return f"{action.actor.id}{role}{via}"


def headline(sentence: str) -> str:
    """With a capital first letter, and every other letter as it is (VEGF, IgG)."""
    return sentence[:1].upper() + sentence[1:]


def standing(row: AlertRow) -> str:
    """Where an alert stands with people."""
    match row.state:
        case "acknowledged" | "read_back":
            reason = REASON_BY_CODE.get(row.acknowledge_reason)
            why = f": {reason.words}" if reason else ""
            missing = ", read-back missing" if row.tier == "P1" and row.waiting else ""
            return f"{STATES[row.state]} by {row.acknowledged_by}{why}{missing}"
        case "escalated":
            return f"{STATES[row.state]} (level {row.level})"
        case "raised" if row.notice:
            return "for information"
        case "raised" if row.fact_state == "closed":
            return "closed"
        case "raised" if row.tier == "P3":
            return "for the next digest"
    return STATES[row.state]


def answered(state: str, who: str, *, reason: str = "", until: str = "", assigned_to: str = "") -> str:
    """What the page says after notify took an answer."""
    match state:
        case "acknowledged":
            words = REASON_BY_CODE[reason].words if reason in REASON_BY_CODE else reason
            return f"Acknowledged by {who}: {words}."
        case "read_back":
            return "Read back. Nobody needs to answer this alert any more."
        case "snoozed":
            return f"Silent until {until}."
    return f"It is with {assigned_to} now, who is being told." if assigned_to else "Recorded."
