"""The table of an alert's life with people: what each happening does in each state, and the step through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from refrain.contracts.events import ThreadState
from services.notify.domain import answers, escalation, facts, inheriting
from services.notify.domain.happenings import Happening, Issued, Outcome
from services.notify.domain.roster import Roster
from services.notify.domain.thread import Thread
from services.notify.domain.turn import Turn

COLUMNS: tuple[str, ...] = (
    "alert_raised", "alert_amended", "alert_closed", "alert_retracted", "TakenBack", "Inherits", "HeardThere",
    "Acknowledge", "RecordReadBack", "Snooze", "Reassign", "Begun", "Sent", "Failed", "Woke",
)  # fmt: skip
"""Everything that can happen: the four alert events by name, the other happenings by type."""


@dataclass(frozen=True, slots=True)
class Step:
    """One cell of the table: what happens, in a few words, and the function that does it."""

    words: str
    do: Callable[[Turn, Any], None]


def _nothing(turn: Turn, happening: Happening) -> None:
    """Stale or meant for another state."""


SPEAKS = Step("begins, joins the thread, or is told anew when more urgent", facts.speaks)
OPENS = Step("opens again, or corrects a value that was told", facts.speaks)
CLOSES = Step("→ closed", facts.closes)
LEARNS = Step("kept, nothing follows", facts.closes_again)
RETRACTS = Step("→ retracted, all who were told hear it", facts.retracts)
TAKEN_BACK = Step("→ retracted, mostly told by the other alert", facts.taken_back)
INHERITS = Step("goes on where the other stood", inheriting.inherits)
HEARS = Step("keeps who was told", inheriting.hears)
HEARD_THERE = Step("not told again", inheriting.heard_there)
KNOWN = Step("keeps who was told", inheriting.knows)
TAKEN_ON = Step("→ acknowledged", answers.acknowledges)
TAKEN = Step("refused: ALREADY_ACKNOWLEDGED", answers.is_taken)
READ_BACK = Step("P1 → read_back, else refused: NOT_CRITICAL", answers.reads_back)
IS_READ_BACK = Step("refused: ALREADY_READ_BACK", answers.is_read_back)
SNOOZES = Step("→ snoozed within the limit, else refused: TOO_LONG", answers.snoozes)
REASSIGNS = Step("assigned and told", answers.reassigns)
OVER = Step("refused: ENDED", answers.is_over)
ON_ITS_WAY = Step("may have been told from now on", escalation.begun)
DELIVERED = Step("→ delivered", escalation.sent)
NOTED = Step("noted", escalation.sent)
TOLD_LATE = Step("noted, and that it is over is told", escalation.sent_after_the_end)
NEXT_WAY = Step("next channel, next level, all over again", escalation.failed)
STEPS = Step("told again, next level (→ escalated), or reminded", escalation.wake)
ASKS_READ_BACK = Step("P1: read-back asked for, then next level", escalation.wake)
AWAKES = Step("→ as before the snooze, reminded", escalation.end_snooze)
NOTHING = Step("—", _nothing)

_OPEN: dict[str, Step] = {
    "alert_raised": SPEAKS, "alert_amended": SPEAKS, "alert_closed": CLOSES, "alert_retracted": RETRACTS,
    "TakenBack": TAKEN_BACK, "Inherits": INHERITS, "HeardThere": HEARD_THERE, "Acknowledge": TAKEN_ON,
    "RecordReadBack": READ_BACK, "Snooze": SNOOZES, "Reassign": REASSIGNS, "Begun": ON_ITS_WAY, "Sent": NOTED,
    "Failed": NEXT_WAY, "Woke": STEPS,
}  # fmt: skip
_ENDED = _OPEN | {
    "alert_raised": OPENS, "alert_amended": OPENS, "alert_closed": LEARNS, "Inherits": HEARS, "HeardThere": KNOWN,
    "Acknowledge": OVER, "RecordReadBack": OVER, "Snooze": OVER, "Reassign": OVER, "Sent": TOLD_LATE, "Woke": NOTHING,
}  # fmt: skip

LIFE: Mapping[ThreadState, Mapping[str, Step]] = {
    "raised": _OPEN | {"Sent": DELIVERED},
    "delivered": _OPEN,
    "escalated": _OPEN,
    "snoozed": _OPEN | {"Woke": AWAKES},
    "acknowledged": _OPEN | {"Acknowledge": TAKEN, "Snooze": TAKEN, "Woke": ASKS_READ_BACK},
    "read_back": _OPEN | {"Acknowledge": TAKEN, "RecordReadBack": IS_READ_BACK, "Snooze": TAKEN, "Woke": NOTHING},
    "closed": _ENDED,
    "retracted": _ENDED | {"alert_retracted": LEARNS, "TakenBack": NOTHING},
}
"""The state machine. A notice lives in its open half, and ends only by a retraction."""


def advance(thread: Thread | None, happening: Happening, roster: Roster) -> Outcome:
    """Move one thread on by one happening. :class:`Refused` for an answer of a person that makes no sense.

    ``thread`` is None only for the first event of an alert; anything else about an unknown alert is a ValueError.
    A happening that was seen before gives the same thread and nothing to do. Alert events also move other threads:
    :func:`services.notify.domain.kin.take` knows which.
    """
    if thread is None:
        if not isinstance(happening, Issued):
            raise ValueError("an alert begins with an alert event")
        thread = facts.blank(happening.event, happening.at)
    if isinstance(happening, Issued) and happening.event.sequence <= thread.sequence:
        return Outcome(thread)
    turn = Turn(thread, roster, happening.at)
    LIFE[thread.state][_column(happening)].do(turn, happening)
    return turn.outcome()


def _column(happening: Happening) -> str:
    return happening.event.fact if isinstance(happening, Issued) else type(happening).__name__


def as_table() -> str:
    """The state machine in Markdown: a row per happening, a column per state."""
    head = [f"| | {' | '.join(LIFE)} |", f"|---{'|---' * len(LIFE)}|"]
    rows = (f"| **{column}** | {' | '.join(row[column].words for row in LIFE.values())} |" for column in COLUMNS)
    return "\n".join((*head, *rows))
