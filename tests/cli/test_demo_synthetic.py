"""The demo's invented patient: there is something of every kind to look at, and what differs is noticed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from demo_outcomes import RECEIVED_AT, profile, through_the_steps
from rich.console import Console

from refrain.cli.assess import assess
from refrain.cli.demo.case import PATIENT, Case, case, synthetic
from refrain.cli.demo.compared import compare
from refrain.cli.demo.messages import without_a_number
from refrain.cli.demo.outcome import Outcome
from refrain.cli.demo.story import story
from services.intake.domain.translate import translate

Json = dict[str, Any]


@pytest.fixture(scope="module")
def assessed() -> Json:
    return assess(synthetic().document)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return through_the_steps(synthetic())


def vegf(assessed: Json, day: str) -> tuple[str, str, str]:
    """Call, confirmation and ladder state of the VEGF axis on a day."""
    [entry] = [one for one in assessed["course"] if one["as_of"].startswith(day)]
    axis = entry["axes"]["vegf"]
    return axis["call"], axis["confirmation"], entry["ladders"]["vegf"]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        pytest.param("2024-05-13", ("CRV", "unconfirmed", "NONE"), id="normal for the first time"),
        pytest.param("2024-06-24", ("CRV", "confirmed", "NONE"), id="response confirmed"),
        pytest.param("2025-04-14", ("PDV", "unconfirmed", "WATCH"), id="risen"),
        pytest.param("2025-05-05", ("PDV", "confirmed", "CONFIRMED"), id="confirmed by a second sample"),
        pytest.param("2025-05-07", ("CRV", "unconfirmed", "NONE"), id="the second sample is corrected"),
        pytest.param("2025-06-16", ("CRV", "confirmed", "NONE"), id="61 % over the lowest, inside the interval"),
        pytest.param("2025-09-01", ("PDV", "unconfirmed", "WATCH"), id="infection: confirmation deferred"),
        pytest.param("2025-09-29", ("PDV", "confirmed", "CONFIRMED"), id="relapse"),
        pytest.param("2025-10-01", ("PDV", "confirmed", "CONFIRMED"), id="another correction, the relapse stands"),
    ],
)
def test_the_ladder_is_climbed_taken_back_and_climbed_again(
    assessed: Json, day: str, expected: tuple[str, str, str]
) -> None:
    assert vegf(assessed, day) == expected


def test_there_are_alerts_of_every_tier_and_in_every_state(outcome: Outcome) -> None:
    found = {(alert.tier, alert.kind, alert.state) for alert in outcome.alerts}
    assert {tier for tier, _, _ in found} == {"P1", "P2", "P3", "DQ"}
    assert {state for _, _, state in found} == {"open", "amended", "closed", "retracted", "told"}
    assert found >= {
        ("P1", "CRITICAL_RESULT", "open"),
        ("P2", "VEGF_PROGRESSION_CONFIRMED", "retracted"),
        ("P2", "VEGF_PROGRESSION_CONFIRMED", "amended"),
        ("P2", "HEMATOLOGIC_RISE_WATCH", "open"),
        ("P2", "IGG_LOW_SAFETY", "closed"),
        ("DQ", "DQ_UNIT", "open"),
        ("DQ", "DQ_SERIES_SWITCH", "open"),
        ("DQ", "IFE_DRUG_QUERY", "closed"),
    }


def test_the_confirmation_is_taken_back_with_both_values_and_only_it(assessed: Json) -> None:
    [notice] = [alert for alert in assessed["alerts"] if alert["kind"] == "ALERT_RETRACTED"]
    assert notice["of_kinds"] == ["VEGF_PROGRESSION_CONFIRMED"]
    assert notice["values"] == [{"observation": "2025-05-05-vegf", "before": "187 pg/mL", "after": "78 pg/mL"}]
    assert notice["tier"] == "P2"


def test_the_critical_result_is_the_laboratorys_word_as_no_list_is_chosen(assessed: Json) -> None:
    assert synthetic().document["site_config"]["critical_profile"] == "none"
    [critical] = [alert for alert in assessed["alerts"] if alert["tier"] == "P1"]
    assert "critical by the laboratory's flag LL" in critical["text"]


def test_there_are_two_series_of_vegf_and_censored_values(assessed: Json) -> None:
    series = {flag["series"] for flag in assessed["flags"] if flag["analyte"] == "VEGF"}
    assert len(series) == 2
    assert {flag["analyte"] for flag in assessed["flags"] if flag["comparator"] == "<"} == {"MPROT_S"}


def test_care_of_every_kind_stands_under_the_curve() -> None:
    care = [*synthetic().standing, *(one for moment in synthetic().moments for one in moment.care_events)]
    kinds = {event.body.type for event in care}
    assert kinds >= {"line_started", "drug", "transplant", "infection", "collection", "engraftment", "clinical_finding"}


def test_the_two_patients_are_of_different_and_plainly_invented_authorities() -> None:
    assert {PATIENT.authority, synthetic().patient.authority} == {"CASE-LAB", "SYNTHETIC"}
    assert case().patient.key != synthetic().patient.key


def changed(change: Callable[[Json], None], point: str) -> Case:
    """The patient with one expectation of one time point changed."""
    document = copy.deepcopy(dict(synthetic().document))
    change(next(one["expect"] for one in document["timepoints"] if one["id"] == point))
    return replace(synthetic(), document=document)


@pytest.mark.parametrize(
    ("point", "change", "says"),
    [
        ("2025-04-14", lambda e: e["ladders"].update(VEGF="NONE"), "VEGF is WATCH instead of NONE"),
        ("2025-05-05", lambda e: e["alerts"][0].update(state="open"), "is retracted instead of open"),
        ("2025-05-05", lambda e: e["alerts"][0].pop("withdrawn"), "was withdrawn with 187 pg/mL to 78 pg/mL"),
        ("2025-09-29", lambda e: e["poems"]["VEGF"].update(call="NRV"), "call is PDV instead of NRV"),
        ("2024-07-24", lambda e: e["alerts"].clear(), "CRITICAL_RESULT P1 PLT was not expected"),
    ],
)
def test_a_difference_is_a_sentence_and_a_cross(
    outcome: Outcome, point: str, change: Callable[[Json], None], says: str
) -> None:
    patient = changed(change, point)
    comparison = compare(outcome, patient)
    assert len(comparison.troubles) == 1
    assert says in comparison.troubles[0]
    assert not comparison.agrees_at(point).agrees


def test_the_table_shows_what_was_taken_back_beside_what_replaced_it(outcome: Outcome) -> None:
    console = Console(width=240, record=True)
    console.print(story(outcome, compare(outcome, synthetic()), synthetic().points))
    shown = console.export_text()
    assert "187 pg/mL corrected later" in shown
    assert "taken back: VEGF_PROGRESSION_CONFIRMED, VEGF 187 pg/mL is 78 pg/mL" in shown
    assert "amended: VEGF_PROGRESSION_CONFIRMED, VEGF 238 pg/mL is 283 pg/mL" in shown
    assert "✗" not in shown
    assert shown.count("✓") == len(synthetic().points)


def test_the_damaged_message_is_kept_for_a_person() -> None:
    sender = profile(synthetic().sender.profile)
    found = translate(without_a_number(synthetic()), sender, RECEIVED_AT)
    assert (found.outcome, found.reason, found.reports) == ("quarantined", "no_patient_id", ())
