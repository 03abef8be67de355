"""``alert-actions.v1``: what was done about an alert: told, acknowledged, read back, snoozed, escalated, ended."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from refrain.contracts.events.alerts import Tier
from refrain.contracts.events.head import Event, Wire

ThreadState = Literal[
    "raised", "delivered", "escalated", "snoozed", "acknowledged", "read_back", "closed", "retracted"
]  # fmt: skip
"""Where an alert stands with people. ``delivered``: a channel took it, nobody has answered; ``acknowledged`` of a P1
still waits for its read-back; ``closed`` and ``retracted`` end it."""

Occasion = Literal[
    "raised", "amended", "closed", "retracted", "resent", "escalated", "reassigned", "reminded", "digest"
]
"""Why somebody is told."""


class Actor(Wire):
    """Who did it: a person as the console or an EHR authenticated them, or Refrain itself."""

    type: Literal["person", "system"]
    id: str
    """The person's id at the sign-in; ``notify`` for the system."""
    role: str = ""
    via: str = ""
    """console, api, cds-hooks, ..."""


class Recipient(Wire):
    """One address of one person or duty: ``channel`` is the name in the roster, never the address itself."""

    person: str
    channel: str


class Told(Wire):
    """A channel accepted a message."""

    type: Literal["told"] = "told"
    to: Recipient
    occasion: Occasion
    level: int
    """Escalation level, 0 for those told first."""
    delivery: UUID
    """The channel's idempotency key; the same for every repeat of this message."""


class Undelivered(Wire):
    """A channel failed for good for this message; whoever is next was told instead."""

    type: Literal["undelivered"] = "undelivered"
    to: Recipient
    occasion: Occasion
    level: int
    delivery: UUID
    reason: str
    """refused, unreachable, channel_dead, ...: a closed list, never the server's text."""


class Acknowledged(Wire):
    """A person took it on. ``reason`` is a code of :mod:`refrain.contracts.acknowledging`."""

    type: Literal["acknowledged"] = "acknowledged"
    reason: str
    comment: str = ""
    override: bool


class ReadBack(Wire):
    """A critical result was read back: name, identifier and value, each confirmed (clinical.md 17.2)."""

    type: Literal["read_back"] = "read_back"
    by: str
    """Who read it back, as the actor wrote it down."""
    comment: str = ""


class Snoozed(Wire):
    type: Literal["snoozed"] = "snoozed"
    until: AwareDatetime
    reason: str


class Woken(Wire):
    """A snooze ended without an answer, or what came in meanwhile ended it."""

    type: Literal["woken"] = "woken"
    reason: str


class Reassigned(Wire):
    type: Literal["reassigned"] = "reassigned"
    to: str
    """A person of the roster."""
    reason: str


class Escalated(Wire):
    """Nobody answered in time: the next level is told."""

    type: Literal["escalated"] = "escalated"
    level: int
    reason: Literal["unanswered", "undeliverable", "nobody_on_duty"]


class Reopened(Wire):
    """What was acknowledged became more urgent or opened again: it waits for an answer anew."""

    type: Literal["reopened"] = "reopened"
    reason: str


class Inherited(Wire):
    """It superseded another alert of its episode: what was told, answered and assigned there holds here."""

    type: Literal["inherited"] = "inherited"
    predecessor: UUID
    level: int = 0
    """Escalation level after it."""
    acknowledged_by: str = ""
    """Who has answered, under the one id or the other; empty while nobody has."""
    acknowledged_at: AwareDatetime | None = None
    acknowledge_reason: str = ""
    snoozed_until: AwareDatetime | None = None


class Ended(Wire):
    """The alert was closed or retracted by its service; nobody needs to answer any more."""

    type: Literal["ended"] = "ended"
    how: Literal["closed", "retracted"]


ActionBody = Annotated[
    Told
    | Undelivered
    | Acknowledged
    | ReadBack
    | Snoozed
    | Woken
    | Reassigned
    | Escalated
    | Reopened
    | Inherited
    | Ended,
    Field(discriminator="type"),
]


class AlertAction(Event):
    """One thing that was done about one alert. Written by notify only; the same row is in its audit table."""

    fact: Literal["alert_action"] = "alert_action"
    alert: UUID
    number: int
    """Position among the actions of this alert, from 1. Readers keep the highest as where it stands."""
    kind: str
    tier: Tier
    at: AwareDatetime
    actor: Actor
    state: ThreadState
    """Where the alert stands after this action."""
    assigned_to: str = ""
    """Who holds it after this action: a person of the roster, or empty."""
    due_at: AwareDatetime | None = None
    """When it is escalated next unless somebody answers; None when nothing waits."""
    body: ActionBody
