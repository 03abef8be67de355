"""Whose alerts an EHR asks for: by our own id of a patient, or by the numbers in the prefetched Patient.

Never a guess: a number counts only with an authority that is known to be ours, and two patients are none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from pydantic import Field
from sqlalchemy import select

from refrain.contracts.fhir_names import chart_id_of, patient_system
from refrain.contracts.ids import split_patient_key
from services.notify.adapters.cds_cards import Coding, Strict
from services.notify.adapters.store import Store
from services.notify.adapters.tables import THREADS

_OURS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The shape of our ids."""
chart_id = lru_cache(maxsize=200_000)(chart_id_of)


class IdentifierType(Strict):
    coding: tuple[Coding, ...] = ()
    text: str = ""


class Identifier(Strict):
    use: str = ""
    system: str = ""
    value: str = ""
    type: IdentifierType = IdentifierType()


class Prefetched(Strict):
    """A FHIR Patient, as far as it is read."""

    resourceType: str
    id: str = ""
    identifier: tuple[Identifier, ...] = Field(default=(), max_length=100)


class Ambiguous(LookupError):
    """The numbers lead to more than one patient."""


class Patients:
    """Kafka keys of the patients of whom there ever was an alert. Blocking."""

    def __init__(self, store: Store, systems: Mapping[str, str], *, by_type: bool) -> None:
        self._store = store
        self._systems = systems
        self._by_type = by_type

    def with_our_id(self, patient: str) -> str | None:
        """The patient whom chart's FHIR API calls so."""
        if not _OURS.fullmatch(patient):
            return None
        query = select(THREADS.c.patient_key).where(self._mine).distinct()
        with self._store.reading() as sql:
            return next((key for key in sql.scalars(query) if str(chart_id(key)) == patient), None)

    def with_numbers(self, identifiers: Sequence[Identifier]) -> str | None:
        """The one patient with these numbers; None for nobody, Ambiguous for more than one."""
        found = {key for each in identifiers if each.value and each.use != "old" for key in self._with_number(each)}
        if len(found) > 1:
            raise Ambiguous
        return next(iter(found), None)

    @property
    def _mine(self) -> Any:
        return THREADS.c.cluster == self._store.cluster

    def _with_number(self, identifier: Identifier) -> list[str]:
        ending = "|" + quote(identifier.value, safe="")
        query = select(THREADS.c.patient_key).where(self._mine, THREADS.c.patient_key.endswith(ending, autoescape=True))
        with self._store.reading() as sql:
            keys = list(sql.scalars(query.distinct()))
        return [key for key in keys if self._is(identifier, *split_patient_key(key))]

    def _is(self, identifier: Identifier, authority: str, kind: str, number: str) -> bool:
        if number != identifier.value:
            return False
        if identifier.system:
            known = self._systems.get(identifier.system)
            if known is not None or identifier.system == patient_system(authority):
                return known in (None, authority)
        return self._by_type and kind in {*(each.code for each in identifier.type.coding), identifier.type.text}
