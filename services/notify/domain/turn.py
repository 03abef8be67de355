"""One turn of a thread: what a happening changes, collected until it is the outcome."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from refrain.contracts.events import Actor, AlertAction
from refrain.contracts.events.actions import ActionBody
from services.notify.domain.happenings import Outcome
from services.notify.domain.knowing import learned, perhaps
from services.notify.domain.roster import Roster
from services.notify.domain.thread import Message, Thread

SYSTEM = Actor(type="system", id="notify")


class Turn:
    """The thread as it now stands, and the actions, messages and withdrawals so far."""

    def __init__(self, thread: Thread, roster: Roster, at: datetime) -> None:
        self.thread = thread
        self.roster = roster
        self.at = at
        self._actions: list[AlertAction] = []
        self._new: dict[UUID, Message] = {}
        self._withdrawn: list[UUID] = []

    def set(self, **changes: Any) -> None:
        self.thread = self.thread.model_copy(update=changes)

    def note(self, body: ActionBody, actor: Actor = SYSTEM) -> None:
        """Write an action down, with where the thread stands at this point: set what it changes first."""
        self.set(number=self.thread.number + 1)
        thread = self.thread
        action = AlertAction(
            patient=thread.patient, occurred_at=self.at, recorded_at=thread.recorded_at, caused_by=(thread.caused_by,),
            trace=thread.trace, rule=thread.rule, alert=thread.alert, number=thread.number, kind=thread.kind,
            tier=thread.tier, at=self.at, actor=actor, state=thread.state, assigned_to=thread.assigned_to,
            due_at=thread.due_at, body=body,
        )  # fmt: skip
        self._actions.append(action.identified())

    def send(self, messages: tuple[Message, ...]) -> None:
        self._new |= {message.delivery: message for message in messages}
        self.set(unsent=(*self.thread.unsent, *messages))

    def take_off(self, delivery: UUID) -> Message | None:
        """A message that a channel took or gave up is not on its way any more; None when it was not (any more)."""
        found = next((message for message in self.thread.unsent if message.delivery == delivery), None)
        if found:
            self.set(unsent=tuple(message for message in self.thread.unsent if message is not found))
        return found

    def may_know(self, message: Message) -> None:
        """A message is given up: if a channel was tried with it, its person may know all the same."""
        if entry := perhaps(message, self.at):
            self.thread = learned(self.thread, entry)

    def withdraw(self, which: Callable[[Message], bool]) -> None:
        """Do not send these any more."""
        gone = tuple(message for message in self.thread.unsent if which(message))
        if not gone:
            return
        self.set(unsent=tuple(message for message in self.thread.unsent if message not in gone))
        for message in gone:
            self.may_know(message)
            if self._new.pop(message.delivery, None) is None:
                self._withdrawn.append(message.delivery)

    def outcome(self) -> Outcome:
        return Outcome(self.thread, tuple(self._actions), tuple(self._new.values()), tuple(self._withdrawn))
