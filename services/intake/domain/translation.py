"""What one message became: the outcome, its reports, what could not be used, and what an answer needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Literal

from refrain.contracts.events import LabReport
from services.intake.domain.er7 import Segment
from services.intake.domain.profile import Profile
from services.intake.domain.reasons import REASONS, Rejected

Outcome = Literal["published", "duplicate", "ignored", "quarantined"]


@dataclass(frozen=True, slots=True)
class QuarantinedPart:
    """One result that could not be used. ``place`` is ``OBX[3]``."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Translation:
    """One message, translated. ``reason`` is of the closed list; None where everything else is published."""

    outcome: Outcome
    reason: str | None
    place: str
    reports: tuple[LabReport, ...]
    quarantined: tuple[QuarantinedPart, ...]
    quality: tuple[str, ...]
    """Codes about the message as a whole."""
    header: Segment | None
    """MSH as far as it could be read; None when there is none."""
    codec: str
    """The character set that read the message, and writes the answer."""
    profile: Profile | None
    """None when no profile belongs to the sender."""
    received_at: datetime
    hash: str
    """sha256 of the bytes as received, hexadecimal."""
    size: int
    transport: str | None
    """The duplicate hash (feeds.md 9); None when the header could not be read."""
    message_type: str
    """``ORU^R01``; empty when unreadable."""

    @property
    def sender(self) -> str:
        """The profile's name for the sender; empty when it is unknown."""
        return self.profile.sender if self.profile else ""

    @property
    def control_id(self) -> str:
        """MSH-10 as received."""
        return self.header.raw(10) if self.header else ""

    @property
    def by_header(self) -> bool:
        """Whether the header was refused (AR), so that nothing in the message was looked at."""
        return self.outcome == "quarantined" and self.reason is not None and REASONS[self.reason].kind == "header"

    @property
    def may_be_remembered(self) -> bool:
        """Whether the body may enter the duplicate memory: all of it was published or ignored (answers 29)."""
        kept = self.outcome == "published" or (self.reason is not None and REASONS[self.reason].kind == "ignored")
        return kept and not self.quarantined and self.transport is not None

    @property
    def unusable(self) -> tuple[QuarantinedPart, ...]:
        """What goes to quarantine: single results, or the message as a whole; its place may be empty."""
        if self.outcome == "quarantined" and not self.quarantined:
            return (QuarantinedPart(self.place, self.reason or "internal_error"),)
        return self.quarantined

    def as_duplicate(self) -> Translation:
        """The same message after its transport hash was found in the memory: nothing is published."""
        return replace(self, outcome="duplicate", reason=None, place="", reports=(), quarantined=())


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came, with everything a translation may depend on."""

    raw: bytes
    profile: Profile | None
    received_at: datetime
    header: Segment | None
    listener: str = ""
    codec: str = "utf-8"
    quality: tuple[str, ...] = ()
    transport: str | None = None
    digest: str = ""
    size: int = -1

    @property
    def hash(self) -> str:
        return self.digest or sha256(self.raw).hexdigest()

    @property
    def message_type(self) -> str:
        """MSH-9 as ``TYPE^EVENT``, or ``TYPE`` alone."""
        if self.header is None:
            return ""
        kind, event = self.header.text(9).strip(), self.header.text(9, 2).strip()
        return f"{kind}^{event}" if event else kind

    def became(
        self,
        outcome: Outcome,
        reason: str | None = None,
        place: str = "",
        reports: Iterable[LabReport] = (),
        parts: Iterable[QuarantinedPart] = (),
        quality: Iterable[str] = (),
    ) -> Translation:
        """The translation of this message."""
        return Translation(
            outcome=outcome, reason=reason, place=place, reports=tuple(reports), quarantined=tuple(parts),
            quality=(*self.quality, *quality), header=self.header, codec=self.codec, profile=self.profile,
            received_at=self.received_at, hash=self.hash, size=len(self.raw) if self.size < 0 else self.size,
            transport=self.transport, message_type=self.message_type,
        )  # fmt: skip

    def refused(self, cause: Rejected) -> Translation:
        """The whole message is quarantined."""
        return self.became("quarantined", cause.reason, cause.place)
