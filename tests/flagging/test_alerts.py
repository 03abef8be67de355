"""Critical results and questions for the laboratory: raised, amended, closed, retracted, and told once."""

from typing import Any

import pytest

from refrain.contracts.events import AlertAmended, AlertClosed, AlertRaised, AlertRetracted
from refrain.contracts.site import SiteSettings

Lab = Any


def critical(told: Any) -> list[tuple[str, str]]:
    return [(alert.kind, alert.subject) for alert in told.raised() if alert.tier == "P1"]


def potassium(lab: Lab, value: str = "4.0", flags: tuple[str, ...] = ("HH",), **other: Any) -> Any:
    return lab.one("k", value, "mmol/L", "3.5-5.1", analyte=None, code="2823-3", flags=flags, **other)


# --- critical results ---


@pytest.mark.parametrize("flag", ["HH", "LL", "AA"])
def test_the_laboratorys_critical_flag_always_alerts(lab: Lab, flag: str) -> None:
    told = lab.told(lab.one("r", "42", flags=[flag]))
    assert critical(told) == [("CRITICAL_RESULT", "VEGF")]
    assert told.codes("r") == {"N"}
    assert told.view("r").critical == "yes"
    if flag != "AA":
        assert ("DQ_FLAG_CONFLICT", "VEGF") in told.open()


def test_also_of_a_code_that_is_not_mapped(lab: Lab) -> None:
    assert critical(lab.told(potassium(lab))) == [("CRITICAL_RESULT", "2823-3")]


@pytest.mark.parametrize("value", ["TNP", "see note", "4.0"])
def test_also_of_a_result_without_a_number(lab: Lab, value: str) -> None:
    assert critical(lab.told(potassium(lab, value)))


@pytest.mark.parametrize("flag", ["H", "L", "A", "N", "HU", "", "H>"])
def test_other_flags_do_not(lab: Lab, flag: str) -> None:
    assert critical(lab.told(potassium(lab, flags=(flag,)))) == []


@pytest.mark.parametrize("status", ["W", "D", "X", "I", "O", "N"])
def test_what_is_no_result_raises_nothing(lab: Lab, status: str) -> None:
    told = lab.told(potassium(lab, "6.9", status=status))
    assert critical(told) == []
    assert not any(view.interpretation for view in told.views().values())


@pytest.mark.parametrize("status", ["P", "R", "S", ""])
@pytest.mark.parametrize(("allowed", "raised"), [((), False), (("critical",), True), (("abnormal",), False)])
def test_preliminary_criticals_alert_where_the_profile_lets_them(
    lab: Lab, status: str, allowed: tuple[str, ...], raised: bool
) -> None:
    seen = lab.observation("k", "6.9", "mmol/L", "3.5-5.1", analyte=None, code="2823-3", flags=["HH"], status=status)
    told = lab.told(lab.report(seen, alert_on_preliminary=allowed))
    assert bool(critical(told)) == raised
    if raised:
        assert told.raised()[-1].tags == ("provisional",) or told.raised()[0].tags == ("provisional",)


def test_an_implausible_critical_is_told_as_unconfirmed(lab: Lab) -> None:
    told = lab.told(lab.one("r", "5000", "g/L", "135-175", analyte="HGB", specimen="BLOOD", flags=["HH"]))
    [alert] = [one for one in told.raised() if one.tier == "P1"]
    assert alert.tags == ("unconfirmed",)
    assert told.view("r").interpretation == ()
    assert ("DQ_UNIT", "HGB") in told.open()


def test_an_implausible_value_is_not_critical_by_our_limits(lab: Lab) -> None:
    receipt = lab.one("r", "5000", "g/L", "135-175", analyte="HGB", specimen="BLOOD")
    assert critical(lab.told(receipt, site=SiteSettings(critical_profile="sunrise"))) == []


def test_a_correction_takes_it_back_with_both_values(lab: Lab) -> None:
    told = lab.in_order([potassium(lab, "6.9"), potassium(lab, "4.1", flags=("N",), status="C", issued=1)])
    [back] = [event for event in told.events if isinstance(event, AlertRetracted)]
    assert (back.kind, back.tier) == ("CRITICAL_RESULT", "P1")
    assert [(value.before, value.after) for value in back.values] == [("6.9 mmol/L", "4.1 mmol/L")]


def test_a_withdrawal_takes_it_back_and_shows_no_value(lab: Lab) -> None:
    told = lab.in_order([potassium(lab, "6.9"), potassium(lab, "6.9", status="W", issued=1)])
    [back] = [event for event in told.told_of("CRITICAL_RESULT") if isinstance(event, AlertRetracted)]
    assert [(value.before, value.after) for value in back.values] == [("6.9 mmol/L", None)]
    [identity] = told.told_of("DQ_IDENTITY")
    assert [piece.text for piece in identity.evidence] == ["withdrawn"]
    assert told.open() == {("DQ_IDENTITY", "2823-3")}


@pytest.mark.parametrize("later", ["X", "D", "F", "C"])
def test_whose_result_it_was_stays_open_whatever_comes_later(lab: Lab, later: str) -> None:
    versions = [
        potassium(lab, "6.9", status="W", issued=1),
        potassium(lab, "4.1", flags=("N",), status=later, issued=2),
    ]
    assert ("DQ_IDENTITY", "2823-3") in lab.in_order([potassium(lab, "6.9"), *versions]).open()
    assert ("DQ_IDENTITY", "2823-3") in lab.in_order([*reversed(versions), potassium(lab, "6.9")]).open()


def test_another_critical_value_of_the_same_result_amends_it(lab: Lab) -> None:
    told = lab.in_order([potassium(lab, "6.9"), potassium(lab, "7.1", status="C", issued=1)])
    assert len(critical(told)) == 1
    [amended] = [e for e in told.events if isinstance(e, AlertAmended) and e.kind == "CRITICAL_RESULT"]
    assert "7.1" in amended.text


def test_every_critical_result_is_its_own_alert(lab: Lab) -> None:
    told = lab.told(
        *(lab.one(name, "6.9", "mmol/L", "3.5-5.1", analyte=None, code="2823-3", flags=["HH"], day=day)
          for day, name in enumerate("abc"))
    )  # fmt: skip
    assert len(critical(told)) == 3


# --- questions ---


def test_one_question_per_code_and_rule(lab: Lab) -> None:
    facts = [lab.one(f"r{day}", "11.29", "mg/L", "8.6-17.4", analyte="IGG", day=day) for day in range(4)]
    told = lab.in_order(facts)
    assert len([event for event in told.events if isinstance(event, AlertRaised)]) == 1
    assert {alert.alert for alert in told.told_of("DQ_UNIT")} == {alert.alert for alert in lab.told(*facts).raised()}


def test_a_question_closes_when_every_result_was_reviewed(lab: Lab) -> None:
    told = lab.told(*(lab.one(n, "11.29", "mg/L", "8.6-17.4", analyte="IGG", day=d) for d, n in enumerate("ab")))
    told.add(lab.review("a", "DQ-01", "accepted", 5))
    assert told.view("a").usable
    assert told.view("a").observation.repaired.review == "accepted"
    assert told.open() == {("DQ_UNIT", "IGG")}
    told.add(lab.review("b", "DQ-01", "rejected", 6))
    assert told.open() == set()
    assert isinstance(told.told_of("DQ_UNIT")[-1], AlertClosed)
    assert (told.view("b").usable, told.view("b").interpretation, told.view("b").number) == (False, (), None)


def test_the_newest_word_counts_and_may_be_taken_back(lab: Lab) -> None:
    told = lab.told(lab.one("a", "11.29", "mg/L", "8.6-17.4", analyte="IGG"))
    told.add(lab.review("a", "DQ-01", "rejected", 5))
    word = lab.review("a", "DQ-01", "accepted", 6)
    told.add(word)
    assert told.view("a").usable
    taken_back = word.model_copy(update={"withdrawn": True, "recorded_at": word.recorded_at.replace(hour=20)})
    told.add(taken_back.identified())
    assert told.view("a").held == ("REVIEW_REJECTED",)


@pytest.mark.parametrize(
    ("ours", "flags", "conflict"),
    [
        ("42", ["N"], False), ("42", ["H"], True), ("42", ["HH"], True), ("200", ["H"], False), ("200", ["HH"], False),
        ("200", ["N"], True), ("200", ["L"], True), ("200", ["A"], False), ("42", ["A"], True), ("200", [""], False),
        ("200", [], False), ("200", ["H>"], False), ("200", ["B", "H"], False), ("200", ["TOX"], False),
    ],
)  # fmt: skip
def test_flags_that_disagree(lab: Lab, ours: str, flags: list[str], conflict: bool) -> None:
    told = lab.told(lab.one("r", ours, flags=flags))
    assert (("DQ_FLAG_CONFLICT", "VEGF") in told.open()) == conflict
    assert list(told.view("r").observation.reported_flags) == flags


def chains(lab: Lab, ratio: str, kappa: str = "30.00", lambda_: str = "100.0", other: Any = None) -> list[Any]:
    kind = {"unit": "mg/L", "limits": "0-1000", **(other or {})}
    return [
        lab.one("r", ratio, "", "0.31-1.56", analyte="SFLC_R"), lab.one("k", kappa, analyte="SFLC_K", **kind),
        lab.one("l", lambda_, analyte="SFLC_L", **kind),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ratio", "kappa", "lambda_", "asked"),
    [
        ("0.30", "30", "100", False), ("0.310", "30", "100", False), ("0.311", "30", "100", True),
        ("0.290", "30", "100", False), ("0.289", "30", "100", True), ("3.06", "300", "100", False),
        ("3.061", "300", "100", True), ("0.50", "<30", "100", False), ("5", "30", "<100", False),
    ],
)  # fmt: skip
def test_a_ratio_that_its_chains_do_not_give(lab: Lab, ratio: str, kappa: str, lambda_: str, asked: bool) -> None:
    told = lab.told(*chains(lab, ratio, kappa, lambda_))
    assert (("DQ_RATIO", "SFLC_R") in told.open()) == asked


@pytest.mark.parametrize("other", [{"day": 1}, {"lab": "OTHER"}, {"method": "Freelite"}], ids=lambda o: next(iter(o)))
def test_only_chains_of_the_same_draw_count(lab: Lab, other: dict[str, Any]) -> None:
    assert ("DQ_RATIO", "SFLC_R") not in lab.told(*chains(lab, "0.9", other=other)).open()


@pytest.mark.parametrize(
    ("status", "rule"), [("", "status_unknown"), ("Z", "status_unknown"), ("C", "correction_without_original")]
)
def test_statuses_that_need_a_word(lab: Lab, status: str, rule: str) -> None:
    told = lab.told(lab.one("r", status=status))
    assert ("DQ_STATUS", "VEGF", rule, "open") in told.alerts()
    assert told.view("r").usable is (status == "C")


def test_the_question_about_a_lone_correction_ends_when_the_original_comes(lab: Lab) -> None:
    told = lab.in_order([lab.one("r", "43", status="C", issued=1), lab.one("r", "42", issued=0.5)])
    assert told.open() == set()
    assert told.view("r").observation.value.text == "43"


def test_a_status_taken_from_the_order_is_asked_about(lab: Lab) -> None:
    told = lab.told(lab.one("r", quality=["status_from_order"]))
    assert ("DQ_STATUS", "VEGF", "status_from_order", "open") in told.alerts()
    assert told.view("r").usable


def test_a_code_that_contradicts_its_specimen_is_held(lab: Lab) -> None:
    told = lab.told(lab.one("r", "42", specimen="CSF"))
    assert (told.view("r").held, told.view("r").series) == (("SPECIMEN_MISMATCH",), None)
    assert ("DQ_LOINC", "VEGF", "LN-4", "open") in told.alerts()


def test_a_code_that_fails_its_check_digit(lab: Lab) -> None:
    told = lab.told(lab.one("r", analyte=None, code="33944-8", quality=["loinc_check_digit"]))
    assert told.alerts() == {("DQ_LOINC", "33944-8", "LN-1", "open")}


def test_unmapped_codes_are_asked_about_once(lab: Lab) -> None:
    told = lab.in_order([lab.one(f"r{day}", analyte=None, code="XYZ", day=day) for day in range(5)])
    assert len(told.told_of("DQ_LOINC")) == 1


def test_a_damaged_identifier_is_asked_about(lab: Lab) -> None:
    told = lab.told(lab.one("r", quality=["identifier_damaged"]))
    assert ("DQ_IDENTITY", "VEGF", "identifier_damaged", "open") in told.alerts()


def test_a_range_that_was_not_read(lab: Lab) -> None:
    told = lab.told(lab.one("r", limits="see below"))
    assert told.alerts() == {("DQ_RANGE", "VEGF", "range_unparsed", "open")}


def test_ordinary_results_raise_nothing(lab: Lab) -> None:
    told = lab.in_order([lab.one("a", "200", flags=["H"]), lab.one("b", "42", day=7, flags=["N"])])
    assert told.raised() == []


# --- test and training ---


@pytest.mark.parametrize("processing", ["test", "training"])
def test_a_test_result_is_marked_and_never_judges_a_living_patients(lab: Lab, processing: str) -> None:
    live = lab.one("a", "100", day=1)
    tried = lab.report(lab.observation("t", "10", flags=["HH"], day=0), processing=processing)
    told = lab.told(live, tried)
    assert told.view("a").previous is None
    assert told.open() == set()
    assert {alert.processing for alert in told.raised()} == {processing}
    assert ("CRITICAL_RESULT", "VEGF", "INT-5", "open") in told.alerts(processing)
    views = {event.report: event.processing for event in told.events if event.fact == "flagged_report"}
    assert views == {live.event_id: "live", tried.event_id: processing}


def test_the_same_question_live_and_in_test_is_two_alerts(lab: Lab) -> None:
    kind = {"analyte": None, "code": "XYZ"}
    told = lab.told(lab.one("a", **kind), lab.report(lab.observation("b", **kind), processing="test"))
    assert len({alert.alert for alert in told.raised()}) == 2


# --- what every alert carries ---


def test_an_alert_carries_its_rule_cause_and_settings(lab: Lab) -> None:
    fact = potassium(lab, "6.9")
    told = lab.told(fact)
    alert = next(one for one in told.raised() if one.tier == "P1")
    assert (alert.rule.id, alert.rule.verification, alert.caused_by) == (
        "INT-5", "unverified-needs-clinician", (fact.event_id,),
    )  # fmt: skip
    assert (alert.settings, alert.recorded_at) == (SiteSettings().hash, fact.recorded_at)
    assert alert.at == fact.observations[0].issued_at
