"""Every router of the console, written out: a page that is not here is not there."""

from __future__ import annotations

from fastapi import APIRouter

from services.chart.adapters.fhir import router as fhir
from services.chart.adapters.web import live
from services.chart.adapters.web.pages import (
    account,
    admin,
    alert,
    answers,
    feed,
    patient,
    patient_parts,
    patients,
    quarantine,
    record,
    result,
    why,
    worklist,
)

ROUTERS: tuple[APIRouter, ...] = (
    worklist.router,
    live.router,
    alert.router,
    answers.router,
    account.router,
    admin.router,
    patients.router,
    patient.router,
    patient_parts.router,
    result.router,
    why.router,
    record.router,
    feed.router,
    quarantine.router,
    fhir.router,
)
"""In the order in which a path is looked for. Each route names its permission (``may``)."""
