"""``quarantine.v1``: what could not be used."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from refrain.contracts.events.head import Wire


class Quarantined(Wire):
    """What could not be used: cause, place and the raw bytes. Restricted topic, keyed by its own id."""

    fact: Literal["quarantined"] = "quarantined"
    event_id: UUID
    recorded_at: AwareDatetime
    sender: str
    listener: str = ""
    profile: str = ""
    trace: str = ""
    reason: str
    place: str = ""
    whole_message: bool
    hash: str
    size: int
    raw: str | None
    """Base64 of the message as received; None when it was too large to keep."""
