"""What every event has in common: frozen models, the patient, the rule, the head."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from refrain.contracts.ids import derive, patient_key

NIL = UUID(int=0)
NOT_CONTENT = frozenset({"event_id", "recorded_at", "trace", "caused_by", "source"})
"""Fields that say how an event travelled, not what it says: outside its id ("no id with two contents")."""


class Wire(BaseModel):
    """Base of everything that travels."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, serialize_by_alias=True)


class PatientId(Wire):
    """A patient: who issued the number, its type, and the number as text (leading zeros count)."""

    authority: str
    type: str
    id: str

    @property
    def key(self) -> str:
        """The Kafka key."""
        return patient_key(self.authority, self.type, self.id)


class RuleRef(Wire):
    """Which rule spoke, and how well its number is known (clinical.md 1.1)."""

    id: str
    version: str
    source: str = ""
    verification: str = ""


class Event(Wire):
    """The common head. ``occurred_at`` is clinical time, ``recorded_at`` when intake had the newest cause."""

    fact: str
    event_id: UUID = NIL
    patient: PatientId
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime
    caused_by: tuple[UUID, ...] = ()
    trace: str = ""
    rule: RuleRef | None = None

    def content(self) -> dict[str, Any]:
        """What the event says, without how it travelled: the basis of its id."""
        return self.model_dump(mode="json", exclude=set(NOT_CONTENT))

    def identified(self) -> Self:
        """The same event with its derived id."""
        return self.model_copy(update={"event_id": derive(self.fact, self.content())})
