"""Every finding beside the ladders: thresholds on and just past them, what opens an episode and what closes it."""

from typing import Any
from uuid import uuid4

import pytest

from refrain.contracts.events import Isotype

# --- IGG_LOW_SAFETY ---


@pytest.mark.parametrize(
    ("value", "low"),
    [
        pytest.param("3.99", True, id="just under 4"),
        pytest.param("4", False, id="exactly 4 is not low"),
        pytest.param("4.00", False, id="4.00 is 4"),
        pytest.param("<4", True, id="under 4 at every point"),
        pytest.param("<4.1", False, id="may be 4"),
        pytest.param(">3", False, id="may be anything over 3"),
    ],
)
def test_igg_is_low_strictly_under_four(story: Any, value: str, low: bool) -> None:
    story.result("IGG", 28, value)
    assert story.tell() == ([("raised", "IGG_LOW_SAFETY")] if low else [])


@pytest.mark.parametrize(
    ("value", "closed"),
    [
        pytest.param("4.49", False, id="just under the re-arm limit"),
        pytest.param("4.5", True, id="exactly 4.5"),
        pytest.param(">=4.5", True, id="4.5 or more"),
        pytest.param("<9", False, id="undecidable"),
    ],
)
def test_igg_low_closes_at_four_and_a_half(story: Any, value: str, closed: bool) -> None:
    story.result("IGG", 28, "3.44")
    story.tell()
    alert = story.last("IGG_LOW_SAFETY")
    assert (alert.tier, alert.due_hours, alert.subject) == ("P2", 72, "IGG")
    story.result("IGG", 56, value)
    assert story.tell() == ([("closed", "IGG_LOW_SAFETY")] if closed else [])


def test_igg_low_is_told_once_per_episode(story: Any) -> None:
    for day, value in ((28, "3.9"), (56, "4.2"), (84, "3.8")):
        story.result("IGG", day, value)
        story.tell()
    assert story.raised() == ["IGG_LOW_SAFETY"]
    for day, value in ((112, "5"), (140, "3.7")):
        story.result("IGG", day, value)
        story.tell()
    assert story.raised() == ["IGG_LOW_SAFETY"] * 2


@pytest.mark.parametrize("reason", ["REVIEW_PENDING", "NOT_FINAL", "WITHDRAWN", "DQ_DELTA"])
def test_igg_low_never_comes_from_a_value_that_is_not_usable(story: Any, reason: str) -> None:
    story.result("IGG", 28, "0.01", excluded=(reason,))
    assert story.tell() == []


def test_an_earlier_low_igg_supersedes_the_open_alert(story: Any) -> None:
    story.result("IGG", 56, "3.4")
    story.tell()
    story.result("IGG", 28, "3.5", issued=60)
    assert story.tell() == [("raised", "IGG_LOW_SAFETY"), ("closed", "IGG_LOW_SAFETY")]
    assert story.events[-1].superseded_by == story.events[-2].alert
    assert story.tell() == []


def test_two_values_of_one_instant_leave_the_low_one_open(story: Any) -> None:
    story.result("IGG", 28, "3.4", series="lab 1")
    story.result("IGG", 28, "9", series="lab 2")
    assert story.tell() == [("raised", "IGG_LOW_SAFETY")]


# --- TREATABLE_FINDING ---


def test_a_low_b12_is_treatable_until_a_value_inside_its_interval(story: Any) -> None:
    story.result("B12", -4, "105", below=True, inside=False)
    assert story.tell() == [("raised", "TREATABLE_FINDING")]
    alert = story.last("TREATABLE_FINDING")
    assert (alert.tier, alert.due_hours, alert.subject) == ("P2", 72, "B12")
    story.result("B12", 28, "<200", below=None, inside=None)
    assert story.tell() == []
    story.result("B12", 56, "180", below=False, inside=True)
    assert story.tell() == [("closed", "TREATABLE_FINDING")]


def test_a_b12_at_its_limit_is_not_low(story: Any) -> None:
    story.result("B12", -4, "180", below=False, inside=True)
    assert story.tell() == []


# --- bands ---


def band(story: Any, day: int, state: str, **more: Any) -> None:
    story.result(more.pop("analyte", "IFE_S"), day, state=state, **more)


@pytest.mark.parametrize("state", ["POS_DRUG_SUSPECTED", "POS_INDISTINGUISHABLE", "POS_UNTYPED"])
def test_a_band_on_daratumumab_asks_the_laboratory(story: Any, state: str) -> None:
    story.drug("daratumumab", 0, 49)
    band(story, 28, state)
    assert story.tell() == [("raised", "IFE_DRUG_QUERY")]
    query = story.last("IFE_DRUG_QUERY")
    assert (query.tier, query.due_hours, query.subject) == ("DQ", None, "IFE_S")
    assert ("light chain" in query.text) == (state == "POS_UNTYPED")
    band(story, 40, state)
    assert ("raised", "IFE_DRUG_QUERY") not in story.tell()


@pytest.mark.parametrize("answer", ["NEG", "POS", "POS_OTHER"])
def test_a_negative_or_a_typed_band_closes_the_query_and_a_later_band_opens_another(story: Any, answer: str) -> None:
    story.drug("daratumumab", 0, 49)
    band(story, 28, "POS_UNTYPED")
    story.tell()
    band(story, 56, answer)
    assert ("closed", "IFE_DRUG_QUERY") in story.tell()
    band(story, 70, "POS_DRUG_SUSPECTED")
    assert ("raised", "IFE_DRUG_QUERY") in story.tell()
    assert story.raised().count("IFE_DRUG_QUERY") == 2


def test_an_equivocal_result_leaves_the_query_open(story: Any) -> None:
    story.drug("daratumumab", 0, 49)
    band(story, 28, "POS_UNTYPED")
    story.tell()
    band(story, 56, "IND")
    assert story.tell() == []


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        pytest.param(49 + 180, "IFE_DRUG_QUERY", id="the last day of the washout"),
        pytest.param(49 + 181, "NEW_CLONE_QUERY", id="the day after the washout"),
    ],
)
def test_an_untyped_band_off_exposure_asks_for_a_second_clone(story: Any, day: int, kind: str) -> None:
    story.drug("daratumumab", 0, 49)
    band(story, day, "POS_UNTYPED")
    assert story.tell() == [("raised", kind)]


def test_an_untyped_band_that_cannot_be_the_drug_asks_for_a_second_clone(story: Any) -> None:
    story.drug("daratumumab", 0, 49)
    band(story, 28, "POS_UNTYPED", isotype=Isotype(heavy="IgA"))
    assert story.tell() == [("raised", "NEW_CLONE_QUERY")]


def test_another_isotype_is_a_query_and_no_watch(story: Any) -> None:
    band(story, 28, "NEG", p="not_met")
    band(story, 56, "NEG", p="not_met")
    band(story, 84, "POS_OTHER", p="not_met")
    assert story.tell() == [("raised", "NEW_CLONE_QUERY")]
    query = story.last("NEW_CLONE_QUERY")
    assert (query.tier, query.due_hours, query.subject) == ("P2", 72, "IFE_S")
    assert story.ladder("hematologic") == "NONE"
    band(story, 112, "NEG", p="not_met")
    assert story.tell() == [("closed", "NEW_CLONE_QUERY")]


@pytest.mark.parametrize("state", ["POS_OTHER", "POS_UNTYPED"])
def test_a_band_before_the_first_dose_is_no_query(story: Any, state: str) -> None:
    band(story, -4, state, before_line=True)
    assert story.tell() == []


def test_serum_and_urine_have_queries_of_their_own(story: Any) -> None:
    band(story, 28, "POS_OTHER")
    band(story, 28, "POS_OTHER", analyte="IFE_U")
    story.tell()
    band(story, 56, "NEG", analyte="IFE_U")
    story.tell()
    assert story.open() == {"NEW_CLONE_QUERY": "IFE_S"}


# --- MONITORING_GAP ---


def due(story: Any, analyte: str, *, at: int | None, by: Any = None, rule: str = "GAP-1") -> Any:
    opened = story.name_of("VEGF", -4)
    return story.Recheck(
        analyte=analyte, rule=rule, due_on=story.on(56), due_at=None if at is None else story.at(at, 16),
        opened_by=opened, repeated_by=by,
    )  # fmt: skip


def test_gaps_of_one_moment_are_one_alert_that_closes_when_all_are_repeated(story: Any) -> None:
    story.vegf(-4, "250")
    story.vegf(56, "50")
    story.add(rechecks=(due(story, "B12", at=56), due(story, "PRL", at=56), due(story, "TSH", at=None)))
    assert story.tell() == [("raised", "MONITORING_GAP")]
    gap = story.last("MONITORING_GAP")
    assert (gap.tier, gap.subjects, gap.at) == ("P3", ("B12", "PRL"), story.at(56, 16))
    assert "B12, PRL" in gap.text
    story.add(rechecks=(due(story, "B12", at=56, by=uuid4()), due(story, "PRL", at=56)))
    assert story.tell() == [("amended", "MONITORING_GAP")]
    story.add(rechecks=(due(story, "B12", at=56, by=uuid4()), due(story, "PRL", at=56, by=uuid4())))
    assert story.tell() == [("closed", "MONITORING_GAP")]


def test_a_gap_that_was_repeated_before_it_is_seen_is_silent(story: Any) -> None:
    story.vegf(-4, "250")
    story.add(rechecks=(due(story, "B12", at=56, by=uuid4()),))
    assert story.tell() == []


def test_gaps_of_another_moment_are_another_alert(story: Any) -> None:
    story.vegf(-4, "250")
    story.add(rechecks=(due(story, "B12", at=56), due(story, "IFE_U", at=84, rule="GAP-2")))
    assert story.tell() == [("raised", "MONITORING_GAP")] * 2


def test_a_closed_line_asks_for_nothing(story: Any) -> None:
    story.vegf(-4, "250")
    story.add(rechecks=(due(story, "B12", at=56),))
    story.tell()
    story.line(2, 90)
    assert story.tell() == [("closed", "MONITORING_GAP")]


# --- ABNORMAL_SUMMARY ---


def abnormal(story: Any, *results: Any) -> None:
    flags = tuple(
        story.BaselineFlag(analyte=analyte, result=result, interpretation=("H",), text="high")
        for analyte, result in results
    )
    story.add(baseline_abnormal=flags, baseline_at=story.at(-4))


def test_the_baseline_is_told_once_and_amended_by_a_later_draw(story: Any) -> None:
    vegf = story.vegf(-4, "250")
    abnormal(story, ("VEGF", vegf))
    assert story.tell() == [("raised", "ABNORMAL_SUMMARY")]
    summary = story.last("ABNORMAL_SUMMARY")
    assert (summary.tier, summary.notice, summary.subject) == ("P3", True, "baseline panel")
    assert story.tell() == []
    abnormal(story, ("VEGF", vegf), ("PRL", uuid4()))
    assert story.tell() == [("amended", "ABNORMAL_SUMMARY")]
    assert not story.last("ABNORMAL_SUMMARY").still_open
    assert story.open() == {}


def test_each_line_has_its_own_summary(story: Any) -> None:
    abnormal(story, ("VEGF", story.vegf(-4, "250")))
    story.tell()
    story.line(2, 200)
    story.add(2, baseline_abnormal=(story.BaselineFlag(analyte="PRL", result=uuid4(), interpretation=("H",)),))
    assert story.tell() == [("raised", "ABNORMAL_SUMMARY")]


# --- RESULT_CORRECTED ---


def test_a_changed_call_without_an_alert_of_its_own_is_a_note(story: Any) -> None:
    story.vegf(28, "40")
    story.add(axes={"VEGF": story.axis("VEGF", "CRV")})
    story.tell()
    story.vegf(28, "400", version=1, issued=40)
    story.add(axes={"VEGF": story.axis("VEGF", "NRV")})
    assert story.tell() == [("raised", "RESULT_CORRECTED")]
    note = story.last("RESULT_CORRECTED")
    assert (note.tier, note.notice, note.subject) == ("P3", True, "VEGF")
    assert "CRV" in note.text
    assert "NRV" in note.text
    story.vegf(56, "41")
    assert story.tell() == []


def test_a_new_result_corrects_nothing(story: Any) -> None:
    story.vegf(28, "40")
    story.add(axes={"VEGF": story.axis("VEGF", "CRV")})
    story.tell()
    story.vegf(56, "400")
    story.add(axes={"VEGF": story.axis("VEGF", "NRV")})
    assert story.tell() == []


def test_a_correction_that_takes_an_alert_back_is_told_by_the_retraction(on_watch: Any) -> None:
    on_watch.add(axes={"VEGF": on_watch.axis("VEGF", "PDV")})
    on_watch.tell()
    on_watch.vegf(140, "20", "not_met", version=1, issued=150)
    on_watch.add(axes={"VEGF": on_watch.axis("VEGF", "CRV")})
    assert on_watch.tell() == [("retracted", "VEGF_RISE_WATCH")]
