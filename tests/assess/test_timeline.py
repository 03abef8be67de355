"""What a timeline may say, and the sentence when it cannot be read: where, and what to do."""

from typing import Any

import pytest

from refrain.cli.assess import assess
from refrain.cli.timeline import TimelineError

CATALOGUE = [
    {
        "analyte": "PLT", "specimen": "BLOOD", "method": "M1", "lab": "L1", "low": low, "high": 450,
        "age_from_years": start, "age_below_years": end,
    }
    for low, start, end in ((170, None, 18), (150, 18, None))
]  # fmt: skip


def test_ids_of_quality_notes_are_unique(write: Any) -> None:
    first = write.result("a", "CSF_WBC", "5", "2025-01-03", "10^6/L", "up to 8x10^6/L")
    damaged = write.result("b", "CSF_WBC", "7", "2025-02-03", "10^6/L", "up to 810^6/L")
    ids = [note["id"] for note in assess(write.patient(first, damaged))["quality"]]
    assert "b/DQ-07" in ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("broken", "place", "advice"),
    [
        ({"collected_at": "03/01/2025"}, "observations[0].collected_at", "2025-01-02"),
        ({"issued_at": "2025-01-03T08:00:00"}, "observations[0].issued_at", "zone"),
        ({"collected_at": None}, "observations[0]", "collected_at"),
        ({"code": None}, "observations[0]", "'code'"),
        ({"received": "400"}, "observations[0].received", "object"),
        ({"isotype": {"heavy": "IgX"}}, "observations[0].isotype", "IgG"),
    ],
)
def test_a_broken_observation_is_named(write: Any, broken: dict[str, Any], place: str, advice: str) -> None:
    with pytest.raises(TimelineError) as caught:
        assess(write.patient(write.vegf("b", "400", "2025-01-03") | broken))
    assert place in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"events": [{"type": "infection"}]}, "events[0]"),
        ({"events": [{"type": "lunch", "on": "2025-02-01"}]}, "events[0]"),
        ({"events": {"type": "infection"}}, "events"),
        ({"events": [{"type": "clinical_finding", "on": "2025-02-01", "symptoms": {"gait": "awful"}}]}, "events[0]"),
        ({"timepoints": [{"observations": ["b"]}]}, "timepoints[0].observations[0]"),
        ({"exposures": [{"drug": "bevacizumab", "intervals": ["2025-02-01"]}]}, "exposures[0]"),
        ({"therapy_lines": [{"line": "first", "start": "2025-01-06"}]}, "therapy_lines[0]"),
        ({"subject": {"id": "x", "birth_date": "31.1.1970"}}, "subject.birth_date"),
        ({"site_config": {"gap.recheck_days": "soon"}}, "gap_recheck_days"),
        ({"site_config": {"no.such_key": 1}}, "no_such_key"),
        ({"site_config": {"time_zone": "Mars/Base"}}, "time_zone"),
        ({"clone": "IgG lambda"}, "clone"),
        ({"clone": {"heavy": "IgX"}}, "clone_stated.heavy"),
        ({"timepoints": [{"date": "2025-02-01", "clinical": "better"}]}, "timepoints[0].clinical"),
        ({"catalogue": [{"analyte": "PLT"}]}, "catalogue.0.specimen"),
    ],
)
def test_a_broken_part_is_named(write: Any, part: dict[str, Any], place: str) -> None:
    with pytest.raises(TimelineError, match=place.replace("[", r"\[")):
        assess(write.patient(write.vegf("b", "400", "2025-01-03"), **part))


def test_an_unknown_rule_set_is_refused_with_the_known_ones(write: Any) -> None:
    with pytest.raises(TimelineError, match="poems-pumch"):
        assess(write.patient(write.vegf("b", "400", "2025-01-03")), ruleset="pomes")


def test_every_key_of_the_site_parameters_is_taken(write: Any) -> None:
    given = {
        "critical.profile": "none", "range.use_textbook": False, "delta.dq_ratio": "> 10, < 0.1",
        "delta.change_pct": 50, "delta.trend_pct": 25, "baseline.window_days": 60, "confirm.min_dates": 2,
        "confirm.late_days": 120, "crh.ife_pair_days": 42, "crh.marrow_days": 365, "vegf.pd_above_uln": True,
        "vegf.baseline_2x_uln": "tag", "pet.liver_proxy": True, "imwg.missing": "downgrade",
        "imwg.ne_policy": "literal", "imwg.nadir_mode": "lowest_valid", "m_component_source": "MPROT_S",
        "igg.safety_low": 4, "igg.safety_rearm": 4.5, "ladder.repeat_days": "14-28", "ladder.gap_days": 42,
        "washout.daratumumab": "180 d", "washout.bevacizumab": 100, "dex.window": "dose day + 1",
        "infection.window": "end + 28 d", "gap.recheck_days": 56, "p1.resend": 15, "p2.ack": 24, "dq.ack": 2,
    }  # fmt: skip
    observed = write.vegf("b", "400", "2025-01-03")
    assert assess(write.patient(observed, site_config=given)) == assess(write.patient(observed))


@pytest.mark.parametrize("name", ["Houston Methodist", "houston_methodist", "U Iowa", "Starling", "none"])
def test_a_critical_list_is_named_as_printed(write: Any, name: str) -> None:
    assert assess(write.patient(write.vegf("b", "400", "2025-01-03"), site_config={"critical_profile": name}))["flags"]


def test_relative_days_count_from_the_first_line(write: Any) -> None:
    days = [write.vegf(name, value, "2025-01-01") for name, value in (("b", "400"), ("n", "100"))]
    for record, day in zip(days, (-3, 28), strict=True):
        del record["collected_at"], record["issued_at"]
        record["relative_day"] = day
    assessed = assess(write.patient(*days))
    assert [flag["at"][:10] for flag in assessed["flags"]] == ["2025-01-03", "2025-02-03"]
    assert (write.axis(assessed, "vegf")["category"], write.axis(assessed, "vegf")["status"]) == ("CRV", "unconfirmed")


def test_a_bare_date_is_that_day_wherever_the_site_is(write: Any) -> None:
    days = [write.vegf(name, "100", day, collected_at=day) for name, day in (("n", "2025-02-06"), ("m", "2025-02-07"))]
    base = write.vegf("b", "400", "2025-01-03")
    document = write.patient(base, *days, site_config={"time_zone": "America/New_York"})
    assert assess(document)["flags"][1]["at"] == "2025-02-06T00:00:00-05:00"
    assert write.axis(assess(document), "vegf")["status"] == "confirmed"


@pytest.mark.parametrize(
    ("born", "expected"), [("2007", []), ("2007-01", []), ("2007-01-03", ["N"]), ("2006", ["N"]), ("2008-02", ["L"])]
)
def test_a_partly_known_birth_date_leaves_every_age_open(write: Any, born: str, expected: list[str]) -> None:
    count = write.result("a", "PLT", "160", "2025-01-03", "10*9/L")
    subject = {"id": "x", "sex": "F", "birth_date": born}
    flag = write.flag(assess(write.patient(count, catalogue=CATALOGUE, subject=subject)), "a")
    assert flag["interpretation"] == expected
    assert flag["reasons"] == ([] if expected else ["RANGE_NEEDS_AGE"])


def test_the_sites_catalogue_may_call_the_analyte_its_code(write: Any) -> None:
    count, other = write.result("a", "PLT", "160", "2025-01-03", "10*9/L"), {"id": "x", "birth_date": "1980-01-01"}
    renamed = [{"code" if name == "analyte" else name: value for name, value in entry.items()} for entry in CATALOGUE]
    told, same = (assess(write.patient(count, catalogue=given, subject=other)) for given in (renamed, CATALOGUE))
    assert told["flags"] == same["flags"]
    assert write.flag(told, "a")["range_source"] == "site"


@pytest.mark.parametrize(("sex", "expected"), [("female", ["N"]), ("M", ["L"]), ("other", []), (None, [])])
def test_sex_may_be_a_word_and_is_never_assumed(write: Any, sex: str | None, expected: list[str]) -> None:
    value = write.result("a", "HGB", "13", "2025-01-03", "g/dL", "M: 13.5-17.5, F: 12.0-15.5")
    flag = write.flag(assess(write.patient(value, subject={"id": "x", "sex": sex})), "a")
    assert flag["interpretation"] == expected
    assert flag["reasons"] == ([] if expected else ["RANGE_NEEDS_SEX"])


def test_an_unmapped_code_is_flagged_by_its_own_interval_and_asked_about(write: Any) -> None:
    assessed = assess(write.patient(write.result("a", "FOO", "18", "2025-01-03", "g/L", "7-16")))
    flag = write.flag(assessed, "a")
    assert (flag["analyte"], flag["interpretation"], flag["usable"]) == ("FOO", ["H"], False)
    assert "code_unmapped" in flag["quality"]
    assert write.kinds(assessed) == ["DQ_LOINC"]


@pytest.mark.parametrize("loinc", ["33944-8", "33945-5", "32730-5", "13440-2"])
def test_a_code_with_a_wrong_check_digit_is_held(write: Any, loinc: str) -> None:
    assessed = assess(write.patient(write.result("a", "SFLC_L", "9", "2025-01-03", "mg/L", "8.3-27", loinc=loinc)))
    assert (write.flag(assessed, "a")["usable"], write.kinds(assessed)) == (False, ["DQ_LOINC"])


def test_the_chains_of_a_band_are_read_from_its_text(write: Any) -> None:
    dara = [{"drug": "daratumumab", "first_dose": "2025-01-06"}]
    assessed = assess(write.patient(write.band("x", "IgG kappa", "2025-03-06"), exposures=dara))
    assert write.axis(assessed, "hematologic")["components"]["IFE_S"]["state"] == "POS_DRUG_SUSPECTED"
    assert "IFE_DRUG_QUERY" in write.kinds(assessed)


@pytest.mark.parametrize(("last", "told"), [(None, "IFE_DRUG_QUERY"), ("2025-01-06", "NEW_CLONE_QUERY")])
def test_a_drug_without_a_last_dose_is_ongoing(write: Any, last: str | None, told: str) -> None:
    dara = [{"drug": "daratumumab", "first_dose": "2025-01-06", "last_dose": last}]
    assessed = assess(write.patient(write.band("x", "POS", "2025-09-06", "IgG", "kappa"), exposures=dara))
    assert told in write.kinds(assessed, "open")


def test_a_planned_exposure_is_none(write: Any) -> None:
    planned = [{"drug": "bevacizumab", "dates": ["2025-02-01"], "status": "planned"}]
    document = write.patient(
        write.vegf("b", "400", "2025-01-03"), write.vegf("n", "100", "2025-02-06"), exposures=planned
    )
    assert write.axis(assess(document), "vegf")["category"] == "CRV"


def test_a_review_names_the_observation_by_its_id(write: Any) -> None:
    slip = write.result("a", "IGG", "3.2", "2025-02-06", "mg/L", "8.6-17.4 mg/L")
    review = {
        "type": "repair_reviewed", "result": "a", "repair_rule_id": "DQ-01", "decision": "accepted", "by": "Dr. X",
        "recorded_at": "2025-02-08T00:00:00Z",
    }  # fmt: skip
    waiting, accepted = assess(write.patient(slip)), assess(write.patient(slip, events=[review]))
    assert (write.flag(waiting, "a")["held"], write.kinds(waiting, "open")) == (["REVIEW_PENDING"], ["DQ_UNIT"])
    assert (write.flag(accepted, "a")["held"], write.kinds(accepted, "open")) == ([], ["IGG_LOW_SAFETY"])


def test_two_visits_of_one_day_are_two(write: Any) -> None:
    visits = [
        {"type": "clinical_finding", "on": "2025-03-03", "symptoms": {name: word}}
        for name, word in (("gait", "worse"), ("numbness", "unchanged"))
    ]
    assessed = assess(write.patient(events=visits))
    assert write.axis(assessed, "clinical")["category"] == "worsened"
    assert write.kinds(assessed, "open") == ["CLINICAL_RELAPSE"]


@pytest.mark.parametrize(("said", "told"), [(None, 1), (False, 0), (["critical"], 1)])
def test_a_preliminary_critical_alerts_unless_the_timeline_says_no(write: Any, said: Any, told: int) -> None:
    site = {"critical_profile": "starling"} | ({} if said is None else {"alert_on_preliminary": said})
    count = write.result("a", "PLT", "10", "2025-01-03", "10*9/L", "150-450", status="P")
    assessed = assess(write.patient(count, site_config=site))
    assert write.kinds(assessed, "open") == ["CRITICAL_RESULT"] * told
    assert "provisional" in write.flag(assessed, "a")["tags"]
