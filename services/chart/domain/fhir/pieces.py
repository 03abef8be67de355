"""The small parts that every resource is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from refrain.contracts.events import Processing
from refrain.contracts.fhir_names import BASE, UCUM
from services.chart.domain.fhir.encoding import fingerprint

Piece = dict[str, Any]
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
REPLACEMENT = "\ufffd"
TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data",
}  # fmt: skip
DATA_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def some(**members: Any) -> Piece:
    """The members that say something: FHIR knows no empty strings, lists and objects, and no null."""
    return {name: value for name, value in members.items() if value not in (None, "", [], (), {})}


def text(received: str) -> str | None:
    """A FHIR string as received; control characters, which FHIR forbids, are marked. None when it says nothing."""
    return _CONTROL.sub(REPLACEMENT, received) if received.strip() else None


def code(received: str) -> str | None:
    """A FHIR code: no space around it, single spaces inside."""
    return " ".join(_CONTROL.sub(REPLACEMENT, received).split()) or None


def coding(system: str, value: str, display: str = "") -> Piece:
    return some(system=system, code=code(value), display=text(display))


def concept(*codings: Piece, words: str = "") -> Piece:
    return some(coding=[each for each in codings if each.get("code")], text=text(words))


def ours(system: str, value: str, words: str = "") -> Piece:
    """A concept of a code system of our own."""
    return concept(coding(f"{BASE}/CodeSystem/{system}", value), words=words or value)


def quantity(number: Decimal, unit: str | None, *, shown: str = "", comparator: str | None = None) -> Piece:
    """``unit`` is UCUM, or None where the unit is not known; ``shown`` the unit as received."""
    ucum = {"system": UCUM, "code": unit} if unit else {}
    return some(value=number, comparator=comparator, unit=text(shown) or unit) | ucum


def reference(kind: str, identifier: UUID | str) -> Piece:
    return {"reference": f"{kind}/{identifier}"}


def extension(name: str, **value: Any) -> Piece:
    """One of ours; ``value`` is the one ``value…`` member."""
    return {"url": f"{BASE}/StructureDefinition/{name}"} | value


def parts(name: str, *inner: Piece | None) -> list[Piece]:
    """A complex extension of ours, as a list with it; empty when it has no parts."""
    there = [each for each in inner if each is not None]
    return [extension(name, extension=there)] if there else []


def part(name: str, kind: str, value: Any) -> Piece | None:
    """A part of a complex extension, such as ``part("unit", "String", "g/L")``; None when it says nothing."""
    return None if value in (None, "") else {"url": name, f"value{kind}": value}


def absent(reason: str, words: str = "") -> Piece:
    """A ``dataAbsentReason``: a code of FHIR's list, and why."""
    return concept(
        coding("http://terminology.hl7.org/CodeSystem/data-absent-reason", reason), words=words or reason
    )  # fmt: skip


def instant(at: datetime) -> str:
    """To the microsecond, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def as_precise(at: datetime, until: datetime, precision: str, zone: ZoneInfo) -> str | None:
    """A FHIR dateTime as precise as the time is known; None for an unknown one, and for days on a relative scale.

    Of a date the middle of its day decides which one it is, so that the sender's zone may differ from the site's.
    """
    middle = (at + (until - at) / 2).astimezone(zone)
    match precision:
        case "year":
            return f"{middle:%Y}"
        case "month":
            return f"{middle:%Y-%m}"
        case "day":
            return f"{middle:%Y-%m-%d}"
        case "relative" | "unknown":
            return None
    return at.astimezone(zone).isoformat(timespec="microseconds" if precision == "fraction" else "seconds")


def meta(version: str, at: datetime, processing: Processing) -> Piece:
    return some(
        versionId=version, lastUpdated=instant(at), security=[] if processing == "live" else [TEST_DATA]
    )  # fmt: skip


def with_meta(resource: Mapping[str, Any], at: datetime, processing: Processing, version: str = "") -> Piece:
    """The resource with ``meta`` behind its id; its version is a fingerprint of its content unless it has its own."""
    head = {"resourceType": resource["resourceType"], "id": resource["id"]}
    own = f"{version}.{fingerprint(resource)}" if version else fingerprint(resource)
    return head | {"meta": meta(own, at, processing)} | {k: v for k, v in resource.items() if k not in head}
