"""``alerts.v1``: an alert raised, amended, closed, retracted."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from refrain.contracts.events.head import Event, Wire
from refrain.contracts.events.reports import Processing

Tier = Literal["P1", "P2", "P3", "DQ"]
AlertState = Literal["open", "amended", "closed", "retracted"]


class Evidence(Wire):
    """A result that an alert rests on, with the value it had when the alert was issued."""

    result: UUID
    version: UUID
    analyte: str
    text: str
    collected_at: AwareDatetime


class Alert(Event):
    """Head of the four alert events. One alert id over the alert's whole life."""

    alert: UUID
    kind: str
    tier: Tier
    due_hours: int | None = None
    subject: str
    """Axis or analyte code the alert is about."""
    line: int | None = None
    episode: UUID
    text: str
    evidence: tuple[Evidence, ...] = ()
    at: AwareDatetime
    """Latest ``issued_at`` among the evidence."""
    sequence: int
    """How many events this alert id had before this one."""
    tags: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    settings: str = ""
    processing: Processing = "live"


class AlertRaised(Alert):
    """A new alert. A notice is born closed: it tells, and waits for nothing."""

    fact: Literal["alert_raised"] = "alert_raised"
    notice: bool = False


class ValueChange(Wire):
    """Old and new text of one result that an alert rested on."""

    result: UUID
    analyte: str
    before: str
    after: str | None
    """None when the result was withdrawn or no longer counts."""


class AlertAmended(Alert):
    """The same alert with other evidence, tier or text; ``what_changed`` says so in a sentence."""

    fact: Literal["alert_amended"] = "alert_amended"
    what_changed: str
    values: tuple[ValueChange, ...] = ()
    """Results it rests on whose value was corrected, with both values."""
    still_open: bool = True
    """False when the alert had been closed, or was born closed, and stays so."""


class AlertClosed(Alert):
    """The reason ended in the normal course of things."""

    fact: Literal["alert_closed"] = "alert_closed"
    reason: str
    superseded_by: UUID | None = None


class AlertRetracted(Alert):
    """The reason never held, as is now known; ``with_alerts`` are taken back by the same event."""

    fact: Literal["alert_retracted"] = "alert_retracted"
    reason: str
    values: tuple[ValueChange, ...] = ()
    with_alerts: tuple[UUID, ...] = ()


AlertEvent = Annotated[AlertRaised | AlertAmended | AlertClosed | AlertRetracted, Field(discriminator="fact")]
