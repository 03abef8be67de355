"""Lists that grow for years are read through an index, in its order: what SQLite says that it will do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text

from refrain.runtime.database import open_database, upgrade
from services.chart.adapters.fhir import narrowing
from services.chart.adapters.read_model import ReadModel
from services.chart.domain.fhir.searching import asked

ASKED = asked(
    "Observation",
    [("code", "VEGF"), ("status", "corrected"), ("date", "2026"), ("_lastUpdated", "ge2026")],
    ZoneInfo("UTC"),
)  # fmt: skip
READS: dict[str, Callable[[ReadModel], object]] = {
    "the work list": lambda model: model.alerts(waiting=True),
    "the work list of one tier": lambda model: model.alerts(waiting=True, tiers=("DQ",)),
    "the work list of the ward": lambda model: model.alerts(waiting=True, tiers=("P1", "P2")),
    "the next page": lambda model: model.alerts(waiting=True, after="1024.17.00000000-0000-0000-0000-000000000001"),
    "answered alerts, newest first": lambda model: model.alerts(waiting=False, newest_first=True),
    "alerts by the beginning of a number": lambda model: model.alerts(number="0007"),
    "the counts": lambda model: model.counts(),
    "patients": lambda model: model.search_patients(),
    "patients by the beginning of a number": lambda model: model.search_patients("0007"),
    "a page of results": lambda model: model.results("NORTH|MR|0007"),
    "the results of one analyte": lambda model: model.series("NORTH|MR|0007", "VEGF"),
    "a course": lambda model: model.course_moments("NORTH|MR|0007"),
    "care events": lambda model: model.care_events("NORTH|MR|0007"),
    "reports": lambda model: model.reports("NORTH|MR|0007"),
    "reports that FHIR looks through": lambda model: model.report_heads(
        "NORTH|MR|0007", where=narrowing.of_reports(ASKED)
    ),
    "results that FHIR looks through": lambda model: model.results("NORTH|MR|0007", where=narrowing.of_results(ASKED)),
    "dead letters": lambda model: model.dead_letters(),
    "changes": lambda model: model.changes(17, "NORTH|MR|0007"),
}
GROWING = ("patients", "results", "alerts", "versions", "reports", "moments", "care_events", "alert_events", "changes")


@pytest.mark.parametrize("name", READS)
def test_no_list_reads_a_whole_table(name: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chart.db"
    upgrade(url, "chart", "services.chart.adapters:migrations")
    engine = open_database(url, "chart")
    asked: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def listen(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    READS[name](ReadModel(engine))
    assert asked
    with engine.connect() as connection:
        plans = [
            row.detail
            for statement, parameters in list(asked)
            for row in connection.exec_driver_sql(f"explain query plan {statement}", parameters)
        ]
    scans = [plan for plan in plans for table in GROWING if plan == f"SCAN {table}"]
    assert scans == [], plans
    engine.dispose()


def test_a_scan_would_be_seen(tmp_path: Path) -> None:
    """The words of SQLite that the test above looks for."""
    url = f"sqlite:///{tmp_path}/chart.db"
    upgrade(url, "chart", "services.chart.adapters:migrations")
    engine = open_database(url, "chart")
    with engine.connect() as connection:
        plan = connection.execute(text("explain query plan select * from alerts where text = 'x'")).all()
    assert [row.detail for row in plan] == ["SCAN alerts"]
    engine.dispose()
