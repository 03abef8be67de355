"""An alert as people work on it: one thread per alert id, with what was told to whom, and what is to be sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from refrain.contracts.alerting import URGENCY
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


def rank_of(tier: Tier, due_hours: int | None) -> int:
    """Place in the order of urgency, 0 the most urgent (clinical.md 12.4); a P2 by the hours it leaves."""
    if tier == "P2":
        return URGENCY.index(("P2", 72 if due_hours is not None and due_hours >= 72 else 24))
    return URGENCY.index((tier, None))


class Message(Wire):
    """One thing to tell one person over one channel. Its id is derived, and is the channel's idempotency key."""

    delivery: UUID
    alert: UUID
    to: Recipient
    further: tuple[str, ...] = ()
    """The person's other channels, in order, should this one fail."""
    occasion: Occasion
    level: int
    tier: Tier
    """How urgent the message is: a retraction is told at the most urgent tier under which its alert was told; what
    goes out in the digest is a P3."""
    digest: bool = False
    """Goes out in the weekly digest: all of one person and channel that is due make one message, over all patients.
    Within it ``reminded`` comes first: it was in a digest before, and nobody answered for two weeks."""
    round: int = 0
    """How often every channel of this person failed before; the pause before the next round grows with it."""
    not_before: AwareDatetime
    """Quiet hours, the time that messages of one draw are collected, or the digest's hour."""
    give_up_at: AwareDatetime
    """When the next channel or level is tried instead."""
    begun: bool = False
    """Whether a channel was ever tried with it. From then on nobody knows that it was *not* told until one took it."""
    repeats: UUID | None = None
    """The delivery that this one goes on for, of an alert that its alert superseded: a channel was tried with that one,
    and did not answer. It goes under the same idempotency key, so that it is heard once."""


class ToldOnce(Wire):
    """The newest thing that one person was told, or that they took it on: they must hear of a retraction, unless this
    was one. ``channel`` of ``to`` is where they answered, and ``delivery`` is NIL, when they took it on."""

    to: Recipient
    at: AwareDatetime
    occasion: Occasion
    level: int
    tier: Tier
    """The most urgent under which they were told since."""
    delivery: UUID
    sure: bool = True
    """False where a channel was tried and the answer never came: told of what corrects it, counted as told for nothing
    else (RET-3 says: everyone who was sent it)."""


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
    """Old and new value of the newest correction; of all corrections that somebody has still to be told of."""
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
    """Anything but live is recorded here and goes no further: no message, no timer, no answer, no action."""
    notice: bool = False
    """Tells and waits for nothing: for its facts it is closed, people may still acknowledge that they read it."""
    fact_state: FactState = "open"
    sequence: int = 0
    """Of the newest alert event; an event at or below it was seen."""
    repeats: int = 0
    """New samples that changed nothing a person must know: counted, not told (FAT-1, FAT-2)."""
    successor: UUID | None = None
    predecessors: tuple[UUID, ...] = ()
    """Alerts of the same episode that this one superseded: what was told and answered there holds here."""

    state: ThreadState = "raised"
    number: int = 0
    """Of its newest action."""
    level: int = 0
    """Escalation level reached; one past the chain's last is the roster's fallback."""
    clock_from: AwareDatetime
    """Escalation counts from here: raised, opened again or more urgent, moved on by what was snoozed."""
    assigned_to: str = ""
    acknowledged_by: str = ""
    acknowledged_at: AwareDatetime | None = None
    acknowledge_reason: str = ""
    read_back_at: AwareDatetime | None = None
    read_back_by: str = ""
    snoozed_until: AwareDatetime | None = None
    snoozed_for: timedelta = timedelta()
    """All its snoozes together, the present one to its end: the site's limit is for the sum."""
    told: tuple[ToldOnce, ...] = ()
    """One entry per person, the newest last."""
    unsent: tuple[Message, ...] = ()
    """On their way: no channel has taken or refused them yet."""
    tellings: int = 0
    """How often something was sent off; makes each delivery id its own."""
    resent: bool = False
    """Whether the first contacts were told a second time (P1), or a digest a second time (P3)."""
    reminded_at: AwareDatetime | None = None
    """When the newest step was taken after the acknowledgement of a P1, or when there is no further level."""
    wake_at: AwareDatetime | None = None
    """When the store must call back (escalation, resend, end of a snooze); None when nothing waits."""
    due_at: AwareDatetime | None = None
    """When it is escalated next unless somebody answers, as people are shown."""

    @property
    def waiting(self) -> bool:
        """Whether somebody still has to answer: an open P1 until it is read back, others until acknowledged."""
        if self.fact_state != "open" or self.tier == "P3" or self.processing != "live":
            return False
        return self.state != "read_back" if self.tier == "P1" else self.state not in ("acknowledged", "read_back")

    @property
    def rank(self) -> int:
        """Place in the order of urgency, 0 the most urgent."""
        return rank_of(self.tier, self.due_hours)

    @property
    def live(self) -> bool:
        return self.processing == "live"

    @property
    def answered(self) -> bool:
        """Whether a person took it on since it was told (anew)."""
        return bool(self.acknowledged_by)

    @property
    def pending(self) -> int:
        """How many messages are on their way."""
        return len(self.unsent)

    @property
    def ended(self) -> bool:
        """Closed or retracted for people: nobody can answer it any more. A notice ends only by a retraction."""
        return self.state in ("closed", "retracted")
