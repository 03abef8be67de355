"""An alert as people work on it: one thread per alert id, with what was told to whom, and what is to be sent."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from refrain.contracts.events import (
    Evidence,
    Occasion,
    PatientId,
    Processing,
    Recipient,
    RuleRef,
    ThreadState,
    Tier,
    ValueChange,
    Wire,
)

FactState = Literal["open", "closed", "retracted"]


class ToldOnce(Wire):
    """Somebody whom a channel reached: who must hear of a retraction."""

    to: Recipient
    at: AwareDatetime
    occasion: Occasion
    level: int


class Thread(Wire):
    """Where one alert stands. A pure function of the happenings so far; kept as JSON beside its columns."""

    alert: UUID
    patient: PatientId
    kind: str
    tier: Tier
    due_hours: int | None = None
    subject: str = ""
    line: int | None = None
    episode: UUID
    text: str
    rule: RuleRef | None = None
    evidence: tuple[Evidence, ...] = ()
    values: tuple[ValueChange, ...] = ()
    """Old and new value of the newest correction."""
    what_changed: str = ""
    """Why it was amended, closed or retracted, in the words of its service."""
    at: AwareDatetime
    raised_at: AwareDatetime
    """When notify had it first."""
    recorded_at: AwareDatetime
    """When intake had the newest fact behind it: result-to-delivery is measured from here."""
    trace: str = ""
    caused_by: UUID
    """The newest alert event."""
    processing: Processing = "live"
    notice: bool = False
    fact_state: FactState = "open"
    sequence: int = 0
    """Of the newest alert event; an event at or below it was seen."""
    repeats: int = 0
    successor: UUID | None = None
    predecessors: tuple[UUID, ...] = ()
    """Alerts of the same episode that this one superseded: what was told and answered there holds here."""

    state: ThreadState = "raised"
    number: int = 0
    """Of its newest action."""
    level: int = 0
    assigned_to: str = ""
    acknowledged_by: str = ""
    acknowledged_at: AwareDatetime | None = None
    acknowledge_reason: str = ""
    read_back_at: AwareDatetime | None = None
    read_back_by: str = ""
    snoozed_until: AwareDatetime | None = None
    told: tuple[ToldOnce, ...] = ()
    pending: int = 0
    """Messages on their way that no channel has taken or refused yet."""
    resent: bool = False
    """Whether the resend of this level is done (P1)."""
    wake_at: AwareDatetime | None = None
    """When the store must call back (escalation, resend, end of a snooze); None when nothing waits."""
    due_at: AwareDatetime | None = None
    """When it is escalated next unless somebody answers, as people are shown."""

    @property
    def waiting(self) -> bool:
        """Whether somebody still has to answer: an open P1 until it is read back, others until acknowledged."""
        if self.fact_state != "open" or self.notice or self.tier == "P3":
            return False
        return self.state != "read_back" if self.tier == "P1" else self.state != "acknowledged"


class Message(Wire):
    """One thing to tell one person over one channel. Its id is derived, and is the channel's idempotency key."""

    delivery: UUID
    alert: UUID
    to: Recipient
    further: tuple[str, ...] = ()
    """The person's other channels, in order, should this one fail."""
    occasion: Occasion
    level: int
    not_before: AwareDatetime
    """Quiet hours, the time that messages of one draw are collected, or the digest's hour."""
    give_up_at: AwareDatetime
    """When the next channel or level is tried instead."""
