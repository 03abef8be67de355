"""The API as an EHR meets it: what it says it can do, who may ask, what is written down, what is refused and how."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir_client import Fhir, Fill, patient_of, records_of, story
from fhir_oracle import codes

from refrain.contracts.events import Event, FlaggedReport, LabReport
from services.chart.adapters.web.console import Console
from services.chart.domain.fhir.encoding import encode
from services.chart.domain.fhir.searching import SEARCHES

NIL = "00000000-0000-0000-0000-000000000000"


def told(*versions: dict[str, Any], subject: str = "S-77001") -> list[Event]:
    """Records of one result in versions, each a dictionary over an invented final VEGF."""
    default = {
        "id": "v", "code": "VEGF", "specimen": "PLASMA_EDTA", "lab": "LAB", "method": "M1", "status": "F",
        "collected_at": "2026-02-03T08:00:00Z", "issued_at": "2026-02-03T12:00:00Z",
        "received": {"value": "100.10", "unit": "pg/mL", "range": "0-160"},
    }  # fmt: skip
    return records_of({"subject": {"id": subject}, "observations": [default | version for version in versions]})


def a_result(records: list[Event]) -> str:
    return next(str(o.result) for event in records if isinstance(event, LabReport) for o in event.observations)


CORRECTED = {"status": "C", "issued_at": "2026-02-04T12:00:00Z"} | {
    "received": {"value": "200.10", "unit": "pg/mL", "range": "0-160"}
}


def test_the_statement_says_what_is_there(fhir: Fhir, fill: Fill) -> None:
    fill(story("case-report"))
    patient = patient_of(story("case-report"))
    said = fhir.get("metadata")
    CapabilityStatement.model_validate(said)
    assert said["fhirVersion"] == "4.0.1"
    assert {each["versioning"] for each in said["rest"][0]["resource"]} == {"versioned"}, "all have a versionId"
    own = {
        (resource["type"], parameter["name"])
        for resource in said["rest"][0]["resource"]
        for parameter in resource["searchParam"]
        if "documentation" in parameter
    }
    assert own == {("Flag", "code"), ("Flag", "status"), ("DetectedIssue", "status")}, "those that R4 does not have"
    for resource in said["rest"][0]["resource"]:
        kind = resource["type"]
        interactions = {each["code"] for each in resource["interaction"]}
        one = fhir.all(f"{kind}?{'_id' if kind == 'Patient' else 'patient'}={patient}")[0]
        fhir.get(f"{kind}/{one['id']}")
        for parameter in resource["searchParam"]:
            value = {"date": "ge1900", "reference": f"Patient/{patient}"}.get(parameter["type"], one["id"])
            by = "" if parameter["name"] in ("patient", "subject") or kind == "Patient" else f"&patient={patient}"
            also = f"&_id={patient}" if kind == "Patient" and parameter["name"] == "_lastUpdated" else ""
            fhir.get(f"{kind}?{parameter['name']}={value}{by}{also}")
        if "history-instance" in interactions:
            results = fhir.all(f"{kind}?patient={patient}&category=laboratory")
            version = fhir.get(f"{kind}/{results[0]['id']}/_history")["entry"][0]["resource"]["meta"]["versionId"]
            fhir.get(f"{kind}/{results[0]['id']}/_history/{version}")
        else:
            fhir.get(f"{kind}/{one['id']}/_history", 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("kind", SEARCHES)
def test_nothing_is_written(fhir: Fhir, method: str, kind: str) -> None:
    answer = fhir.client.request(method, f"/fhir/{kind}" + ("" if method == "POST" else f"/{NIL}"), json={})
    assert answer.status_code == 405
    outcome = OperationOutcome.model_validate(answer.json())
    assert outcome.issue[0].code == "not-supported"


@pytest.mark.parametrize("path", ["metadata", f"Patient/{NIL}", f"Observation?patient={NIL}", "Nothing"])
def test_nobody_reads_without_a_token(client_as: Callable[..., TestClient], path: str) -> None:
    answer = client_as(None).get(f"/fhir/{path}")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    OperationOutcome.model_validate(answer.json())


@pytest.mark.parametrize("role", ["viewer", "clinician", "laboratory", "administrator"])
def test_a_session_may_read_too(client_as: Callable[..., TestClient], fill: Fill, role: str) -> None:
    records = told({})
    fill(records)
    client = client_as(role)
    assert client.get(f"/fhir/Patient/{patient_of(records)}").status_code == 200
    head = client.head(f"/fhir/Observation/{a_result(records)}")
    assert (head.status_code, head.headers["cache-control"]) == (200, "no-store")
    del client.headers["X-CSRF-Token"]
    assert client.post("/fhir/Patient/_search", data={"identifier": "S-77001"}).status_code == 403


def test_every_read_of_a_patient_is_written_down(fhir: Fhir, fill: Fill, console: Console) -> None:
    records = told({}, CORRECTED)
    fill(records)
    patient, result = patient_of(records), a_result(records)
    paths = [
        f"Patient/{patient}", f"Observation/{result}", f"Observation/{result}/_history", f"Observation?_id={result}",
        f"Observation?patient={patient}", f"DetectedIssue?patient={patient}", "Patient?identifier=S-77001",
    ]  # fmt: skip
    for path in paths:
        fhir.get(path)
    looks = console.audit.looks(patient=patient)
    assert len(looks) == len(paths)
    assert {look.person for look in looks} == {"token:ehr"}
    assert not any("S-77001" in f"{look.what}{look.subject}" for look in looks)
    fhir.get("Patient?identifier=unknown-number")
    assert len(console.audit.looks()) == len(paths) + 1, "a number that nobody has was asked for"


def test_what_cannot_be_written_down_is_not_shown(fhir: Fhir, fill: Fill, console: Console, monkeypatch: Any) -> None:
    from services.chart.adapters.web.audit import AuditAway

    records = told({})
    fill(records)

    def away(*_: Any, **__: Any) -> None:
        raise AuditAway

    monkeypatch.setattr(console.audit, "look", away)
    answer = fhir.client.get(f"/fhir/Observation/{a_result(records)}")
    assert answer.status_code == 503
    assert "100.10" not in answer.text


def test_a_correction_is_corrected_and_keeps_its_history(fhir: Fhir, fill: Fill) -> None:
    records = told({}, CORRECTED)
    fill(records)
    result = a_result(records)
    now = fhir.get(f"Observation/{result}")
    assert (now["status"], str(now["valueQuantity"]["value"])) == ("corrected", "200.10")
    assert "H" in codes(now["interpretation"])
    bundle = fhir.get(f"Observation/{result}/_history")
    first, second = bundle["entry"]
    assert first["resource"] == now
    assert (second["resource"]["status"], str(second["resource"]["valueQuantity"]["value"])) == ("final", "100.10")
    old = second["resource"]["meta"]["versionId"]
    assert fhir.get(f"Observation/{result}/_history/{old}") == second["resource"]
    assert fhir.get(f"Observation/{result}/_history/{old.partition('.')[0]}") == second["resource"]
    fhir.get(f"Observation/{result}/_history/{old.partition('.')[0]}.0000000000000000", 404)


@pytest.mark.parametrize(("status", "http"), [("D", 200), ("W", 410)])
def test_a_withdrawn_result_is_entered_in_error_and_a_wrongly_posted_one_gone(
    fhir: Fhir, fill: Fill, status: str, http: int
) -> None:
    records = told({}, {"status": status, "issued_at": "2026-02-04T12:00:00Z"})
    fill(records)
    patient, result = patient_of(records), a_result(records)
    fhir.get(f"Observation/{result}", http)
    assert len(fhir.all(f"Observation?patient={patient}")) == (http == 200)
    for query in ("status=entered-in-error", "_lastUpdated=ge2000"):
        [stub] = fhir.all(f"Observation?patient={patient}&{query}")
        assert stub["status"] == "entered-in-error"
        assert "valueQuantity" not in stub
    entries = fhir.get(f"Observation/{result}/_history")["entry"]
    assert [entry["request"]["method"] for entry in entries] == (["PUT", "POST"] if http == 200 else ["DELETE", "POST"])
    assert entries[1]["resource"]["status"] == "final"
    [report, *_] = fhir.all(f"DiagnosticReport?patient={patient}")
    assert report["status"] == "entered-in-error"


def test_who_has_it_already_is_not_sent_it_again(fhir: Fhir, fill: Fill) -> None:
    first = told({})
    fill(first)
    result = a_result(first)
    answer = fhir.client.get(f"/fhir/Observation/{result}")
    tag = answer.headers["etag"]
    assert tag == f'W/"{answer.json()["meta"]["versionId"]}"'
    assert answer.headers["last-modified"] == "Tue, 03 Feb 2026 12:00:00 GMT"
    again = fhir.client.get(f"/fhir/Observation/{result}", headers={"If-None-Match": tag})
    assert (again.status_code, again.text) == (304, "")
    fill(told({}, CORRECTED))
    changed = fhir.client.get(f"/fhir/Observation/{result}", headers={"If-None-Match": tag})
    assert changed.status_code == 200


def test_flags_that_come_later_are_another_content(fhir: Fhir, fill: Fill) -> None:
    records = told({})
    fill([event for event in records if isinstance(event, LabReport)])
    result = a_result(records)
    before = fhir.client.get(f"/fhir/Observation/{result}")
    assert before.json()["interpretation"] == [{"text": "not judged yet"}]
    fill(records)
    after = fhir.client.get(f"/fhir/Observation/{result}", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert codes(after.json()["interpretation"]) == ["N"]


def test_digits_are_kept(fhir: Fhir, fill: Fill) -> None:
    records = told({"received": {"value": "1.10", "unit": "ng/mL", "range": "0-5.0"}})
    fill(records)
    text = fhir.client.get(f"/fhir/Observation/{a_result(records)}").text
    assert '"value":1.10,' in text
    assert '"value":5.0,' in text
    assert encode({"v": Decimal("1E+3")}) == '{"v":1E+3}'
    with pytest.raises(TypeError):
        encode({"v": 1.1})


@pytest.mark.parametrize(("range_", "limits"), [("0-160", {"low", "high", "text"}), ("<160", {"text"})])
def test_an_exclusive_limit_is_no_limit_of_fhir(fhir: Fhir, fill: Fill, range_: str, limits: set[str]) -> None:
    records = told({"received": {"value": "100", "unit": "pg/mL", "range": range_}})
    fill(records)
    [found] = fhir.get(f"Observation/{a_result(records)}")["referenceRange"]
    assert found.keys() == limits
    assert found["text"] == range_


def test_a_bound_keeps_its_comparator(fhir: Fhir, fill: Fill) -> None:
    records = told({"received": {"value": "<20", "unit": "pg/mL", "range": "0-160"}})
    fill(records)
    found = fhir.get(f"Observation/{a_result(records)}")
    assert (found["valueQuantity"]["comparator"], str(found["valueQuantity"]["value"])) == ("<", "20")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("date=2026-02-03", True), ("date=2026-02", True), ("date=gt2026-02-03", False), ("date=ge2026-02-03", True),
        ("date=lt2026-02-03T08:00:00Z", False), ("date=le2026-02-03T08:00:00Z", True), ("date=ne2026-02-03", False),
        ("date=sa2026-02-02", True), ("date=eb2026-02-03", False), ("date=ge2026-01-01&date=lt2026-03-01", True),
        ("date=ge2026-03-01&date=lt2026-04-01", False), ("code=http://loinc.org|34694-0", True), ("code=2842-3", False),
        ("code=2842-3,VEGF", True), ("category=laboratory", True), ("category=imaging", False),
        ("status=final", True), ("status=final,corrected", True), ("status=corrected", False),
    ],
)  # fmt: skip
def test_searches_find_what_they_say(fhir: Fhir, fill: Fill, query: str, found: bool) -> None:
    records = told({})
    fill(records)
    assert bool(fhir.all(f"Observation?patient={patient_of(records)}&{query}")) == found


@pytest.mark.parametrize(
    ("precision", "said", "date", "found"),
    [
        ("year", "2026", "2026", True), ("year", "2026", "2026-02", False), ("month", "2026-02", "2026-02", True),
        ("day", "2026-02-03", "2026-02-03", True), ("day", "2026-02-03", "gt2026-02-03", False),
        ("day", "2026-02-03", "2026-02-03T08:00Z", False), ("unknown", None, "2026", False),
    ],
)  # fmt: skip
def test_a_time_that_is_not_known_to_the_second_is_found_by_id_as_by_patient(
    fhir: Fhir, fill: Fill, precision: str, said: str | None, date: str, found: bool
) -> None:
    records = [known_to(precision, event) for event in told({})]
    fill(records)
    result = a_result(records)
    [resource] = fhir.all(f"Observation?_id={result}")
    assert resource.get("effectiveDateTime") == said
    for query in (f"_id={result}", f"patient={patient_of(records)}"):
        assert bool(fhir.all(f"Observation?{query}&date={date}")) == found, query
    [report] = fhir.all(f"DiagnosticReport?patient={patient_of(records)}")
    assert report.get("effectiveDateTime") == said, "no more precise than its results"
    for query in (f"_id={report['id']}", f"patient={patient_of(records)}"):
        assert bool(fhir.all(f"DiagnosticReport?{query}&date={date}")) == found, query


def known_to(precision: str, event: Event) -> Event:
    """A report whose results were collected on 3 February 2026, known as precisely as that."""
    start, end = {
        "year": ((2026, 1, 1), (2027, 1, 1)), "month": ((2026, 2, 1), (2026, 3, 1)),
    }.get(precision, ((2026, 2, 3), (2026, 2, 4)))  # fmt: skip
    at, until = datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC)
    own = {"time_precision": precision, "collected_at": at, "collected_until": until}
    match event:
        case LabReport():
            seen = tuple(each.model_copy(update=own) for each in event.observations)
            return event.model_copy(update={"observations": seen})
        case FlaggedReport():
            flagged = tuple(
                each.model_copy(update={"observation": each.observation.model_copy(update=own)})
                for each in event.observations
            )
            return event.model_copy(update={"observations": flagged})
    return event


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Observation", 400), ("Patient", 400), (f"Observation?patient={NIL}&colour=red", 400),
        (f"Observation?patient={NIL}&date=yesterday", 400), (f"Observation?patient={NIL}&date=2026-02-30", 400),
        (f"Observation?patient={NIL}&date=ge0001", 400),
        (f"Observation?patient={NIL}&_count=0", 400), (f"Observation?patient={NIL}&code=", 400),
        (f"Observation?patient={NIL}&_format=xml", 406), (f"Observation/{NIL}?_summary=true", 400),
        (f"Patient/{NIL}", 404), ("Patient/%20", 404), (f"Observation/call.{'0' * 32}.0", 404),
        (f"Medication/{NIL}", 404), ("Medication?patient=1", 404), (f"DetectedIssue/repair.{NIL}", 404),
        (f"Observation/{NIL}/_history", 404), (f"Observation/{NIL}/_history/1", 404),
    ],
)  # fmt: skip
def test_what_is_not_answered_is_said_to_be(fhir: Fhir, path: str, status: int) -> None:
    OperationOutcome.model_validate(fhir.get(path, status))


def test_a_page_that_is_not_ours(fhir: Fhir, fill: Fill) -> None:
    records = told({})
    fill(records)
    for page in ("result~nonsense", "nothing~", "alert~1", f"result~{10**20}.{NIL}"):
        fhir.get(f"Observation?patient={patient_of(records)}&_page={page}", 400)


def test_another_format_is_not_spoken(fhir: Fhir) -> None:
    fhir.get("metadata", 406, accept="application/fhir+xml")
    fhir.get("metadata", accept="application/fhir+xml, application/fhir+json;q=0.9")


def test_a_number_is_found_without_being_in_an_address(fhir: Fhir, fill: Fill) -> None:
    records = told({})
    fill([*records, *told({}, subject="S-770010")])
    [identifier] = fhir.get(f"Patient/{patient_of(records)}")["identifier"]
    for given in ("S-77001", f"{identifier['system']}|S-77001"):
        answer = fhir.client.post("/fhir/Patient/_search", data={"identifier": given})
        assert answer.status_code == 200, answer.text
        assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == [patient_of(records)]
        assert "S-77001" not in answer.json()["link"][0]["url"]
    assert "entry" not in fhir.client.post("/fhir/Patient/_search", data={"identifier": "urn:other|S-77001"}).json()


def test_a_part_is_not_passed_off_as_the_whole(fhir: Fhir, fill: Fill, chart_engine: Any) -> None:
    from services.chart.adapters.projection import Projection

    fill(told({}))
    Projection(chart_engine).empty("again", {("lab-reports", 0): 5})
    answer = fhir.client.get(f"/fhir/Patient/{NIL}")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["issue"][0]["code"] == "transient"


@pytest.mark.parametrize("path", ["Flag?patient={}", "Flag?_id={}", "Patient/{}"])
def test_a_rebuild_that_begins_while_somebody_asks_is_no_empty_answer(
    fhir: Fhir, fill: Fill, chart_engine: Any, monkeypatch: Any, path: str
) -> None:
    from services.chart.adapters.fhir import finding
    from services.chart.adapters.projection import Projection

    records = told({})
    fill(records)
    rebuilt: list[bool] = []

    class Late(finding.Finder):
        """Reads when the rows are gone already, although they were there a moment ago."""

        def _gone(self, *_: Any) -> Any:
            if not rebuilt:
                Projection(chart_engine).empty("again", {("lab-reports", 0): 5})
                rebuilt.append(True)

        def of_patient(self, *asked: Any) -> Any:
            self._gone()
            return super().of_patient(*asked)

        def by_ids(self, *asked: Any) -> Any:
            self._gone()
            return super().by_ids(*asked)

        def one(self, *asked: Any) -> Any:
            self._gone()
            return super().one(*asked)

    monkeypatch.setattr("services.chart.adapters.fhir.router.Finder", Late)
    answer = fhir.client.get(f"/fhir/{path.format(patient_of(records))}")
    assert answer.status_code == 503
    assert rebuilt


@pytest.mark.parametrize(("sent", "coded"), [("MR", ["MR"]), ("ward list", []), ("", [])])
def test_the_type_of_a_number_is_coded_where_hl7_has_a_code(
    fhir: Fhir, fill: Fill, sent: str, coded: list[str]
) -> None:
    records = told({})
    of_type = [
        event.model_copy(update={"patient": event.patient.model_copy(update={"type": sent})}) for event in records
    ]
    fill(of_type)
    [identifier] = fhir.get(f"Patient/{patient_of(of_type)}")["identifier"]
    assert codes([identifier.get("type", {})]) == coded
    assert identifier.get("type", {}).get("text", "") == sent


def test_test_data_is_marked(fhir: Fhir, fill: Fill) -> None:
    records = [event.model_copy(update={"processing": "test"}).identified() for event in told({})]
    fill(records)
    found = fhir.get(f"Observation/{a_result(records)}")
    assert codes([{"coding": found["meta"]["security"]}]) == ["HTEST"]
