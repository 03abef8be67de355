"""Finds in a ledger what belongs to an id that a person asks about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from refrain.contracts.events import AlertRetracted, Event
from refrain.contracts.steps import Output
from refrain.runtime.facts import mentioned_by
from refrain.runtime.grpc_server import InvalidRequest, Unknown
from refrain.runtime.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Explained:
    """``issued`` is what the ledger has issued about the id, oldest first; of a view only the newest."""

    id: UUID
    issued: tuple[Output, ...]
    facts: tuple[Output, ...]
    """The facts that mention the id, and those that caused what was issued, as far as the ledger still has them."""
    rest: tuple[Output, ...]
    """What else was issued about the same patients, oldest first."""


def explain(ledger: Ledger[Any], text: str) -> Explained:
    """What a ledger knows of an event, alert, report or result id.

    InvalidRequest when the text is no id; Unknown when the ledger never saw it.
    """
    try:
        asked = UUID(text)
    except ValueError:
        raise InvalidRequest("id", "not a UUID") from None
    patients = ledger.patients_of(asked)
    if not patients:
        raise Unknown("this service's ledger does not know the id")
    outputs = [output for patient in patients for output in ledger.outputs_of(patient)]
    issued = tuple(output for output in outputs if asked in _concerns(output.event))
    causes = {cause for output in issued for cause in output.event.caused_by}
    known = ledger.load(patients)
    facts = tuple(
        Output(fact.topic, fact.event)
        for patient in patients
        for fact in known[patient].facts.values()
        if asked in _concerns(fact.event) or fact.event.event_id in causes
    )
    return Explained(asked, issued, facts, tuple(output for output in outputs if output not in issued))


def _concerns(event: Event) -> set[UUID]:
    return set(_ids(event))


def _ids(event: Event) -> Iterator[UUID]:
    yield from mentioned_by(event)
    yield from event.caused_by
    if isinstance(event, AlertRetracted):
        yield from event.with_alerts
