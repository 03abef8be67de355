"""What the FHIR API can do, said from the very tables that it works by."""

from __future__ import annotations

from collections.abc import Mapping

from services.chart.domain.fhir.pieces import Piece
from services.chart.domain.fhir.searching import SEARCHES

FHIR_VERSION = "4.0.1"
CHANGED = "2026-11-25"
"""When what is said here changed last."""
WITH_HISTORY = ("Observation",)
OWN = frozenset({("Flag", "code"), ("Flag", "status"), ("DetectedIssue", "status")})
"""Search parameters that FHIR R4 does not have."""
ABOUT: Mapping[str, str] = {
    "Patient": "Numbers and sex; Refrain knows no names. The id is also that of the console's pages.",
    "Observation": (
        "Laboratory results: value, range and status are the laboratory's; interpretation and components are "
        "Refrain's. Category refrain-call: calls on the response to treatment, without history."
    ),
    "DiagnosticReport": "What one laboratory message brought, with its results as they stand now.",
    "Flag": "Alerts for the ward: P1, P2, and rises on watch. Active while their reason holds.",
    "DetectedIssue": "Questions about the data: quality alerts, and repaired readings that a person decides on.",
}


def statement(base: str, software: str) -> Piece:
    """The CapabilityStatement of this instance."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": CHANGED,
        "kind": "instance",
        "software": {"name": "Refrain", "version": software},
        "implementation": {"description": "What Refrain concluded from laboratory results, to read", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": (
                    "Read only. Parameters that are not listed are refused, never ignored. While the read model is "
                    "being rebuilt every read answers 503: a part is not passed off as the whole."
                ),
                "security": {"description": "A bearer token or a session with the role viewer; every read is audited."},
                "resource": [_resource(kind) for kind in SEARCHES],
            }
        ],
    }


def _parameter(kind: str, name: str, sort: str) -> Piece:
    own = {"documentation": "Of this server: R4 defines none of this name here."} if (kind, name) in OWN else {}
    return {"name": name, "type": sort} | own


def _resource(kind: str) -> Piece:
    with_history = kind in WITH_HISTORY
    interactions = ["read", "vread", "history-instance", "search-type"] if with_history else ["read", "search-type"]
    return {
        "type": kind,
        "documentation": ABOUT[kind],
        "interaction": [{"code": code} for code in interactions],
        "versioning": "versioned",
        "readHistory": with_history,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "not-match",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "searchParam": [_parameter(kind, name, sort) for name, sort in SEARCHES[kind].items()],
    }
