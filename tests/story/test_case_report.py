"""The paper's patient through the three pure steps: the calls of the paper's clinicians, or the reason why not.

``case-report.json`` holds what each time point must give, what must never appear, and negative variants.
"""

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from refrain.cli.assess import assess

DOCUMENT = json.loads((Path(__file__).parent / "case-report.json").read_text(encoding="utf-8"))
POINTS = {point["id"]: point for point in DOCUMENT["timepoints"]}
OBSERVED = [
    pytest.param(record, id=record["id"])
    for point in DOCUMENT["timepoints"]
    for record in point.get("observations", ())
]
WORDS = {
    "ASSESSED": None, "NOT_ASSESSABLE": "not-assessable", "INCOMPLETE": "incomplete",
    "INDETERMINATE": "indeterminate", "NE": "not-evaluated",
}  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return assess(DOCUMENT)


def flag_of(result: dict[str, Any], name: str) -> dict[str, Any]:
    [flag] = [flag for flag in result["flags"] if flag["id"] == name]
    return flag


def entry_at(result: dict[str, Any], day: str) -> dict[str, Any]:
    """The last course entry of a day."""
    return [entry for entry in result["course"] if entry["as_of"].startswith(day)][-1]


def same(number: object, text: str | None) -> bool:
    return (number is None and text is None) or (text is not None and Decimal(str(number)) == Decimal(text))


@pytest.mark.parametrize("record", OBSERVED)
def test_flag(whole: dict[str, Any], record: dict[str, Any]) -> None:
    flag, expected = flag_of(whole, record["id"]), record["expect"]
    assert set(flag["interpretation"]) == set(expected["interpretation"])
    assert flag["comparator"] == expected["comparator"]
    assert flag["unit"] == expected["unit"]
    if expected["kind"] == "nominal":
        assert flag["value"] == expected["value"]
        return
    assert same(expected["value"], flag["value"])
    assert same(expected["low"], flag["low"])
    assert same(expected["high"], flag["high"])
    assert (flag["high_inclusive"] is True) == (expected["high_inclusive"] is True)


@pytest.mark.parametrize("record", [case for case in OBSERVED if "repair" in case.values[0]["expect"]])
def test_repair(whole: dict[str, Any], record: dict[str, Any]) -> None:
    repair, expected = flag_of(whole, record["id"])["repair"], record["expect"]["repair"]
    assert repair is not None
    assert {key: repair[key] for key in ("repair_rule_id", "class", "confidence", "review")} == {
        key: expected[key] for key in ("repair_rule_id", "class", "confidence", "review")
    }


@pytest.mark.parametrize("name", ["T1", "T2", "T6"])
@pytest.mark.parametrize("axis", ["VEGF", "HEMATOLOGIC", "PET", "CLINICAL"])
def test_axis(whole: dict[str, Any], name: str, axis: str) -> None:
    expected = POINTS[name]["expect"]["poems"].get(axis)
    if expected is None:
        expected = POINTS["T2"]["expect"]["poems"][axis] if axis != "CLINICAL" else {"call": "improved"}
    day = "2025-07-05" if name == "T6" else POINTS[name]["synthetic_date"]
    got = entry_at(whole, day)["axes"][axis.lower()]
    assert got["category"] == expected["call"]
    if "candidate" in expected:
        assert got["candidate"] == expected["candidate"]
    if "assessability" in expected:
        assert got["assessability"] == expected["assessability"]
        assert got["status"] == (WORDS[expected["assessability"]] or expected["confirmation"])
    for key in ("reasons", "caveats"):
        if key in expected:
            assert set(got[key]) == set(expected[key])
    for level, state in expected.get("levels", {}).items():
        assert got["levels"][level] == state
    for part, words in expected.get("components", {}).items():
        state, _, confirmation = words.partition(" ")
        assert got["components"][part]["state"] == state
        assert got["components"][part]["confirmation"] == confirmation or not confirmation
    if "confirmed_as_of" in expected:
        assert got["confirmed_as_of"] == expected["confirmed_as_of"]
    if "component_confirmed_as_of" in expected:
        assert got["components"]["IFE_S"]["confirmed_as_of"] == expected["component_confirmed_as_of"]
    if "nadir" in expected:
        assert same(expected["nadir"], got["nadir"]["value"])
    for key in ("percent_over_nadir", "percent_from_baseline"):
        if key in expected:
            assert same(expected[key], got[key])
    if "symptoms" in expected:
        assert got["symptoms"] == expected["symptoms"]


def test_before_treatment_nothing_is_called(whole: dict[str, Any]) -> None:
    axes = entry_at(whole, "2025-01-02")["axes"]
    assert {axis["category"] for name, axis in axes.items() if name != "hematologic"} == {None}
    assert {axis["status"] for axis in axes.values()} == {"not-evaluated"}


def test_no_ladder_ever_moves(whole: dict[str, Any]) -> None:
    assert {state for entry in whole["course"] for state in entry["ladders"].values()} == {"NONE"}


def test_alerts_at_each_time_point_are_those_of_the_reference(whole: dict[str, Any]) -> None:
    days = {point["synthetic_date"]: name for name, point in POINTS.items()} | {"2025-07-05": "T6"}
    got: dict[str, set[tuple[str, str, str]]] = {name: set() for name in POINTS}
    for alert in whole["alerts"]:
        got[days[alert["at"][:10]]] |= set(subjects(alert["kind"], alert["tier"], alert))
    for name, point in POINTS.items():
        allowed = set(point["expect"].get("alerts_allowed", ()))
        assert {one for one in got[name] if one[0] not in allowed} == {
            one for alert in point["expect"]["alerts"] for one in subjects(alert["kind"], alert["tier"], alert)
        }, name


def subjects(kind: str, tier: str, alert: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """An alert by (kind, tier, subject); the reference joins some subjects for display."""
    match kind:
        case "RESPONSE_UPGRADE":
            text = alert["subject"]
            for axis in ("HEMATOLOGIC", "VEGF", "PET"):
                if axis in text:
                    yield kind, tier, axis
        case "MONITORING_GAP":
            for subject in alert.get("subjects") or alert["subject"].split(", "):
                yield kind, tier, subject
        case "ABNORMAL_SUMMARY":
            yield kind, tier, "baseline"
        case _:
            yield kind, tier, alert["subject"]


def test_the_monitoring_gap_is_one_alert(whole: dict[str, Any]) -> None:
    assert len([alert for alert in whole["alerts"] if alert["kind"] == "MONITORING_GAP"]) == 1


def test_nothing_that_must_not_appear(whole: dict[str, Any]) -> None:
    for rule in DOCUMENT["must_not"]:
        forbid_in(whole, rule)


def forbid_in(result: dict[str, Any], rule: dict[str, Any]) -> None:
    codes = {code for flag in result["flags"] for code in flag["interpretation"]}
    calls = {axis["call"] for entry in result["course"] for axis in entry["axes"].values()}
    assert codes.isdisjoint(rule.get("forbid_codes", ())), rule["id"]
    assert {alert["tier"] for alert in result["alerts"]}.isdisjoint(rule.get("forbid_tiers", ())), rule["id"]
    assert {alert["kind"] for alert in result["alerts"]}.isdisjoint(rule.get("forbid_alerts", ())), rule["id"]
    assert calls.isdisjoint(rule.get("forbid_calls", ())), rule["id"]


def test_no_value_that_the_paper_does_not_print(whole: dict[str, Any]) -> None:
    printed = {case.values[0]["code"] for case in OBSERVED}
    assert {flag["analyte"] for flag in whole["flags"]} <= printed


def test_an_engine_never_reads_what_is_expected() -> None:
    stripped = copy.deepcopy(DOCUMENT)
    for key in ("must_not", "negative_variants", "about", "format"):
        stripped.pop(key)
    for point in stripped["timepoints"]:
        point.pop("expect", None)
        for record in point.get("observations", ()):
            record.pop("expect")
    assert assess(stripped) == assess(DOCUMENT)


# --- negative variants ---


def variant(name: str) -> dict[str, Any]:
    return next(each for each in DOCUMENT["negative_variants"] if each["id"] == name)


def through(*names: str) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["timepoints"] = [copy.deepcopy(POINTS[name]) for name in names]
    return document


def record_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(r for point in document["timepoints"] for r in point.get("observations", ()) if r["id"] == name)


def applied(name: str) -> dict[str, Any]:
    """Time points T0 to T2 with a variant's replacement, extra observation or extra version."""
    document = through("T0", "T1", "T2")
    [change] = variant(name)["apply"]
    match change["op"]:
        case "replace_received":
            record_of(document, change["observation"])["received"] = change["with"]
        case "append_observation":
            document["observations"] = [change["observation"]]
        case "append_version":
            again = {**record_of(document, change["of"]), **{k: v for k, v in change.items() if k not in ("op", "of")}}
            document["observations"] = [again]
    return document


def kinds(result: dict[str, Any]) -> set[str]:
    return {alert["kind"] for alert in result["alerts"]}


def test_a_unit_slip_is_held_or_repaired_and_asks_the_laboratory() -> None:
    result = assess(applied("NV-1"))
    t0, t1 = flag_of(result, "t0-igg"), flag_of(result, "t1-igg")
    assert not {"L", "LL", "LU"} & set(t0["interpretation"])
    assert not {"U", "W"} & set(t1["interpretation"])
    assert ("DQ_UNIT", "IGG") in {(alert["kind"], alert["subject"]) for alert in result["alerts"]}
    assert not [a for a in result["alerts"] if a["kind"] == "IGG_LOW_SAFETY" and a["at"].startswith("2025-01-02")]
    assert {state for entry in result["course"] for state in entry["ladders"].values()} == {"NONE"}


def test_a_damaged_limit_never_judges() -> None:
    result = assess(applied("NV-2"))
    flag = flag_of(result, "t2-csfw")
    assert flag["high"] is None or Decimal(flag["high"]) == 8
    assert ("N" in flag["interpretation"]) == (flag["high"] is not None)
    assert ("DQ_RANGE", "CSF_WBC") in {(alert["kind"], alert["subject"]) for alert in result["alerts"]}
    assert flag["range_source"] != "reported"


def test_a_rise_over_the_nadir_inside_the_interval_is_no_rise() -> None:
    before, result = assess(through("T0", "T1", "T2")), assess(applied("NV-3"))
    expected = variant("NV-3")
    vegf = result["course"][-1]["axes"]["vegf"]
    assert flag_of(result, "nv3-vegf")["interpretation"] == ["N"]
    assert (vegf["call"], vegf["status"], Decimal(vegf["nadir"]["value"])) == ("CRV", "confirmed", Decimal("42.35"))
    assert result["course"][-1]["ladders"] == {
        name.lower(): state for name, state in expected["expect"]["ladders"].items()
    }
    assert kinds(result).isdisjoint(expected["must_not"])
    assert kinds(result) == kinds(before)


def test_delivery_out_of_order_and_twice_ends_in_the_same_state() -> None:
    in_order = assess(through("T0", "T1", "T2"))
    mixed = assess(through("T0", "T2", "T1", "T1"), as_received=True)
    assert mixed["flags"] == in_order["flags"]
    assert mixed["course"][-1]["axes"] == in_order["course"][-1]["axes"]
    assert standing(mixed) == standing(in_order)


def standing(result: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(a["id"], a["kind"], a["subject"]) for a in result["alerts"] if a["state"] in ("open", "amended")}


def test_a_correction_follows_through() -> None:
    result, expected = assess(applied("NV-5")), variant("NV-5")["expect"]
    for name in ("t1-vegf", "t2-vegf"):
        assert set(flag_of(result, name)["interpretation"]) == set(expected[name]["interpretation"])
    vegf = result["course"][-1]["axes"]["vegf"]
    assert (vegf["call"], vegf["confirmation"], vegf["as_of"]) == ("CRV", "unconfirmed", "t2-vegf")
    assert Decimal(vegf["nadir"]["value"]) == Decimal("50.63")
    assert set(vegf["caveats"]) == set(expected["VEGF"]["caveats"])
    assert set(result["course"][-1]["ladders"].values()) == {"NONE"}
    [notice] = [alert for alert in result["alerts"] if alert["kind"] == "ALERT_RETRACTED"]
    assert (notice["tier"], notice["of_kinds"]) == ("P3", ["RESPONSE_UPGRADE"])
    assert notice["values"] == [{"observation": "t1-vegf", "before": "42.35 pg/mL", "after": "423.5 pg/mL"}]
    assert kinds(result).isdisjoint({"VEGF_RISE_WATCH", "VEGF_PROGRESSION_CONFIRMED"})
    states = {(a["subject"], a["state"]) for a in result["alerts"] if a["kind"] == "RESPONSE_UPGRADE"}
    assert states == {("VEGF", "retracted"), ("PET", "closed")}
