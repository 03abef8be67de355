"""Reads a timeline, one patient as one JSON document, into the events that intake would publish.

The format is that of the reference patient (``refrain/cli/demo/case-report.json``): observations with what was
received, therapy lines, exposures, events and clinical findings. What a document *expects* is never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from refrain.cli.timeline_parts import (
    Json,
    TimelineError,
    an_object,
    doses,
    event_body,
    event_key,
    read_days,
    read_time,
)
from refrain.cli.timeline_site import site_of
from refrain.clinical import statuses
from refrain.clinical.analytes import CATALOGUE, Analyte
from refrain.clinical.loinc import DEPRECATED, check_digit_ok
from refrain.clinical.reading import Reading, read_result
from refrain.clinical.specimens import settle
from refrain.contracts.events import (
    AgeAtCollection,
    CareBody,
    CareEvent,
    ClinicalFinding,
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
PRELIMINARY_CRITICALS = ("critical",)
"""A timeline has no sender's profile: preliminary criticals alert, as clinical.md 5.2 recommends, unless it says no."""
TRENDS = frozenset({"much better", "better", "unchanged", "worse", "much worse"})
"""Words for a symptom; another word would be neither better nor worse, and nobody would be told."""

__all__ = ["Moment", "Timeline", "TimelineError", "TimelineFact", "read_timeline"]

TimelineFact = LabReport | CareEvent


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
    """Result or finding id to what the document calls it."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.site.time_zone)


def read_timeline(
    document: Mapping[str, Json], *, ruleset: str | None = None, until: date | None = None, as_received: bool = False
) -> Timeline:
    """The facts of a document, grouped by the moment they became known.

    Moments are in order of ``issued_at`` (else ``collected_at``), or in the document's order with
    ``as_received``. ``until`` leaves out what was issued after that date (site zone); ``ruleset`` overrides that of the
    lines. Raises :class:`TimelineError`.
    """
    reader = _Reader(document, ruleset)
    standing = tuple(reader.standing())
    facts = [fact for fact in reader.facts() if until is None or fact[0].astimezone(reader.zone).date() <= until]
    if not as_received:
        facts.sort(key=lambda fact: fact[0])
    return Timeline(reader.patient, reader.site, standing, tuple(_moments(facts)), reader.names)


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
        self.site: SiteSettings = site_of(document)
        self.zone = ZoneInfo(self.site.time_zone)

    # --- what is known before the first observation ---

    def standing(self) -> Iterator[CareEvent]:
        if stated := an_object("clone", self.document.get("clone")):
            evidence = [text for part in an_object("clone.evidence", stated.get("evidence")).values() for text in part]
            clone = {"type": "clone_stated", "heavy": stated.get("heavy"), "light": stated.get("light")}
            yield self._care("clone", "clone", KNOWN_BEFORE, clone | {"evidence": evidence}, known=False)
        for place, line in self._each("therapy_lines"):
            yield from self._line(place, line)
        for place, exposure in self._each("exposures"):
            for first, last, dose in doses(place, exposure):
                drug = {"type": "drug", "drug": exposure["drug"], "first": first, "last": last, "dose": dose}
                drug |= {"status": exposure.get("status") or "given"}
                yield self._care(place, f"drug {exposure['drug']} {first}", KNOWN_BEFORE, drug, known=False)

    def _line(self, place: str, line: Mapping[str, Json]) -> Iterator[CareEvent]:
        if "start" not in line:
            raise TimelineError(f"{place}: a therapy line needs its 'start' date")
        number = line.get("line", 1)
        body = {
            "type": "line_started", "line": number, "start": line["start"],
            "rule_set": self.ruleset or line.get("rule_set") or "poems", "second_rule_set": line.get("second_rule_set"),
            "m_component_source": line.get("m_component_source") or self._m_component_source(),
            "plan": line.get("plan") or (),
        }  # fmt: skip
        yield self._care(place, f"line {number} started", KNOWN_BEFORE, body, known=False)
        if line.get("end"):
            stop = {"type": "line_stopped", "line": number, "end": line["end"]}
            yield self._care(place, f"line {number} stopped", KNOWN_BEFORE, stop, known=False)

    def _m_component_source(self) -> str:
        return str((self.document.get("site_config") or {}).get("m_component_source") or "MPROT_S")

    # --- what becomes known later ---

    def facts(self) -> Iterator[tuple[datetime, TimelineFact]]:
        for place, record in self._each("observations"):
            yield self._observed(place, record)
        for place, event in self._each("events"):
            yield self._event(place, event, None)
        for place, point in self._each("timepoints"):
            observed = [self._observed(where, record) for where, record in _listed(f"{place}.observations", point)]
            yield from observed
            known = max((at for at, _ in observed), default=None) or self._point_time(place, point)
            if found := an_object(f"{place}.clinical", point.get("clinical")):
                yield self._finding(place, point, found, known)
            for where, event in _listed(f"{place}.events", point):
                yield self._event(where, event, known)

    def _point_time(self, place: str, point: Mapping[str, Json]) -> datetime | None:
        day = point.get("synthetic_date") or point.get("date")
        return self._time(f"{place}.date", day) if day else None

    def _time(self, place: str, text: Json) -> datetime:
        return read_time(place, text, self.zone)[0]

    def _finding(
        self, place: str, point: Mapping[str, Json], found: Mapping[str, Json], known: datetime | None
    ) -> tuple[datetime, CareEvent]:
        if known is None:
            raise TimelineError(f"{place}: a clinical finding needs a date")
        on = self._point_time(place, point) or known
        body = {"type": "clinical_finding", **found, "on": found.get("on", on.astimezone(self.zone).date())}
        name = str(point.get("id", place))
        return known, self._care(f"{place}.clinical", f"clinical {name}", known, body, name=f"{name} clinical")

    def _event(self, place: str, event: Mapping[str, Json], known: datetime | None) -> tuple[datetime, CareEvent]:
        day = event.get("synthetic_date") or event.get("date") or event.get("on") or event.get("onset")
        start = self._time(f"{place}.date", day) if day else None
        recorded = event.get("recorded_at")
        at = self._time(f"{place}.recorded_at", recorded) if recorded else known or start
        if at is None:
            raise TimelineError(f"{place}: an event needs its 'date' or when it was 'recorded_at'")
        on = (start or at).astimezone(self.zone).date()
        body = event_body(place, event, on) | ({"result": self._result_of(event)} if event.get("result") else {})
        if body["type"] == "repair_reviewed":
            body.setdefault("at", at)
        return at, self._care(place, event_key(place, body, on), at, body)

    def _result_of(self, event: Mapping[str, Json]) -> Json:
        """The result an event speaks of, by the id that its observation has in this document."""
        return derive("result", self.patient.key, event["result"])

    def _care(
        self, place: str, key: str, at: datetime, body: Mapping[str, Json], *, known: bool = True, name: str = ""
    ) -> CareEvent:
        try:
            parsed = CARE_BODY.validate_python(body)
        except ValidationError as error:
            wrong = ", ".join(".".join(map(str, item["loc"])) or "type" for item in error.errors(include_input=False))
            raise TimelineError(f"{place}: an event of type {body.get('type')!r} cannot be read: see {wrong}") from None
        if isinstance(parsed, ClinicalFinding):
            if unknown := sorted(set(parsed.symptoms.values()) - TRENDS):
                raise TimelineError(f"{place}: a symptom is {', '.join(sorted(TRENDS))}; not {', '.join(unknown)}")
            self.names[derive("clinical_finding", self.patient.key, key)] = name or place
        event = CareEvent(
            patient=self.patient, occurred_at=at, recorded_at=at, key=key, known_from=at if known else None, body=parsed
        ).identified()
        self.names.setdefault(event.event_id, name or place)
        return event

    # --- observations ---

    def _observed(self, place: str, record: Mapping[str, Json]) -> tuple[datetime, LabReport]:
        collected, until, precision = self._collected(place, record)
        issued = self._time(f"{place}.issued_at", record["issued_at"]) if record.get("issued_at") else collected
        observation = self._observation(place, record, collected, until, precision, issued)
        report = LabReport(
            patient=self.patient, occurred_at=collected, recorded_at=issued, sender="timeline", profile="timeline",
            alert_on_preliminary=self._preliminary(), sex=self._sex(), age_at_collection=self._age(collected),
            observations=(observation,),
            source=Source(hash="", message=place),
        )  # fmt: skip
        return issued, report.identified()

    def _preliminary(self) -> tuple[str, ...]:
        said = (self.document.get("site_config") or {}).get("alert_on_preliminary", PRELIMINARY_CRITICALS)
        return PRELIMINARY_CRITICALS if said is True else tuple(said or ())

    def _sex(self) -> str | None:
        """M or F; another word, as received, which no stratum has (R-7)."""
        said = str(self.subject.get("sex") or "").strip()
        return {"male": "M", "female": "F"}.get(said.casefold(), said.upper()) or None

    def _collected(self, place: str, record: Mapping[str, Json]) -> tuple[datetime, datetime, TimePrecision]:
        if record.get("collected_at"):
            return read_time(f"{place}.collected_at", record["collected_at"], self.zone)
        day, anchor = record.get("relative_day"), self._day_zero()
        if not isinstance(day, int) or anchor is None:
            raise TimelineError(
                f"{place}: an observation needs its 'collected_at', or a whole 'relative_day' beside"
                " synthetic_anchoring.c1d1 or the start of a therapy line"
            )
        start, end, _ = read_time(place, (anchor + timedelta(days=day)).isoformat(), self.zone)
        return start, end, "relative"

    def _day_zero(self) -> date | None:
        """Day 0 of relative days: the stated one, else the start of the first line that is listed."""
        lines = self.document.get("therapy_lines") or [{}]
        anchoring = an_object("synthetic_anchoring", self.document.get("synthetic_anchoring"))
        said = anchoring.get("c1d1") or an_object("therapy_lines[0]", lines[0]).get("start")
        return self._time("synthetic_anchoring.c1d1", said).astimezone(self.zone).date() if said else None

    def _age(self, collected: datetime) -> AgeAtCollection | None:
        born = self.subject.get("birth_date") or self.subject.get("synthetic_birth_date")
        if not born:
            return None
        first, last = read_days("subject.birth_date", born)
        on = collected.astimezone(self.zone).date()
        return AgeAtCollection(days=((on - last).days, (on - first).days + 1))

    def _observation(
        self, place: str, record: Mapping[str, Json], collected: datetime, until: datetime, precision: TimePrecision,
        issued: datetime,
    ) -> Observation:  # fmt: skip
        if not record.get("id") or not record.get("code"):
            raise TimelineError(f"{place}: an observation needs an 'id' and a 'code' of the analyte catalogue")
        received = an_object(f"{place}.received", record.get("received"))
        text, unit, limits = (_text(received.get(part)) for part in ("value", "unit", "range"))
        analyte, noted = _analyte(record)
        reading = read_result(analyte, "", (text,), unit, (limits,))
        specimen, specimen_source = settle(analyte, _text(record.get("specimen")) or "UNKNOWN")
        method, lab = _text(record.get("method")) or "UNKNOWN", _text(record.get("lab")) or self._lab()
        result = derive("result", self.patient.key, record["id"])
        self.names[result] = str(record["id"])
        status = _text(record.get("status", "F"))
        extra = {name: _attribute(record[name]) for name in ATTRIBUTES if record.get(name) is not None}
        flags = tuple(map(str, record.get("lab_interpretation") or ()))
        isotype = _isotype(place, record, reading)
        content = (
            result, status, text, unit, limits, issued, collected, record["code"], specimen, extra, str(isotype),
            method, lab, flags, record.get("loinc"),
        )  # fmt: skip
        return Observation(
            result=result, version=derive("version", *content), code=str(record.get("loinc") or record["code"]),
            system="LN" if record.get("loinc") else "L", analyte=analyte.code if analyte else None,
            name=_text(record.get("name")), status=status, status_class=statuses.classify(status)[0],
            issued_at=issued, issued_from="timeline", value=reading.value, canonical=reading.canonical,
            repaired=Repaired.of(reading.repaired) if reading.repaired else None, range=reading.range,
            reported_flags=flags, collected_at=collected, collected_until=until, time_precision=precision,
            collected_from="timeline", specimen=specimen, specimen_source=specimen_source,
            specimen_raw=_text(record.get("specimen")), method=method, lab=lab, isotype=isotype, attributes=extra,
            quality=tuple(sorted({*reading.quality, *noted})), segment=place,
        )  # fmt: skip

    def _lab(self) -> str:
        lab = self.document.get("lab")
        return str((lab.get("id") if isinstance(lab, Mapping) else lab) or "UNKNOWN")

    def _each(self, name: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
        return _listed(name, self.document)


def _listed(place: str, owner: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """The objects of a list of the document, each with its place; ``place`` ends with the key of the list."""
    items = owner.get(place.rpartition(".")[2]) or ()
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise TimelineError(f"{place}: a list is expected here")
    for index, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise TimelineError(f"{place}[{index}]: an object is expected here")
        yield f"{place}[{index}]", item


def _analyte(record: Mapping[str, Json]) -> tuple[Analyte | None, tuple[str, ...]]:
    """The entry that a record's code names, and notes on the code; a failing LOINC code is not guessed (LN-1)."""
    loinc = _text(record.get("loinc"))
    analyte = CATALOGUE.get(str(record["code"]).upper())
    if loinc and not check_digit_ok(loinc):
        return None, ("code_unmapped", "loinc_check_digit")
    if analyte is None:
        return None, ("code_unmapped",)
    return analyte, ("loinc_deprecated",) if loinc in DEPRECATED else ()


def _isotype(place: str, record: Mapping[str, Json], reading: Reading) -> Isotype | None:
    """The chains that the record states, else those that the answer names (``IgG lambda``)."""
    band = reading.band
    if record.get("isotype"):
        try:
            return Isotype.model_validate(record["isotype"])
        except ValidationError:
            raise TimelineError(
                f"{place}.isotype: 'heavy' is IgG, IgA, IgM, IgD, IgE or null, 'light' is kappa, lambda or null"
            ) from None
    return Isotype(heavy=band.heavy, light=band.light) if band and (band.heavy or band.light) else None


def _text(value: Json) -> str:
    return "" if value is None else str(value)


def _attribute(value: Json) -> str:
    return ("Y" if value else "N") if isinstance(value, bool) else str(value)
