"""What the pages of a patient share: the tables of words in their templates, the patient of a path, old values."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from refrain.contracts.kinds import kind_of
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.render import render
from services.chart.domain import course_words, result_words
from services.chart.domain.coded_values import readable
from services.chart.domain.quality_words import quality
from services.chart.domain.views import PatientRow, ResultRow, VersionRow
from services.chart.domain.worklist_words import STATES, TIERS, sentence, who

TABLES = {
    name: getattr(course_words, name)
    for name in (
        "AXES", "CALLS", "CAVEATS", "CONFIRMATION", "HELD", "INTERPRETATIONS", "LADDER_STATES", "LEVELS",
        "NO_NORMALITY", "RANGE_SOURCES", "REASONS", "REPAIRS", "REVIEWS", "SPECIMENS", "STATUSES", "VERIFICATIONS",
    )
}  # fmt: skip
WORDS: dict[str, Any] = TABLES | {
    "in_words": course_words.in_words, "with_code": course_words.with_code, "spelled_out": course_words.spelled_out,
    "call_of": course_words.call_of, "call_words": course_words.calls_in_words,
    "analyte_name": course_words.analyte_name, "quality_words": quality, "readable": readable,
    "limits": result_words.limits, "normality": result_words.normality, "flag_looks": result_words.flag_looks,
    "kind_of": kind_of, "STATES": STATES, "TIERS": TIERS, "sentence": sentence, "who": who,
}  # fmt: skip
"""What the templates of a patient know beside what every template knows."""


def console_of(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


def show(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page or a fragment about a patient, with every table of words."""
    console = console_of(request)
    zone = console.zone
    dated = {name: partial(getattr(result_words, name), zone=zone) for name in ("month_of", "year_of")}
    return render(request, template, status, **WORDS, **dated, site=console.site, **context)


async def patient_of(request: Request, chart_id: UUID) -> PatientRow:
    """The patient of the path; 404 for an unknown one."""
    row = await asyncio.to_thread(console_of(request).read_model.patient, chart_id)
    if row is None:
        raise HTTPException(404, "There is no such patient here. The number may be new: try again in a moment.")
    return row


OldValues = dict[UUID, tuple[VersionRow, ...]]


async def old_values(request: Request, rows: Iterable[ResultRow]) -> OldValues:
    """Of each corrected result among the rows the values it had before, oldest first."""
    corrected = [row.result for row in rows if row.corrected]
    if not corrected:
        return {}
    read_model = console_of(request).read_model

    def read() -> OldValues:
        return {result: result_words.old_values(read_model.versions(result)) for result in corrected}

    return await asyncio.to_thread(read)
