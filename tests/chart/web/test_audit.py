"""Every look is written down before it is answered, on SQLite and on PostgreSQL; what cannot be is not shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter, Depends, Request
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from services.chart.adapters.web.audit import Audit, look, looks_at
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Person, Role, may

ClientAs = Callable[..., TestClient]
PATIENT, OTHER = UUID(int=1), UUID(int=2)
MEERA = Person("meera", "Meera", Role.CLINICIAN, "console")
EHR = Person("token:ehr", "ehr", Role.VIEWER, "api")


def pages() -> APIRouter:
    """As pages about patients are written."""
    router = APIRouter(dependencies=[Depends(may("see"))])

    @router.get("/patients/{chart_id}", dependencies=[Depends(looks_at("patient"))])
    async def patient(chart_id: UUID) -> str:
        return f"all about {chart_id}"

    @router.get("/patients/{chart_id}/results/{result}", dependencies=[Depends(looks_at("result", "result"))])
    async def result(chart_id: UUID, result: UUID) -> str:
        return f"{result} of {chart_id}"

    @router.get("/alerts/{alert}")
    async def alert(request: Request, alert: UUID, _: Annotated[Person, Depends(may("see"))]) -> str:
        await look(request, "alert", patient=PATIENT, subject=str(alert))
        return "an alert"

    return router


def test_a_look_is_a_row(console: Console, client_as: ClientAs) -> None:
    client = client_as("clinician", routers=[pages()])
    result, alert = uuid4(), uuid4()
    for path in (f"/patients/{PATIENT}", f"/patients/{PATIENT}/results/{result}", f"/alerts/{alert}"):
        assert client.get(path).status_code == 200
    rows = console.audit.looks()
    assert [(row.what, row.subject) for row in rows] == [
        ("alert", str(alert)),
        ("result", str(result)),
        ("patient", ""),
    ]
    assert {(row.person, row.role, row.via, row.patient) for row in rows} == {
        ("clinician", "clinician", "console", str(PATIENT))
    }


def test_the_row_names_the_request(console: Console, client_as: ClientAs) -> None:
    answer = client_as("viewer", routers=[pages()]).get(f"/patients/{PATIENT}")
    assert console.audit.looks()[0].request == answer.headers["x-request-id"]


@pytest.mark.parametrize("path", [f"/patients/{PATIENT}", f"/alerts/{PATIENT}"])
def test_what_cannot_be_written_down_is_not_shown(client_as: ClientAs, chart_engine: Engine, path: str) -> None:
    client = client_as("clinician", routers=[pages()])
    with chart_engine.begin() as connection:
        connection.execute(text("alter table looks rename to looks_away"))
    answer = client.get(path)
    assert answer.status_code == 503
    assert "could not be written down" in answer.text
    assert "all about" not in answer.text


def test_nobodys_look_is_none(console: Console, client_as: ClientAs) -> None:
    client_as(None, routers=[pages()]).get(f"/patients/{PATIENT}")
    assert console.audit.looks() == []


@pytest.fixture
def audit(accounts: Engine, clock: Any) -> Audit:
    """With a few looks, an hour apart."""
    made = Audit(accounts)
    for person, patient in ((MEERA, PATIENT), (EHR, PATIENT), (MEERA, OTHER), (MEERA, None)):
        made.look(person, clock(), patient=patient, what="page", subject="", request=str(uuid4()))
        clock.passes(hours=1)
    return made


def test_looks_are_found_by_person_patient_and_time(audit: Audit, clock: Any) -> None:
    start = audit.looks()[-1].at
    assert [row.patient for row in audit.looks(person="meera")] == [None, str(OTHER), str(PATIENT)]
    assert [row.person for row in audit.looks(patient=str(PATIENT))] == ["token:ehr", "meera"]
    assert len(audit.looks(since=start, until=clock())) == 4
    clock.at = start
    clock.passes(hours=1)
    assert [row.person for row in audit.looks(until=clock())] == ["meera"]
    assert len(audit.looks(since=clock())) == 3


def test_they_are_paged_newest_first(audit: Audit) -> None:
    first = audit.looks(limit=3)
    rest = audit.looks(limit=3, before=first[-1].id)
    assert [row.at for row in first + rest] == sorted((row.at for row in first + rest), reverse=True)
    assert len(rest) == 1


@pytest.mark.parametrize(
    ("question", "index"),
    [
        ("select * from looks where patient = 'x' order by id desc limit 100", "ix_looks_patient"),
        ("select * from looks where person = 'x' order by id desc limit 100", "ix_looks_person"),
        ("select * from sessions where person = 'x'", "ix_sessions_person"),
        ("select count(*) from signin_failures where who = 'x' and at > 1", "ix_signin_failures_who"),
        ("select count(*) from signin_failures where address = 'x' and at > 1", "ix_signin_failures_address"),
    ],
)
def test_what_pages_ask_is_indexed(chart_engine: Engine, question: str, index: str) -> None:
    with chart_engine.connect() as connection:
        plan = " ".join(str(row) for row in connection.execute(text(f"explain query plan {question}")))
    assert index in plan
