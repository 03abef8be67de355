"""Codes of a message as people read them, wherever a value stands."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from refrain.contracts.events import Evidence
from services.chart.adapters.alerts import _compared
from services.chart.adapters.web.pages.showing import WORDS
from services.chart.adapters.web.render import build_templates
from services.chart.domain.coded_values import readable
from services.chart.domain.curves import curve_of, marks
from tests.chart.pages.stories import a_row, a_series


@pytest.mark.parametrize(
    ("sent", "reads"),
    [
        pytest.param("POS^^L~IGA^^L~LAMBDA^^L", "POS IgA lambda", id="a band with both chains"),
        pytest.param("NEG^^L", "NEG", id="negative"),
        pytest.param("POS^^L~IGG^^L", "POS IgG", id="a chain that is not named is not invented"),
        pytest.param("260373001^Detected^SCT", "Detected", id="words that came with the code"),
        pytest.param("NEG", "NEG", id="plain already"),
        pytest.param("4.8 x10^6/kg", "4.8 x10^6/kg", id="a power is no code"),
        pytest.param("x^2^3 mg", "x^2^3 mg", id="nor are two of them"),
        pytest.param("see^comment~below", "see^comment~below", id="free text with such signs"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_coded_value_reads_as_the_engines_word_it(sent: str, reads: str) -> None:
    assert readable(sent) == reads


def test_the_row_of_a_result_its_mark_and_its_macro_read_alike() -> None:
    at = datetime(2026, 5, 4, tzinfo=UTC)
    row = a_row(None, at, nominal="POS", text="POS^^L~IGA^^L~LAMBDA^^L", value_kind="nominal", unit=None)
    assert row.shown == "POS IgA lambda"
    curve = curve_of("IFE_S", [a_series(row)], lesions={}, old={}, course=None, bars=(), zone=ZoneInfo("UTC"))
    assert [mark.says for mark in marks(curve)] == ["POS IgA lambda, 2026-05-04"]
    pieces = build_templates(ZoneInfo("UTC")).get_template("_patient_macros.html").make_module(WORDS)
    assert '<strong class="number">POS IgA lambda</strong>' in pieces.value(row, ())  # type: ignore[attr-defined]


def test_what_a_message_says_again_is_no_change_of_an_alert() -> None:
    """A newer version with the same band is not struck through against what was told."""
    at = datetime(2026, 5, 4, tzinfo=UTC)
    row = a_row(None, at, nominal="POS", text="POS^^L~IGA^^L~LAMBDA^^L", value_kind="nominal", unit=None)
    told = Evidence(
        version=uuid4(), result=row.result, analyte="IFE_S", text="POS IgA lambda", collected_at=at
    )  # fmt: skip
    assert not _compared(told, row).changed
