"""Rules of the clinical reference through all three steps, where one step alone would not show the consequence."""

from datetime import date, timedelta
from typing import Any

import pytest

from refrain.cli.assess import assess

DARATUMUMAB = [{"drug": "daratumumab", "dates": ["2025-01-06", "2025-02-24"]}]
G_LAMBDA, G_KAPPA, A_LAMBDA = ("IgG", "lambda"), ("IgG", "kappa"), ("IgA", "lambda")


# --- 13.1: bands on daratumumab ---


@pytest.mark.parametrize(
    ("clone", "seen", "state", "told"),
    [
        (G_LAMBDA, G_KAPPA, "POS_DRUG_SUSPECTED", "IFE_DRUG_QUERY"),
        (A_LAMBDA, G_KAPPA, "POS_DRUG_SUSPECTED", "IFE_DRUG_QUERY"),
        (G_KAPPA, G_KAPPA, "POS_INDISTINGUISHABLE", "IFE_DRUG_QUERY"),
        (G_LAMBDA, ("IgG", None), "POS_UNTYPED", "IFE_DRUG_QUERY"),
        (G_KAPPA, ("IgG", None), "POS_UNTYPED", "IFE_DRUG_QUERY"),
        (A_LAMBDA, ("IgG", None), "POS_UNTYPED", "IFE_DRUG_QUERY"),
        (G_LAMBDA, G_LAMBDA, "POS", "RESPONSE_WITHDRAWN"),
        (A_LAMBDA, A_LAMBDA, "POS", "RESPONSE_WITHDRAWN"),
        (G_LAMBDA, A_LAMBDA, "POS_OTHER", "NEW_CLONE_QUERY"),
        (G_KAPPA, G_LAMBDA, "POS_OTHER", "NEW_CLONE_QUERY"),
    ],
)
def test_every_row_of_bands_on_daratumumab(
    write: Any, clone: tuple[str, str], seen: tuple[str, str | None], state: str, told: str
) -> None:
    document = write.patient(
        write.band("n", "NEG", "2025-02-01"), write.band("x", "POS", "2025-03-06", *seen), exposures=DARATUMUMAB,
        clone={"heavy": clone[0], "light": clone[1]},
    )  # fmt: skip
    assessed = assess(document)
    found = write.axis(assessed, "hematologic")
    assert found["components"]["IFE_S"]["state"] == state
    assert found["category"] == "NEH"
    assert (found["candidate"] == "CRH") == (state in ("POS_DRUG_SUSPECTED", "POS_INDISTINGUISHABLE"))
    assert [kind for kind in write.kinds(assessed) if kind != "MONITORING_GAP"] == [told]


@pytest.mark.parametrize(("day", "told"), [("2025-08-23", "IFE_DRUG_QUERY"), ("2025-08-24", "NEW_CLONE_QUERY")])
def test_the_washout_is_180_days_inclusive(write: Any, day: str, told: str) -> None:
    assessed = assess(write.patient(write.band("x", "POS", day, *G_KAPPA), exposures=DARATUMUMAB))
    assert write.kinds(assessed, "open") == [told]


def test_a_drug_band_between_two_negatives_breaks_nothing(write: Any) -> None:
    course = [write.band("n", "NEG", "2025-02-01"), write.band("x", "POS", "2025-03-06", *G_KAPPA)]
    assessed = assess(write.patient(*course, write.band("m", "NEG", "2025-04-01"), exposures=DARATUMUMAB))
    serum = write.axis(assessed, "hematologic")["components"]["IFE_S"]
    assert (serum["state"], serum["confirmation"], serum["confirmed_as_of"]) == ("NEG", "confirmed", "n")
    assert "IFE_DRUG_QUERY" not in write.kinds(assessed, "open")


# --- 11.1: hematologic ---


@pytest.mark.parametrize("answer", ["too small to quantify", "not detected", "0", "<1", "<=1"])
def test_a_spike_that_is_not_measurable_with_a_visible_clone_is_vgprh(write: Any, answer: str) -> None:
    spikes = [
        write.result("b", "MPROT_S", "6", "2025-01-03", "g/L"),
        write.result("m", "MPROT_S", answer, "2025-02-06", "g/L"),
    ]
    assessed = assess(write.patient(*spikes, write.band("i", "POS", "2025-02-06", *G_LAMBDA)))
    assert write.axis(assessed, "hematologic")["category"] == "VGPRH"


@pytest.mark.parametrize(("day", "call", "missing"), [("2025-03-20", "CRH", False), ("2025-03-21", "NEH", True)])
def test_a_serum_too_old_for_the_urine_is_missing_and_no_candidate(
    write: Any, day: str, call: str, missing: bool
) -> None:
    marrow = write.result("bm", "BM_FLOW", "NEG", "2025-02-10", "%", clonal=False)
    urine = write.result("u", "IFE_U", "NEG", day, specimen="URINE")
    found = write.axis(assess(write.patient(write.band("s", "NEG", "2025-02-06"), marrow, urine)), "hematologic")
    assert (found["category"], found["candidate"]) == (call, None)
    assert ("SERUM_IFE_MISSING" in found["missing"]) == missing


# --- 11.2, 13.4: VEGF ---


def test_a_rise_inside_an_infection_is_confirmed_by_the_next_sample_outside(write: Any) -> None:
    infection = {
        "type": "infection", "name": "pneumonia", "onset": "2025-04-20", "end": "2025-04-28",
        "recorded_at": "2025-04-25T00:00:00Z",
    }  # fmt: skip
    course = [
        write.vegf(name, value, day)
        for name, value, day in (
            ("b", "400", "2025-01-03"), ("n", "90", "2025-02-06"), ("r", "170", "2025-04-06"),
            ("s", "180", "2025-05-26"), ("t", "190", "2025-05-27"),
        )
    ]  # fmt: skip
    inside = assess(write.patient(*course[:-1], events=[infection]))
    found = write.axis(inside, "vegf")
    assert (found["category"], found["status"]) == ("PDV", "unconfirmed")
    assert "confirmation_deferred:INFECTION" in found["caveats"]
    assert inside["course"][-1]["ladders"]["vegf"] == "WATCH"
    [watch] = [alert for alert in inside["alerts"] if alert["state"] == "amended"]
    assert (watch["kind"], watch["tier"]) == ("VEGF_RISE_WATCH", "P3")
    outside = assess(write.patient(*course, events=[infection]))
    found = write.axis(outside, "vegf")
    assert (found["category"], found["status"], found["confirmed_as_of"]) == ("PDV", "confirmed", "r")
    assert outside["course"][-1]["ladders"]["vegf"] == "CONFIRMED"


# --- 11.3: PET ---


@pytest.mark.parametrize(("said", "caveats"), [(None, ["NEW_LESION_UNSTATED"]), (False, [])])
def test_a_scan_that_says_nothing_of_new_lesions_says_so(write: Any, said: bool | None, caveats: list[str]) -> None:
    scans = [
        write.result(name, "PET_LESION", value, day, lesion="T11", liver_suvmax="3", new_lesion=said)
        for name, value, day in (("a", "8", "2025-01-03"), ("c", "2", "2025-03-03"))
    ]
    found = write.axis(assess(write.patient(*scans)), "pet")
    assert (found["category"], found["caveats"]) == ("CR-PET", caveats)


# --- 11.4, 12.2: clinical ---


@pytest.mark.parametrize(
    ("score", "values", "category", "told"),
    [
        ("ONLS", ("4", "3", "4"), "worsened", ["CLINICAL_RELAPSE"]),
        ("ONLS", ("4", "3", "3"), "improved", []),
        ("mNIS+7", ("60", "40", "49"), "improved", []),
        ("mNIS+7", ("60", "40", "50"), "improved", ["CLINICAL_RELAPSE"]),
        ("DLCO", ("60", "75", "65"), "worsened", ["CLINICAL_RELAPSE"]),
    ],
)
def test_a_worse_score_is_a_clinical_relapse(
    write: Any, score: str, values: tuple[str, ...], category: str, told: list[str]
) -> None:
    visits = [
        {"type": "clinical_finding", "on": day, "scores": {score: value}}
        for day, value in zip(("2025-01-03", "2025-02-03", "2025-03-03"), values, strict=True)
    ]
    assessed = assess(write.patient(events=visits))
    assert write.kinds(assessed, "open") == told
    assert write.axis(assessed, "clinical")["category"] == ("worsened" if told else category)
    for alert in assessed["alerts"]:
        assert alert["evidence"] == ["events[2]"]


# --- INT-5: the laboratory's own flag ---


def test_what_only_the_laboratory_calls_abnormal_is_rechecked(write: Any) -> None:
    value = write.result("p", "PRL", "30", "2025-01-03", "ng/mL", lab_interpretation=["H"])
    assessed = assess(write.patient(value), until=date(2025, 3, 3))
    assert [alert["kind"] for alert in assessed["alerts"]] == ["ABNORMAL_SUMMARY", "MONITORING_GAP"]
    assert write.flag(assessed, "p")["interpretation"] == []
    assert write.flag(assessed, "p")["lab_interpretation"] == ["H"]


@pytest.mark.parametrize(("limits", "value"), [("", "150"), ("100-914", "150")])
def test_a_vitamin_that_only_the_laboratory_calls_low_is_told(write: Any, limits: str, value: str) -> None:
    low = write.result("v", "B12", value, "2025-02-06", "pg/mL", limits, lab_interpretation=["L"])
    assert "TREATABLE_FINDING" in write.kinds(assess(write.patient(low)), "open")
    agreed = write.result("v", "B12", value, "2025-02-06", "pg/mL", limits, lab_interpretation=["N"])
    assert "TREATABLE_FINDING" not in write.kinds(assess(write.patient(agreed)))


# --- 5.2: withdrawn ---


@pytest.mark.parametrize("status", ["D", "W", "X"])
def test_a_withdrawn_value_is_shown_nowhere(write: Any, status: str) -> None:
    first = write.result("a", "PLT", "17", "2025-01-03", "10*9/L", "150-450", lab_interpretation=["LL"])
    withdrawn = first | {"status": status, "issued_at": "2025-01-04T08:00:00Z"}
    assessed = assess(write.patient(first, withdrawn))
    flag = write.flag(assessed, "a")
    assert (flag["value"], flag["unit"], flag["interpretation"]) == (None, None, [])
    assert (flag["reasons"], flag["status"]) == (["WITHDRAWN"], status)
    [critical] = [alert for alert in assessed["alerts"] if alert["kind"] == "CRITICAL_RESULT"]
    assert critical["state"] == "retracted"


# --- 13.3, 13.5: expected ---


@pytest.mark.parametrize(
    ("day", "tags", "codes"),
    [("2025-02-03", ["DEX_DAY"], ["EXP", "H"]), ("2025-02-04", ["DEX_DAY"], ["EXP", "H"]), ("2025-02-05", [], ["H"])],
)
def test_glucose_on_a_steroid_day_is_expected(write: Any, day: str, tags: list[str], codes: list[str]) -> None:
    doses = [{"drug": "Dexamethasone", "dates": ["2025-02-03", "2025-03-03"]}]
    sugar = write.result("g", "GLU", "180", day, "mg/dL", "70-99")
    flag = write.flag(assess(write.patient(sugar, exposures=doses)), "g")
    assert (flag["tags"], flag["interpretation"]) == (tags, codes)


def test_a_critical_glucose_on_a_steroid_day_still_alerts(write: Any) -> None:
    doses = [{"drug": "dexamethasone", "dates": ["2025-02-03"]}]
    sugar = write.result("g", "GLU", "500", "2025-02-03", "mg/dL", "70-99")
    assessed = assess(write.patient(sugar, exposures=doses, site_config={"critical_profile": "starling"}))
    assert write.flag(assessed, "g")["interpretation"] == ["EXP", "HH"]
    assert write.kinds(assessed, "open") == ["CRITICAL_RESULT"]


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "after", "expected"),
    [
        ("ANC", "0.4", "10*9/L", 10, True), ("ANC", "0.9", "10*9/L", 14, False), ("PLT", "30", "10*9/L", 15, True),
        ("PLT", "30", "10*9/L", 16, False), ("HGB", "8", "g/dL", 15, True), ("HGB", "8", "g/dL", 16, False),
        ("PLT", "30", "10*9/L", -1, False),
    ],
)  # fmt: skip
def test_low_counts_are_expected_from_melphalan_to_engraftment(
    write: Any, analyte: str, value: str, unit: str, after: int, expected: bool
) -> None:
    given = date(2025, 5, 6)
    engrafted = [
        {"type": "engraftment", "cell": cell, "on": (given + timedelta(days=days)).isoformat()}
        for cell, days in (("neutrophils", 14), ("platelets", 16))
    ]
    count = write.result("c", analyte, value, (given + timedelta(days=after)).isoformat(), unit, "50-60")
    document = write.patient(count, exposures=[{"drug": "melphalan", "dates": [given.isoformat()]}], events=engrafted)
    codes = write.flag(assess(document), "c")["interpretation"]
    assert codes == (["EXP", "L"] if expected else ["L"])


@pytest.mark.parametrize(("after", "expected"), [(27, True), (28, False)])
def test_low_counts_without_a_recorded_engraftment_are_not_expected_for_ever(
    write: Any, after: int, expected: bool
) -> None:
    given = date(2025, 5, 6)
    count = write.result("c", "PLT", "30", (given + timedelta(days=after)).isoformat(), "10*9/L", "150-450")
    assessed = assess(write.patient(count, exposures=[{"drug": "melphalan", "dates": [given.isoformat()]}]))
    assert ("EXP" in write.flag(assessed, "c")["interpretation"]) == expected


# --- SER-5, FAT-1: two results of one date ---


def test_a_worse_result_of_the_same_date_goes_on_with_the_same_watch(write: Any) -> None:
    course = [write.vegf("b", "400", "2025-01-03"), write.vegf("n", "90", "2025-02-06")]
    first = write.vegf("r", "170", "2025-04-06")
    worse = write.vegf("s", "180", "2025-04-06T18:00:00Z")
    assessed = assess(write.patient(*course, first, worse))
    assert "ALERT_RETRACTED" not in write.kinds(assessed)
    assert [(alert["state"], alert["evidence"]) for alert in assessed["alerts"] if "WATCH" in alert["kind"]] == [
        ("closed", ["n", "r"]),
        ("open", ["n", "s"]),
    ]
    assert assessed["course"][-1]["ladders"]["vegf"] == "WATCH"


def test_a_lower_igg_of_the_same_date_goes_on_with_the_same_alert(write: Any) -> None:
    low = [
        write.result(name, "IGG", value, f"2025-02-06T{hour}:00:00Z", "g/L")
        for name, value, hour in (("a", "3.9", "08"), ("c", "3.5", "12"), ("d", "4.6", "18"))
    ]
    assessed = assess(write.patient(*low))
    assert write.kinds(assessed, "open", "amended") == ["IGG_LOW_SAFETY"]
    assert "ALERT_RETRACTED" not in write.kinds(assessed)


@pytest.mark.parametrize(
    ("value", "comparator", "told"),
    [("4", "", []), ("3.99", "", ["IGG_LOW_SAFETY"]), ("4", "<", ["IGG_LOW_SAFETY"]), ("5", "<", [])],
)
def test_the_safety_limit_of_igg_is_strict(write: Any, value: str, comparator: str, told: list[str]) -> None:
    assert write.kinds(assess(write.patient(write.result("g", "IGG", comparator + value, "2025-02-06", "g/L")))) == told


@pytest.mark.parametrize(("value", "state"), [("4.49", "open"), ("4.5", "closed"), (">4.4", "open")])
def test_the_safety_alert_of_igg_ends_at_4_5(write: Any, value: str, state: str) -> None:
    low = write.result("g", "IGG", "3.5", "2025-02-06", "g/L")
    assessed = assess(write.patient(low, write.result("h", "IGG", value, "2025-03-06", "g/L")))
    assert [alert["state"] for alert in assessed["alerts"] if alert["kind"] == "IGG_LOW_SAFETY"] == [state]


def test_an_abnormal_baseline_without_its_specimen_is_still_summed_up_and_rechecked(write: Any) -> None:
    start = write.vegf("b", "247", "2025-01-03", specimen=None)
    later = write.vegf("n", "42", "2025-02-06", limits="0-96")
    other = write.vegf("m", "50", "2025-02-07", specimen="SERUM")
    assessed = assess(write.patient(start, later, other))
    [summary] = [alert for alert in assessed["alerts"] if alert["kind"] == "ABNORMAL_SUMMARY"]
    assert (summary["state"], summary["evidence"]) == ("closed", ["b"])
    assert write.axis(assessed, "vegf")["status"] == "not-assessable"


# --- G-10: every call and alert says where its rule comes from and how well it is known ---


def test_every_call_and_alert_carries_its_rule(write: Any) -> None:
    marks = {"verified-in-text", "secondary", "unverified-needs-clinician"}
    course = [write.vegf("b", "400", "2025-01-03"), write.vegf("n", "90", "2025-02-06")]
    assessed = assess(
        write.patient(*course, write.vegf("r", "170", "2025-04-06"), write.band("i", "NEG", "2025-04-06"))
    )
    said = [*assessed["course"][-1]["axes"].values(), *assessed["alerts"]]
    assert len(said) > 6
    for each in said:
        assert each["rule_id"]
        assert each["rule_version"]
        assert each["source"]
        assert each["verification"] in marks
