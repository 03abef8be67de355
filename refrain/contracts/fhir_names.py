"""Names that Refrain gives to things in FHIR resources and CDS Hooks cards: extensions, code systems, patients."""

from __future__ import annotations

import re
from urllib.parse import quote
from uuid import UUID

from refrain.contracts.ids import derive

BASE = "https://refrain.example/fhir"
"""Before every extension and code system of our own. An identifier, not an address; it never changes."""
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
INTERPRETATIONS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ALERT_KINDS = f"{BASE}/CodeSystem/alert-kind"
ACKNOWLEDGE_REASONS = f"{BASE}/CodeSystem/acknowledge-reason"
"""Codes of :mod:`refrain.contracts.acknowledging`."""

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_ABSOLUTE = re.compile(r"(https?|urn):\S+", re.IGNORECASE)


def chart_id_of(patient_key: str) -> UUID:
    """What pages, FHIR and CDS Hooks call the patient with this Kafka key."""
    return derive("patient", patient_key)


def patient_system(authority: str) -> str:
    """The identifier system of an authority that no setting gives one: a URI as it is, an OID as a URN, else ours."""
    return _as_uri(authority) or f"{BASE}/patient-authority/{quote(authority, safe='')}"


def code_system(received: str) -> str:
    """The same for the coding system of a result as received (OBX-3.3); ``99LOC`` and its kin get one of ours."""
    return _as_uri(received) or f"{BASE}/received-code-system/{quote(received, safe='')}"


def _as_uri(text: str) -> str | None:
    if _ABSOLUTE.fullmatch(text):
        return text
    return f"urn:oid:{text}" if _OID.fullmatch(text) else None
