"""Makes the quarantine records of one message: one for each result that could not be used, or one for all of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from refrain.contracts.events import Quarantined
from refrain.contracts.ids import derive
from services.intake.adapters.publisher import Place, Record
from services.intake.adapters.work_list import Kept, RawAt
from services.intake.domain.framing import Frame
from services.intake.domain.reports import trace_of
from services.intake.domain.translation import Translation

REPEATED_RAW_BYTES = 1024 * 1024
"""While all entries of a message together stay under this, each carries its bytes; else the first one does."""


def quarantined(translation: Translation, frame: Frame, listener: str) -> tuple[Quarantined, ...]:
    """The records, with derived ids: a message that comes again adds none. Of one too large, no bytes are kept."""
    whole = translation.outcome == "quarantined" and not translation.quarantined
    parts = translation.unusable
    raw = None if frame.too_large else b64encode(frame.payload).decode("ascii")
    everywhere = len(raw or "") * len(parts) <= REPEATED_RAW_BYTES
    return tuple(
        Quarantined(
            event_id=derive("quarantined", translation.sender, translation.hash, part.place, part.reason),
            recorded_at=translation.received_at,
            sender=translation.sender,
            listener=listener,
            profile=translation.profile.hash if translation.profile else "",
            trace=str(trace_of(translation.hash)),
            reason=part.reason,
            place=part.place,
            whole_message=whole,
            hash=translation.hash,
            size=translation.size,
            raw=raw if everywhere or number == 0 else None,
        )
        for number, part in enumerate(parts)
    )


def kept_at(entries: Mapping[Record, Quarantined], places: Mapping[Record, Place]) -> tuple[Kept, ...]:
    """The entries of one message with the place of its bytes: in its own record, else in the first that has them."""
    own = {
        entry.event_id: RawAt(str(entry.event_id), places[record].partition, places[record].offset)
        for record, entry in entries.items()
        if entry.raw is not None and record in places
    }
    first = next(iter(own.values()), None)
    return tuple(Kept(entry, own.get(entry.event_id, first)) for entry in entries.values())
