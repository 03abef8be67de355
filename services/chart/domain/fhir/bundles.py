"""Answers that hold several resources, and the one that says why there is none."""

from __future__ import annotations

from collections.abc import Sequence

from services.chart.domain.fhir.observations import GONE, Reading
from services.chart.domain.fhir.pieces import Piece, instant, some

CREATED, UPDATED, DELETED = ("POST", "201"), ("PUT", "200"), ("DELETE", "204")


def etag(resource: Piece) -> str:
    """Weak: the same content, whatever its bytes."""
    return f'W/"{resource["meta"]["versionId"]}"'


def searchset(resources: Sequence[Piece], base: str, self_url: str, next_url: str, *, whole: bool) -> Piece:
    """One page of a search. ``total`` is given where the page is all there is (``whole``)."""
    links = [{"relation": "self", "url": self_url}]
    if next_url:
        links.append({"relation": "next", "url": next_url})
    entries = [
        {"fullUrl": _url(base, resource), "resource": resource, "search": {"mode": "match"}} for resource in resources
    ]
    bundle = some(resourceType="Bundle", type="searchset", link=links, entry=entries)
    return bundle | ({"total": len(resources)} if whole else {})


def history(readings: Sequence[Reading], base: str, self_url: str, state: str) -> Piece:
    """Every version of one result, the one that counts first. A result that is gone ends with its deletion."""
    entries = []
    for place, reading in enumerate(readings):
        is_first = place == len(readings) - 1
        is_gone = state in GONE and place == 0
        method, status = DELETED if is_gone else CREATED if is_first else UPDATED
        resource = reading.resource
        request = {"method": method, "url": f"Observation/{resource['id']}" if method != "POST" else "Observation"}
        response = {"status": status, "etag": etag(resource), "lastModified": instant(reading.at)}
        shown = {} if is_gone else {"resource": resource}
        entries.append({"fullUrl": _url(base, resource)} | shown | {"request": request, "response": response})
    return some(
        resourceType="Bundle", type="history", total=len(entries), link=[{"relation": "self", "url": self_url}],
        entry=entries,
    )  # fmt: skip


def outcome(code: str, words: str) -> Piece:
    """Why something is not answered; never with a patient's data."""
    return {
        "resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code, "diagnostics": words}],
    }  # fmt: skip


def _url(base: str, resource: Piece) -> str:
    return f"{base}/{resource['resourceType']}/{resource['id']}"
