"""A patient as Refrain knows one: numbers and, where a report said it, the sex. No event carries a name."""

from __future__ import annotations

from collections.abc import Mapping

from refrain.contracts.events import PatientId
from refrain.contracts.fhir_names import patient_system
from services.chart.domain.fhir.pieces import Piece, coding, concept, some, text, with_meta
from services.chart.domain.views import PatientRow

GENDERS = {"M": "male", "F": "female", "O": "other", "A": "other", "U": "unknown"}
"""HL7 table 0001 to FHIR's administrative gender; anything else is not said."""


IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
TYPES = frozenset({"AN", "BC", "DL", "HC", "JHN", "MA", "MC", "MCN", "MR", "NI", "NIIP", "PI", "PN", "PPN", "PT", "RI",
                   "SS", "U", "VN", "XX"})  # fmt: skip
"""Codes of table 0203 that a patient's number may have; anything else is said in words alone."""


def patient(row: PatientRow, systems: Mapping[str, str]) -> Piece:
    """``systems``: what the site calls its authorities (authority to URI)."""
    resource = some(
        resourceType="Patient",
        id=str(row.chart_id),
        identifier=[identifier(row.patient, systems)],
        gender=GENDERS.get((row.sex or "").strip().upper()),
    )
    return with_meta(resource, row.newest_fact_at, row.processing)


def identifier(number: PatientId, systems: Mapping[str, str]) -> Piece:
    """The number as it came: who issued it, of which type (HL7 table 0203, or what was sent in its place)."""
    return some(
        system=system_of(number.authority, systems),
        value=text(number.id),
        type=_type(number.type),
        assigner=some(display=text(number.authority)),
    )


def _type(received: str) -> Piece:
    """Coded where it is a code of HL7's table 0203, as EHRs look for one."""
    known = [coding(IDENTIFIER_TYPES, received)] if received in TYPES else []
    return concept(*known, words=received)


def system_of(authority: str, systems: Mapping[str, str]) -> str | None:
    """The URI of an authority; None where none was stated."""
    if authority in systems:
        return systems[authority]
    return patient_system(authority) if authority else None
