"""Reads a timeline, one patient as one JSON document, into the events that intake would publish.

The format is that of the reference patient (``refrain/cli/demo/case-report.json``): observations with what was
received, therapy lines, exposures, events and clinical findings. What a document *expects* is never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from refrain.clinical import statuses
from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.reading import read_result
from refrain.clinical.specimens import settle
from refrain.contracts.events import (
    AgeAtCollection,
    CareBody,
    CareEvent,
    Isotype,
    LabReport,
    Observation,
    PatientId,
    Repaired,
    Source,
    TimePrecision,
)
from refrain.contracts.ids import derive
from refrain.contracts.site import SiteSettings

CARE_BODY: TypeAdapter[CareBody] = TypeAdapter(CareBody)
ATTRIBUTES = ("lesion", "liver_suvmax", "new_lesion", "statement", "clonal", "light_chain")
KNOWN_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
"""Recording time of what is known before the first observation (answers 20)."""
SITE_KEYS = {"critical.profile": "critical_profile"}

Json = Any
TimelineFact = LabReport | CareEvent


class TimelineError(ValueError):
    """A document that cannot be read; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Facts that became known together."""

    at: datetime
    facts: tuple[TimelineFact, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One patient: what was known before the first observation, then moment by moment."""

    patient: PatientId
    site: SiteSettings
    standing: tuple[CareEvent, ...]
    moments: tuple[Moment, ...]
    names: Mapping[UUID, str]
    """Result id to the document's observation id."""


def read_timeline(
    document: Mapping[str, Json], *, ruleset: str | None = None, until: date | None = None, as_received: bool = False
) -> Timeline:
    """The facts of a document, grouped by the moment they became known.

    Moments are in order of ``issued_at`` (else ``collected_at``), or in the document's order with
    ``as_received``. ``until`` leaves out what was issued after that date; ``ruleset`` overrides that of the
    lines. Raises :class:`TimelineError`.
    """
    reader = _Reader(document, ruleset)
    facts = [fact for fact in reader.facts() if until is None or fact[0].date() <= until]
    if not as_received:
        facts.sort(key=lambda fact: fact[0])
    return Timeline(reader.patient, reader.site(), tuple(reader.standing()), tuple(_moments(facts)), reader.names)


def _moments(facts: Sequence[tuple[datetime, TimelineFact]]) -> Iterator[Moment]:
    group: list[TimelineFact] = []
    for index, (at, fact) in enumerate(facts):
        group.append(fact)
        if index + 1 == len(facts) or facts[index + 1][0] != at:
            yield Moment(at, tuple(group))
            group = []


class _Reader:
    def __init__(self, document: Mapping[str, Json], ruleset: str | None) -> None:
        if not isinstance(document, Mapping) or not isinstance(document.get("subject"), Mapping):
            raise TimelineError("a timeline is a JSON object with a 'subject'; see 'refrain assess --help'")
        self.document = document
        self.ruleset = ruleset
        self.subject = document["subject"]
        self.patient = PatientId(authority="TIMELINE", type="ID", id=str(self.subject.get("id", "unnamed")))
        self.names: dict[UUID, str] = {}

    def site(self) -> SiteSettings:
        given = {
            SITE_KEYS.get(key, key.replace(".", "_")): value
            for key, value in self.document.get("site_config", {}).items()
            if key != "note"
        }
        known = {key: value for key, value in given.items() if value is not None}
        try:
            return SiteSettings.model_validate(known | {"catalogue": self.document.get("catalogue", ())})
        except ValidationError as error:
            wrong = ", ".join(".".join(map(str, item["loc"])) for item in error.errors(include_input=False))
            raise TimelineError(f"site_config or catalogue: cannot use {wrong} (clinical.md section 21)") from None

    # --- what is known before the first observation ---

    def standing(self) -> Iterator[CareEvent]:
        if stated := self.document.get("clone"):
            evidence = [text for part in stated.get("evidence", {}).values() for text in part]
            clone = {"type": "clone_stated", "heavy": stated.get("heavy"), "light": stated.get("light")}
            yield self._care("clone", KNOWN_BEFORE, clone | {"evidence": evidence}, known=False)
        for place, line in self._each("therapy_lines"):
            yield from self._line(place, line)
        for place, exposure in self._each("exposures"):
            for first, last, dose in _doses(place, exposure):
                drug = {"type": "drug", "drug": exposure["drug"], "first": first, "last": last, "dose": dose}
                yield self._care(f"drug {exposure['drug']} {first}", KNOWN_BEFORE, drug, known=False)

    def _line(self, place: str, line: Mapping[str, Json]) -> Iterator[CareEvent]:
        if "start" not in line:
            raise TimelineError(f"{place}: a therapy line needs its 'start' date")
        number = int(line.get("line", 1))
        body = {
            "type": "line_started", "line": number, "start": line["start"],
            "rule_set": self.ruleset or line.get("rule_set") or "poems", "second_rule_set": line.get("second_rule_set"),
            "m_component_source": line.get("m_component_source") or "MPROT_S", "plan": line.get("plan", ()),
        }  # fmt: skip
        yield self._care(f"line {number} started", KNOWN_BEFORE, body, known=False)
        if line.get("end"):
            stop = {"type": "line_stopped", "line": number, "end": line["end"]}
            yield self._care(f"line {number} stopped", KNOWN_BEFORE, stop, known=False)

    # --- what becomes known later ---

    def facts(self) -> Iterator[tuple[datetime, TimelineFact]]:
        for place, record in self._each("observations"):
            yield self._observed(place, record)
        for place, event in self._each("events"):
            yield self._event(place, event, None)
        for place, point in self._each("timepoints"):
            observed = [
                self._observed(f"{place}.observations[{index}]", record)
                for index, record in enumerate(point.get("observations", ()))
            ]
            yield from observed
            known = max((at for at, _ in observed), default=None) or self._point_time(point)
            if found := point.get("clinical"):
                yield self._finding(place, point, found, known)
            for index, event in enumerate(point.get("events", ())):
                yield self._event(f"{place}.events[{index}]", event, known)

    @staticmethod
    def _point_time(point: Mapping[str, Json]) -> datetime | None:
        day = point.get("synthetic_date") or point.get("date")
        return _time(day)[0] if day else None

    def _finding(
        self, place: str, point: Mapping[str, Json], found: Mapping[str, Json], known: datetime | None
    ) -> tuple[datetime, CareEvent]:
        if known is None:
            raise TimelineError(f"{place}: a clinical finding needs a date")
        on = self._point_time(point) or known
        body = {"type": "clinical_finding", **found, "on": found.get("on", on.date())}
        return known, self._care(f"clinical {point.get('id', place)}", known, body)

    def _event(self, place: str, event: Mapping[str, Json], known: datetime | None) -> tuple[datetime, CareEvent]:
        day = event.get("synthetic_date") or event.get("date") or event.get("on") or event.get("onset")
        at = _time(event["recorded_at"])[0] if event.get("recorded_at") else known or (_time(day)[0] if day else None)
        if at is None:
            raise TimelineError(f"{place}: an event needs a date or a recorded_at")
        on = _time(day)[0].date() if day else at.date()
        body = _event_body(place, event, on)
        subject = body.get("drug") or body.get("cell") or body.get("name") or body.get("line") or ""
        return at, self._care(f"{body['type']} {subject} {on}", at, body)

    def _care(self, key: str, at: datetime, body: Mapping[str, Json], *, known: bool = True) -> CareEvent:
        try:
            parsed = CARE_BODY.validate_python(body)
        except ValidationError as error:
            wrong = ", ".join(".".join(map(str, item["loc"])) for item in error.errors(include_input=False))
            raise TimelineError(f"event '{key}': cannot use {wrong}") from None
        return CareEvent(
            patient=self.patient, occurred_at=at, recorded_at=at, key=key, known_from=at if known else None, body=parsed
        ).identified()

    # --- observations ---

    def _observed(self, place: str, record: Mapping[str, Json]) -> tuple[datetime, LabReport]:
        collected, until, precision = self._collected(place, record)
        issued = _time(record["issued_at"])[0] if record.get("issued_at") else collected
        observation = self._observation(place, record, collected, until, precision, issued)
        report = LabReport(
            patient=self.patient, occurred_at=collected, recorded_at=issued, sender="timeline", profile="timeline",
            sex=self.subject.get("sex"), age_at_collection=self._age(collected), observations=(observation,),
            source=Source(hash="", message=place),
        )  # fmt: skip
        return issued, report.identified()

    def _collected(self, place: str, record: Mapping[str, Json]) -> tuple[datetime, datetime, TimePrecision]:
        if record.get("collected_at"):
            return _time(record["collected_at"])
        anchor = self.document.get("synthetic_anchoring", {}).get("c1d1")
        if record.get("relative_day") is None or anchor is None:
            raise TimelineError(f"{place}: an observation needs its 'collected_at'")
        start = _time(anchor)[0] + timedelta(days=int(record["relative_day"]))
        return start, start + timedelta(days=1), "relative"

    def _age(self, collected: datetime) -> AgeAtCollection | None:
        born = self.subject.get("birth_date") or self.subject.get("synthetic_birth_date")
        if not born:
            return None
        days = (collected.date() - _time(born)[0].date()).days
        return AgeAtCollection(days=(days, days + 1))

    def _observation(
        self, place: str, record: Mapping[str, Json], collected: datetime, until: datetime, precision: TimePrecision,
        issued: datetime,
    ) -> Observation:  # fmt: skip
        if not record.get("id") or not record.get("code"):
            raise TimelineError(f"{place}: an observation needs an 'id' and a 'code' of the analyte catalogue")
        received = record.get("received", {})
        text, unit, limits = (_text(received.get(part)) for part in ("value", "unit", "range"))
        analyte = CATALOGUE.get(str(record["code"]).upper())
        reading = read_result(analyte, "", (text,), unit, (limits,))
        specimen, specimen_source = settle(analyte, str(record.get("specimen") or "UNKNOWN"))
        result = derive("result", self.patient.key, record["id"])
        self.names[result] = str(record["id"])
        status = str(record.get("status", "F"))
        extra = {name: _attribute(record[name]) for name in ATTRIBUTES if record.get(name) is not None}
        isotype = Isotype.model_validate(record["isotype"]) if record.get("isotype") else None
        content = (result, status, text, unit, limits, issued, collected, record["code"], specimen, extra, str(isotype))
        return Observation(
            result=result, version=derive("version", *content), code=str(record.get("loinc") or record["code"]),
            system="LN" if record.get("loinc") else "L", analyte=analyte.code if analyte else None,
            name=str(record.get("name", "")), status=status, status_class=statuses.classify(status)[0],
            issued_at=issued, issued_from="timeline", value=reading.value, canonical=reading.canonical,
            repaired=Repaired.of(reading.repaired) if reading.repaired else None, range=reading.range,
            reported_flags=tuple(record.get("lab_interpretation", ())), collected_at=collected, collected_until=until,
            time_precision=precision, collected_from="timeline", specimen=specimen, specimen_source=specimen_source,
            specimen_raw=str(record.get("specimen") or ""), method=str(record.get("method") or "UNKNOWN"),
            lab=str(record.get("lab") or self.document.get("lab", {}).get("id") or "UNKNOWN"), isotype=isotype,
            attributes=extra, quality=reading.quality, segment=place,
        )  # fmt: skip

    def _each(self, name: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
        for index, item in enumerate(self.document.get(name) or ()):
            if not isinstance(item, Mapping):
                raise TimelineError(f"{name}[{index}]: an object is expected here")
            yield f"{name}[{index}]", item


def _text(value: Json) -> str:
    return "" if value is None else str(value)


def _attribute(value: Json) -> str:
    return ("Y" if value else "N") if isinstance(value, bool) else str(value)


def _time(text: str) -> tuple[datetime, datetime, TimePrecision]:
    """A time and the interval its precision leaves open; a bare date is a day in UTC."""
    try:
        if len(text) == len("2025-01-02"):
            start = datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
            return start, start + timedelta(days=1), "day"
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise TimelineError("a time is written 2025-01-02 or 2025-01-02T08:00:00Z") from None
    if instant.tzinfo is None:
        raise TimelineError("a time with hours needs its zone: 2025-01-02T08:00:00Z")
    return instant, instant + timedelta(seconds=1), "second"


def _doses(place: str, exposure: Mapping[str, Json]) -> Iterator[tuple[str, str, str]]:
    if not exposure.get("drug"):
        raise TimelineError(f"{place}: an exposure needs its 'drug'")
    dose = str(exposure.get("dose", ""))
    for day in exposure.get("dates", ()):
        yield day, day, dose
    for each in exposure.get("doses", ()):
        yield each["date"], each["date"], f"{each['mg_per_m2']} mg/m2" if "mg_per_m2" in each else dose
    for first, last in exposure.get("intervals", ()):
        yield first, last, dose
    if "first_dose" in exposure:
        yield exposure["first_dose"], exposure.get("last_dose") or exposure["first_dose"], dose


def _event_body(place: str, event: Mapping[str, Json], on: date) -> dict[str, Json]:
    body = {key: value for key, value in event.items() if key not in ("synthetic_date", "date", "recorded_at")}
    match event.get("type"):
        case "drug":
            return {"first": on, "last": on, **body}
        case "collection":
            cell = next((name for name in ("cd34", "mnc") if name in event), None)
            if cell is None:
                return {"on": on, **body}
            counted = event[cell]
            return {
                "type": "collection", "on": on, "cell": cell, "number": str(counted["value"]), "unit": counted["unit"],
                "text": counted.get("source_text", ""), "repair_rule_id": counted.get("repair_rule_id"),
            }  # fmt: skip
        case None:
            raise TimelineError(f"{place}: an event needs its 'type'")
        case _:
            return {"on": on, **body}
