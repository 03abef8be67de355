"""Every code that an engine may send has words, and a code that none knows is shown as such."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from refrain.clinical.interpretation import GROUPS
from refrain.contracts.events import Axis, FlaggedReport, RangeSource, Specimen
from services.chart.domain import care_words, course_words, quality_words
from services.flagging.domain.seen import HOLDS, NO_RESPONSE
from services.intake.domain import reasons as intake_reasons
from services.relapse.domain.ladder import LadderState
from services.response.domain.rulesets import RULESETS
from services.response.domain.verdict import MEANING
from tests.chart.pages.stories import case

DOMAINS = Path(__file__).resolve().parents[3] / "services"


def an_axis(**fields: Any) -> Axis:
    known = {"axis": "VEGF", "call": None, "assessability": "ASSESSED", "rule_id": "R", "rule_version": "1"}
    return Axis.model_validate(known | fields)


def literals(service: str, pattern: str) -> Iterator[str]:
    for path in (DOMAINS / service / "domain").rglob("*.py"):
        yield from re.findall(pattern, path.read_text("utf-8"))


def test_every_level_of_every_rule_set_has_words() -> None:
    levels = {level for rules in RULESETS.values() for level in rules.rules} - {"VEGF", "PET", "CLINICAL"}
    assert levels <= set(course_words.CALLS)


def test_every_reason_of_response_has_words() -> None:
    assert set(MEANING) <= set(course_words.REASONS)


def test_every_state_of_an_immunofixation_has_words() -> None:
    states = set(literals("response", r'"(POS_[A-Z]+|MISSING)"'))
    assert states
    assert states <= set(course_words.COMPONENT_STATES)


def test_every_reason_to_hold_a_result_has_words() -> None:
    assert set(HOLDS.values()) <= set(course_words.HELD)
    assert {code for codes in NO_RESPONSE.values() for code in codes} <= set(course_words.HELD)
    added = set(literals("flagging", r'held\.add\("([A-Z_]+)"'))
    assert added
    assert added <= set(course_words.HELD)


@pytest.mark.parametrize("document", ["case-report", "synthetic-001"])
def test_everything_that_the_demos_patients_have_has_words(document: str) -> None:
    reports = [event for _, event in case(document).published if isinstance(event, FlaggedReport)]
    views = [view for report in reports for view in report.observations]
    assert {code for view in views for code in view.held} <= set(course_words.HELD)
    assert {code for view in views for code in view.reasons} <= set(course_words.REASONS)
    assert {code for view in views for code in (*view.caveats, *view.tags)} <= set(course_words.CAVEATS)
    assert {code for view in views for code in view.quality} <= set(quality_words.WORDS)
    repairs = {view.observation.repaired.repair_rule_id for view in views if view.observation.repaired}
    assert repairs <= set(course_words.REPAIRS)


def test_every_quality_code_of_intake_has_words() -> None:
    assert set(intake_reasons.QUALITY) <= set(quality_words.WORDS)
    assert quality_words.quality("uncertain") == "the number is marked as uncertain (uncertain)"


def test_every_closed_list_of_the_contracts_has_words() -> None:
    assert set(GROUPS) == set(course_words.INTERPRETATIONS)
    assert set(get_args(Specimen)) == set(course_words.SPECIMENS)
    assert set(get_args(RangeSource)) == set(course_words.RANGE_SOURCES)
    assert set(get_args(LadderState)) == set(course_words.LADDER_STATES)
    assert {body.model_fields["type"].default for body in care_words.BODIES} == set(care_words.KINDS)


def test_a_code_that_nobody_knows_is_shown() -> None:
    unknown = course_words.with_code(course_words.REASONS, "BRAND_NEW")
    assert unknown == "code BRAND_NEW, for which this page has no words"
    assert "BRAND_NEW" in course_words.call_of(an_axis(call="BRAND_NEW"))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        pytest.param(
            {"call": "CRV", "confirmation": "confirmed"}, "Complete VEGF response (CRV), confirmed", id="confirmed"
        ),
        pytest.param(
            {"call": "PRV"}, "Partial VEGF response (PRV), not confirmed", id="not confirmed"
        ),
        pytest.param(
            {"call": "PDV"}, "VEGF has risen (PDV unconfirmed): a second sample decides", id="one rise only"
        ),
        pytest.param(
            {"call": "PDV", "confirmation": "confirmed"}, "VEGF progression (PDV), confirmed", id="two rises are"
        ),
        pytest.param(
            {"axis": "HEMATOLOGIC", "call": "NEH", "candidate": "CRH", "assessability": "INCOMPLETE",
             "why_not": {"CRH": "urine immunofixation missing"}},
            "Complete hematologic response (CRH) is a candidate, not confirmed: urine immunofixation missing. "
            "Nothing is proven (NEH)", id="a candidate",
        ),
        pytest.param(
            {"assessability": "NE", "reasons": ("NO_DATA",)}, "Nothing proven (NE): nothing collected on this axis",
            id="nothing there",
        ),
        pytest.param(
            {"axis": "CLINICAL", "call": "worsened", "confirmation": "not_required"},
            "Worsened: some features worse, none better", id="the clinical axis",
        ),
    ],
)  # fmt: skip
def test_a_call_as_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    assert course_words.call_of(an_axis(**fields)) == sentence


def test_codes_inside_a_sentence_are_put_in_words() -> None:
    assert (
        course_words.spelled_out("not graded: BASELINE_NOT_QUANTIFIED")
        == "not graded: the baseline was not measured as a number (BASELINE_NOT_QUANTIFIED)"
    )


def test_the_history_names_one_rise_no_progression() -> None:
    assert course_words.calls_in_words("PDV unconfirmed").startswith("VEGF has risen")
    assert course_words.calls_in_words("CR-PET") == "complete PET response (CR-PET)"
    assert "PRH" not in course_words.calls_in_words("VGPRH confirmed").replace("VGPRH", "")
