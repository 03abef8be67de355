"""A laboratory result as an Observation, and all its versions as their history.

Value, range and status are the laboratory's; ``interpretation`` is Refrain's, and so are the components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.loinc import check_digit_ok
from refrain.clinical.statuses import FHIR_STATUS, StatusClass
from refrain.clinical.versions import standing
from refrain.contracts.events import Observation
from refrain.contracts.fhir_names import BASE, LOINC, code_system
from services.chart.domain.course_words import SPECIMENS
from services.chart.domain.fhir.judgements import components, interpretations, why
from services.chart.domain.fhir.pieces import (
    DATA_ABSENT_REASON,
    Piece,
    absent,
    as_precise,
    coding,
    concept,
    instant,
    part,
    parts,
    reference,
    some,
    text,
    with_meta,
)
from services.chart.domain.fhir.values import as_received, range_of, value_of
from services.chart.domain.views import ObservationView, ResultState, VersionRow

LOINC_SYSTEMS = frozenset({"LN", "LOINC", "HTTP://LOINC.ORG", "2.16.840.1.113883.6.1", "URN:OID:2.16.840.1.113883.6.1"})
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
BY_CLASS: dict[StatusClass, str] = {
    "pending": "registered", "preliminary": "preliminary", "unknown": "unknown", "final": "final",
    "corrected": "corrected", "unobtainable": "cancelled", "withdrawn": "entered-in-error",
}  # fmt: skip
WITHDRAWN: tuple[StatusClass, ...] = ("withdrawn", "unobtainable")
GONE = ("removed", "moved")
"""States of a result that must not be found under its id any more: 410."""


class Stands(Protocol):
    """How a result stands: what its status is made of."""

    @property
    def state(self) -> ResultState: ...

    @property
    def status(self) -> str: ...

    @property
    def status_class(self) -> StatusClass: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """One version as its resource, and when Refrain had it."""

    version: VersionRow
    resource: Piece
    at: datetime


def fhir_status(status: str, status_class: StatusClass) -> str | None:
    """``Observation.status`` (clinical.md 5.2); None for order details, which are no results.

    The class decides where the two differ: V and B with another value are corrections, and an empty OBX-11 may have
    been answered by OBR-25.
    """
    if status_class == "none":
        return None
    by_class = BY_CLASS[status_class]
    told = FHIR_STATUS.get(status.strip())
    return "amended" if (by_class, told) == ("final", "amended") else by_class


def category_of(specimen: str) -> str:
    return "imaging" if specimen == "IMAGE" else "laboratory"


def status_of(row: Stands) -> str | None:
    """The status of a result as it stands; one that is gone from its id was entered there in error."""
    return "entered-in-error" if row.state in GONE else fhir_status(row.status, row.status_class)


def observation(view: ObservationView, zone: ZoneInfo) -> Piece | None:
    """The version that counts. None for an order detail. A result that is GONE is a stub without its value."""
    found = next((each for each in history(view, zone) if each.version.version == view.row.version), None)
    if found is None:
        return None
    if view.row.state in GONE:
        return stub(view, found.version)
    return found.resource


def history(view: ObservationView, zone: ZoneInfo) -> list[Reading]:
    """Every version that was received, the one that counts first, then the newest record first."""
    readings = []
    for place, version in enumerate(view.versions):
        shown = _standing(view.versions[: place + 1], version)
        counts = version.version == view.row.version
        at = view.row.recorded_at if counts else version.recorded_at
        if (resource := _resource(view, version, shown, zone)) is not None:
            readings.append(Reading(version, with_meta(resource, at, version.processing, str(version.version)), at))
    return sorted(
        readings, key=lambda each: (each.version.version == view.row.version, each.at, each.version.issued_at),
        reverse=True,
    )  # fmt: skip


def stub(view: ObservationView, version: VersionRow) -> Piece:
    """All that may be told of a result that is gone: that it is, when, and whose it was taken for."""
    resource = {
        "resourceType": "Observation", "id": str(view.row.result), "status": "entered-in-error",
        "category": [category(category_of(version.observation.specimen))],
        "code": _code(version.observation), "subject": reference("Patient", view.chart_id),
        "dataAbsentReason": absent("error", "taken back: it is no longer a result of this patient under this id"),
    }  # fmt: skip
    return with_meta(resource, view.row.recorded_at, version.processing, str(version.version))


def category(code: str) -> Piece:
    return concept(coding(CATEGORIES, code))


def _standing(versions: Sequence[VersionRow], version: VersionRow) -> Observation:
    """A version with the value that it stands for: U, V and B may come without one (clinical.md 5.2)."""
    known = standing(each.observation for each in versions)
    if known is not None and known.version.version == version.version:
        return known.version
    return version.observation


def _resource(view: ObservationView, version: VersionRow, shown: Observation, zone: ZoneInfo) -> Piece | None:
    status = fhir_status(shown.status, shown.status_class)
    if status is None:
        return None
    specimen = _specimen(shown)
    return some(
        resourceType="Observation",
        id=str(version.result),
        contained=[specimen] if specimen else [],
        extension=[*as_received(shown), *why(shown, version.flagged), *_attributes(shown)],
        status=status,
        category=[category(category_of(shown.specimen))],
        code=_code(shown),
        subject=reference("Patient", view.chart_id),
        **_collected(shown, zone),
        issued=instant(shown.issued_at),
        performer=some(display=text(shown.lab)) and [some(display=text(shown.lab))],
        **_said(version, shown),
        specimen={"reference": "#specimen"} if specimen else None,
        method=concept(words=shown.method) if shown.method != "UNKNOWN" else None,
        note=[{"text": said} for note in shown.notes if (said := text(note))],
    )


def _said(version: VersionRow, shown: Observation) -> Piece:
    """Value, interpretation, range and components; nothing of a result that was taken back or cannot be had."""
    if shown.status_class in WITHDRAWN:
        why_not = "cannot be obtained" if shown.status_class == "unobtainable" else "taken back by the laboratory"
        return {"dataAbsentReason": absent("error" if shown.status_class == "withdrawn" else "not-performed", why_not)}
    if shown.status_class == "pending":
        return {"dataAbsentReason": absent("temp-unknown", "awaited")}
    value = value_of(shown.value)
    return some(
        **value,
        interpretation=interpretations(version.flagged) if "dataAbsentReason" not in value else [],
        referenceRange=range_of(shown.range, shown.value.unit, shown.value.unit_raw),
        component=components(shown, version.flagged),
    )


def _code(shown: Observation) -> Piece:
    """The code as received, LOINC where it is known, and the analyte that Refrain judges it as.

    A name of the laboratory's is no display of LOINC's: it stands in ``as-received``.
    """
    entry = CATALOGUE.get(shown.analyte) if shown.analyte else None
    is_loinc = shown.system.upper() in LOINC_SYSTEMS and check_digit_ok(shown.code)
    received = coding(LOINC, shown.code) if is_loinc else coding(code_system(shown.system), shown.code, shown.name)
    known = [coding(LOINC, entry.loinc[0])] if entry is not None and entry.loinc and not is_loinc else []
    judged_as = [coding(f"{BASE}/CodeSystem/analyte", entry.code, entry.name)] if entry is not None else []
    return concept(received, *known, *judged_as, words=entry.name if entry else shown.name or shown.code)


def _collected(shown: Observation, zone: ZoneInfo) -> Piece:
    at = as_precise(shown.collected_at, shown.collected_until, shown.time_precision, zone)
    if at is not None:
        return {"effectiveDateTime": at}
    return {"_effectiveDateTime": {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "unknown"}]}}


def _specimen(shown: Observation) -> Piece | None:
    if shown.specimen in ("UNKNOWN", "IMAGE"):
        return None
    kind = concept(coding(f"{BASE}/CodeSystem/specimen", shown.specimen), words=SPECIMENS[shown.specimen])
    return {"resourceType": "Specimen", "id": "specimen", "type": kind}


def _attributes(shown: Observation) -> list[Piece]:
    """Isotype of a band; lesion, liver and statement of a scan; clonality of a marrow."""
    isotype = shown.isotype
    told = [
        *(() if isotype is None else (part("heavy", "Code", isotype.heavy), part("light", "Code", isotype.light))),
        *(part(name, "String", text(value)) for name, value in sorted(shown.attributes.items())),
    ]
    return parts("attributes", *told)


def is_version_id(identifier: str) -> UUID | None:
    """The received version that a ``versionId`` of ours, or a bare version id, names."""
    try:
        return UUID(identifier.partition(".")[0])
    except ValueError:
        return None
