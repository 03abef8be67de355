"""The paper's patient through flagging alone: every flag, repair and quality alert of the reference."""

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from refrain.cli.timeline import Timeline, read_timeline
from refrain.contracts.events import AlertRaised, Event, FlaggedObservation, FlaggedReport
from services.flagging.domain.judgement import FlaggingIssued, place

DOCUMENT = json.loads((Path(__file__).parents[1] / "story" / "case-report.json").read_text(encoding="utf-8"))
RECORDS = {record["id"]: record for point in DOCUMENT["timepoints"] for record in point.get("observations", ())}
POINTS = [point for point in DOCUMENT["timepoints"] if "alerts" in point["expect"]]
OURS = ("DQ_UNIT", "DQ_RANGE", "DQ_SPECIMEN", "DQ_SERIES_SWITCH", "DQ_DELTA", "DQ_LOINC", "DQ_STATUS", "DQ_IDENTITY",
        "DQ_RATIO", "DQ_FLAG_CONFLICT", "CRITICAL_RESULT", "CRITICAL_POSSIBLE")  # fmt: skip


def played(timeline: Timeline) -> Iterator[tuple[str, list[Event]]]:
    """Day by day what flagging tells."""
    facts, issued = list(timeline.standing), FlaggingIssued()
    for moment in timeline.moments:
        facts.extend(moment.facts)
        decision = place(facts, issued, moment.facts, timeline.site)
        issued = decision.issued
        yield moment.at.date().isoformat(), [output.event for output in decision.outputs]


def flags(document: dict[str, Any]) -> tuple[dict[str, FlaggedObservation], list[Event]]:
    timeline = read_timeline(document)
    views, events = {}, []
    for _, told in played(timeline):
        events += told
        for event in told:
            if isinstance(event, FlaggedReport):
                views |= {timeline.names[v.observation.result]: v for v in event.observations if v.current}
    return views, events


@pytest.fixture(scope="module")
def whole() -> dict[str, FlaggedObservation]:
    return flags(DOCUMENT)[0]


@pytest.mark.parametrize("name", RECORDS)
def test_flag(whole: dict[str, FlaggedObservation], name: str) -> None:
    expected, got = RECORDS[name]["expect"], whole[name]
    assert set(got.interpretation) == set(expected["interpretation"])
    assert got.comparator == expected["comparator"]
    if expected["kind"] == "nominal":
        assert (got.nominal, got.number) == (expected["value"], None)
        return
    assert (got.number, got.unit) == (Decimal(str(expected["value"])), expected["unit"])
    for side in ("low", "high"):
        limit = expected[side]
        assert getattr(got, side) == (None if limit is None else Decimal(str(limit)))
        if limit is not None:
            assert getattr(got, f"{side}_inclusive") is expected[f"{side}_inclusive"]


@pytest.mark.parametrize("name", [name for name, record in RECORDS.items() if "repair" in record["expect"]])
def test_repair(whole: dict[str, FlaggedObservation], name: str) -> None:
    expected, seen = RECORDS[name]["expect"]["repair"], whole[name].observation
    assert seen.repaired is not None
    got = seen.repaired.model_dump(by_alias=True)
    assert {key: got[key] for key in ("repair_rule_id", "class", "confidence", "review")} == {
        key: expected[key] for key in ("repair_rule_id", "class", "confidence", "review")
    }
    assert seen.value.text == RECORDS[name]["received"]["value"]


@pytest.mark.parametrize("name", [name for name, record in RECORDS.items() if "repair" not in record["expect"]])
def test_nothing_else_is_repaired(whole: dict[str, FlaggedObservation], name: str) -> None:
    assert whole[name].observation.repaired is None
    assert whole[name].usable


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point["id"])
def test_alerts_of_the_time_point(point: dict[str, Any]) -> None:
    raised = dict(played(read_timeline(DOCUMENT)))
    got = [
        (event.kind, event.tier, event.subject, event.rule.id)
        for event in raised[point["synthetic_date"]]
        if isinstance(event, AlertRaised) and event.rule
    ]
    expected = [
        (alert["kind"], alert["tier"], alert["subject"], alert["rule"])
        for alert in point["expect"]["alerts"]
        if alert["kind"] in OURS
    ]
    assert sorted(got) == sorted(expected)


def test_the_unstated_specimen_is_linked_once_serum_comes(whole: dict[str, FlaggedObservation]) -> None:
    assert {whole[name].series for name in ("t0-vegf", "t1-vegf", "t2-vegf")} == {whole["t0-vegf"].series}
    assert whole["t0-vegf"].caveats == ("matrix_assumed",)
    assert whole["t1-vegf"].caveats == ()


def test_alone_the_unstated_specimen_feeds_nothing() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["timepoints"] = document["timepoints"][:1]
    views, _ = flags(document)
    assert views["t0-vegf"].held == ("SPECIMEN_UNKNOWN",)
    assert views["t0-vegf"].interpretation == ("H",)


@pytest.mark.parametrize("name", ["t0-igg", "t0-csfp"])
def test_a_magnitude_repair_flags_but_waits_for_a_person(whole: dict[str, FlaggedObservation], name: str) -> None:
    assert (whole[name].usable, whole[name].held, whole[name].tags) == (False, ("REVIEW_PENDING",), ("repaired",))


def test_which_interval_judged_is_said(whole: dict[str, FlaggedObservation]) -> None:
    assert whole["t0-igg"].range_source == "reported_repaired"
    assert whole["t0-csfp"].range_source == "reported"
    assert whole["t2-csfw"].range_source == "reported_repaired"
    assert whole["t0-pet"].range_source == "none"


def test_total_igg_is_marked_as_no_m_protein(whole: dict[str, FlaggedObservation]) -> None:
    assert [note.kind for note in whole["t1-igg"].notes] == ["TOTAL_IG_NOT_M_PROTEIN"]
    assert "DQ-04" in [note.kind for note in whole["t0-ife"].notes]


def test_no_critical_code_anywhere(whole: dict[str, FlaggedObservation]) -> None:
    assert not {code for view in whole.values() for code in view.interpretation} & {"LL", "HH", "AA"}


def test_a_site_with_a_significant_limit_says_lu() -> None:
    views, _ = flags({**DOCUMENT, "site_config": {"significant": {"IGG": {"low": "4"}}}})
    assert views["t2-igg"].interpretation == ("LU",)
    assert views["t1-igg"].interpretation == ("D", "L")


# --- negative variants ---


def variant(name: str) -> dict[str, Any]:
    """T0 to T2 with one variant applied."""
    document = copy.deepcopy(DOCUMENT)
    document["timepoints"] = document["timepoints"][:3]
    [change] = next(each for each in DOCUMENT["negative_variants"] if each["id"] == name)["apply"]
    records = {r["id"]: r for point in document["timepoints"] for r in point["observations"]}
    if change["op"] == "replace_received":
        records[change["observation"]]["received"] = change["with"]
    else:
        document["observations"] = [{**records[change["of"]], **change}]
    return document


def test_nv1_a_unit_slip_is_repaired_and_asked_about() -> None:
    views, events = flags(variant("NV-1"))
    assert views["t0-igg"].interpretation == ("N",)
    assert (views["t0-igg"].number, views["t0-igg"].unit) == (Decimal("11.29"), "g/L")
    assert set(views["t1-igg"].interpretation) == {"L", "D"}
    raised = [(e.kind, e.subject, e.rule.id) for e in events if isinstance(e, AlertRaised) and e.rule]
    assert ("DQ_UNIT", "IGG", "DQ-01") in raised


def test_nv2_a_damaged_limit_is_nowhere() -> None:
    views, events = flags(variant("NV-2"))
    seen = views["t2-csfw"]
    assert (seen.interpretation, seen.range_source, seen.high) == (("N",), "reported_repaired", Decimal(8))
    assert seen.observation.range.high is None
    raised = [(e.kind, e.subject, e.rule.id) for e in events if isinstance(e, AlertRaised) and e.rule]
    assert ("DQ_RANGE", "CSF_WBC", "DQ-07") in raised


def test_nv2_without_an_earlier_limit_there_is_no_flag() -> None:
    document = variant("NV-2")
    document["timepoints"][0]["observations"] = []
    views, events = flags(document)
    seen = views["t2-csfw"]
    assert (seen.interpretation, seen.range_source, seen.reasons, seen.high) == ((), "none", ("NO_RANGE",), None)
    raised = [(e.kind, e.subject, e.rule.id) for e in events if isinstance(e, AlertRaised) and e.rule]
    assert ("DQ_RANGE", "CSF_WBC", "R-4") in raised


def test_nv5_a_correction_changes_its_neighbours() -> None:
    views, _ = flags(variant("NV-5"))
    expected = next(each for each in DOCUMENT["negative_variants"] if each["id"] == "NV-5")["expect"]
    for name in ("t1-vegf", "t2-vegf"):
        assert set(views[name].interpretation) == set(expected[name]["interpretation"])
    assert round(views["t1-vegf"].change_percent or 0, 1) == Decimal("71.3")
    assert round(views["t2-vegf"].change_percent or 0, 1) == Decimal("-88.0")
    assert views["t2-vegf"].caveats == ()
