"""The life of an alert with people: :func:`advance` moves one thread, :func:`take` all that an alert event moves.

Both are pure: the time is in the happening, everything else in the thread and the roster. :data:`LIFE` says what
happens in which state.
"""

from services.notify.domain.happenings import (
    Acknowledge,
    Begun,
    Failed,
    Happening,
    HeardThere,
    Inherits,
    IsPast,
    Issued,
    Outcome,
    Reassign,
    RecordReadBack,
    Refused,
    Sent,
    Snooze,
    TakenBack,
    Woke,
)
from services.notify.domain.kin import concerned, take
from services.notify.domain.table import COLUMNS, LIFE, advance, as_table

__all__ = [
    "COLUMNS", "LIFE", "Acknowledge", "Begun", "Failed", "Happening", "HeardThere", "Inherits", "IsPast", "Issued",
    "Outcome", "Reassign", "RecordReadBack", "Refused", "Sent", "Snooze", "TakenBack", "Woke", "advance", "as_table",
    "concerned", "take",
]  # fmt: skip
