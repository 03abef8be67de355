"""Which version counts, what a reader gets of the others, and when a view is issued again."""

from decimal import Decimal
from typing import Any

import pytest

from refrain.contracts.events import FlaggedReport
from refrain.contracts.site import SiteSettings
from services.flagging.domain.judgement import FlaggingIssued, place

Lab = Any


def test_a_correction_counts_and_the_old_version_stays_visible(lab: Lab) -> None:
    told = lab.in_order([lab.one("r", "42.35"), lab.one("r", "423.5", status="C", issued=1)])
    assert told.codes("r") == {"H"}
    [old] = [view for view in told.views().values() if not view.current]
    assert (old.observation.value.text, old.usable, old.held, old.series) == ("42.35", False, ("SUPERSEDED",), None)
    assert old.interpretation == ("N",)


def test_a_late_preliminary_is_history_only(lab: Lab) -> None:
    told = lab.in_order([lab.one("r", "42"), lab.one("r", "480", status="P", issued=5)])
    assert told.view("r").observation.value.text == "42"


@pytest.mark.parametrize("status", ["W", "D", "X"])
def test_a_withdrawn_result_is_out_of_everything(lab: Lab, status: str) -> None:
    told = lab.in_order(
        [lab.one("a", "100", day=0), lab.one("b", "400", day=1), lab.one("c", "150", day=2),
         lab.one("b", "400", day=1, issued=3, status=status)]
    )  # fmt: skip
    seen = told.view("b")
    assert (seen.interpretation, seen.usable, seen.held, seen.series) == ((), False, ("WITHDRAWN",), None)
    assert told.view("c").previous == lab.result_id("a")
    assert told.codes("c") == {"N", "U"}


def test_final_without_a_value_promotes_the_preliminary_one(lab: Lab) -> None:
    told = lab.in_order([lab.one("r", "200", status="P"), lab.one("r", "", status="U", issued=1)])
    seen = told.view("r")
    assert (set(seen.interpretation), seen.number, seen.usable, seen.tags) == ({"H"}, Decimal(200), True, ())
    assert told.open() == set()


def test_final_without_any_value_is_asked_about(lab: Lab) -> None:
    told = lab.told(lab.one("r", "", "", "", status="U"))
    assert ("DQ_STATUS", "VEGF", "unsent_value_missing", "open") in told.alerts()
    assert not told.view("r").usable


def test_verified_with_another_value_is_a_correction(lab: Lab) -> None:
    told = lab.in_order([lab.one("r", "42"), lab.one("r", "43", status="V", issued=1)])
    assert told.view("r").observation.status_class == "corrected"
    assert ("DQ_STATUS", "VEGF", "status_value_differs", "open") in told.alerts()


@pytest.mark.parametrize("status", ["C", "D", "W", "X"])
@pytest.mark.parametrize("late", [False, True])
def test_a_correction_with_another_time_joins_its_result(lab: Lab, status: str, late: bool) -> None:
    """The wire made two results of one, because the time of collection is part of the identity (feeds.md 9)."""
    first = lab.report(lab.observation("at eight", "42", day=0), order="F1")
    moved = lab.report(lab.observation("at nine", "423", day=0.04, issued=2, status=status), order="F1")
    told = lab.in_order([moved, first] if late else [first, moved])
    [counting] = [view for view in told.views().values() if view.current]
    assert counting.observation.result == lab.result_id("at nine")
    assert "collection_time_changed" in counting.quality
    assert counting.usable is (status == "C")
    assert ("DQ_STATUS", "VEGF") not in told.open()


def test_it_joins_nothing_where_two_would_fit_or_no_order_ties_them(lab: Lab) -> None:
    two = [lab.report(lab.observation(n, "42", day=d), order="F1") for d, n in enumerate("ab")]
    moved = lab.report(lab.observation("c", "423", day=2, issued=3, status="C"), order="F1")
    assert len([v for v in lab.told(*two, moved).views().values() if v.current]) == 3
    loose = lab.report(lab.observation("d", "423", day=2, issued=3, status="C"), order="")
    alone = lab.report(lab.observation("e", "42", day=0), order="")
    assert len([v for v in lab.told(alone, loose).views().values() if v.current]) == 2


@pytest.mark.parametrize("status", ["D", "W", "X"])
def test_a_withdrawal_that_could_mean_several_results_takes_none_back_and_is_asked_about(lab: Lab, status: str) -> None:
    two = [lab.report(lab.observation(n, "42", day=d), order="F1") for d, n in enumerate("ab")]
    gone = lab.report(lab.observation("c", "", day=2, issued=3, status=status), order="F1")
    told = lab.told(*two, gone)
    assert [told.view(name).usable for name in "ab"] == [True, True]
    assert ("DQ_STATUS", "VEGF", "fits_no_one_result", "open") in told.alerts()
    elsewhere = lab.report(lab.observation("c", "", day=2, issued=3, status=status), order="F9")
    assert "DQ_STATUS" not in {kind for kind, *_ in lab.told(*two, elsewhere).alerts()}


def test_of_one_version_the_highest_translation_counts_everywhere(lab: Lab) -> None:
    unmapped = lab.report(lab.observation("r", "42", analyte=None, code="KAP"))
    mapped = unmapped.model_copy(
        update={"translation": 1, "observations": (
            lab.observation("r", "42", analyte="VEGF").model_copy(
                update={"version": unmapped.observations[0].version, "code": "KAP"}
            ),
        )}
    ).identified()  # fmt: skip
    for told in (lab.in_order([unmapped, mapped]), lab.in_order([mapped, unmapped])):
        assert told.view("r").observation.analyte == "VEGF"
        assert told.open() == set()
        newest = {e.report: e for e in told.events if isinstance(e, FlaggedReport)}
        assert {v.observation.analyte for e in newest.values() for v in e.observations} == {"VEGF"}


def test_the_revision_counts_facts_and_only_changed_views_are_told(lab: Lab) -> None:
    first, second = lab.one("a", "100", day=0), lab.one("b", "42", day=7)
    told = lab.Told()
    [view] = told.add(first)
    assert (view.report, view.revision) == (first.event_id, 1)
    [view] = told.add(second)
    assert (view.report, view.revision) == (second.event_id, 2)
    assert told.add(lab.care("note", type="infection", onset="2026-03-03")) == []
    late = lab.one("c", "10", day=3)
    views = {event.report: event.revision for event in told.add(late) if isinstance(event, FlaggedReport)}
    assert views == {late.event_id: 4, second.event_id: 4}


def test_a_repeated_fact_changes_nothing(lab: Lab) -> None:
    fact = lab.one("a", "11.29", "mg/L", "8.6-17.4", analyte="IGG")
    told = lab.told(fact)
    again = place([fact, fact], told.issued, [fact], SiteSettings())
    assert again.outputs == ()
    assert again.issued == told.issued


def test_changed_settings_are_told_at_the_next_fact(lab: Lab) -> None:
    fact = lab.one("a", "15", "10*9/L", "150-450", analyte="PLT", specimen="BLOOD")
    told = lab.told(fact)
    assert told.raised() == []
    told.site = SiteSettings(critical_profile="starling")
    told.add(lab.care("note", type="infection", onset="2026-03-03"))
    assert told.codes("a") == {"LL"}
    assert [alert.kind for alert in told.raised()] == ["CRITICAL_RESULT"]


def test_without_reports_there_is_nothing_to_say(lab: Lab) -> None:
    event = lab.care("clone", type="clone_stated", heavy="IgG", light="lambda")
    decision = place([event], FlaggingIssued(), [event], SiteSettings())
    assert (decision.outputs, decision.issued) == ((), FlaggingIssued())


def test_a_version_repeated_in_one_report_is_shown_once(lab: Lab) -> None:
    seen = lab.observation("a")
    [view] = lab.told(lab.report(seen, seen)).events
    assert len(view.observations) == 1


def test_a_result_in_two_reports_is_the_same_in_both(lab: Lab) -> None:
    seen, other = lab.observation("a", "200"), lab.observation("b", "42", day=1)
    told = lab.in_order([lab.report(seen), lab.report(seen, other, order="F201")])
    newest = {event.report: event for event in told.events if isinstance(event, FlaggedReport)}
    shown = [v for e in newest.values() for v in e.observations if v.observation.result == seen.result]
    assert len(shown) == 2
    assert shown[0] == shown[1]


def test_the_word_of_a_person_reaches_a_rebuilt_range(lab: Lab) -> None:
    kind = {"unit": "×10^6/L", "analyte": "CSF_WBC", "specimen": "CSF"}
    told = lab.told(
        lab.one("a", "5", limits="up to 8×10^6/L", day=0, **kind),
        lab.one("b", "7", limits="up to 810^6/L", day=1, **kind),
    )
    assert told.codes("b") == {"N"}
    told.add(lab.review("b", "DQ-07", "rejected", 2))
    assert (told.codes("b"), told.view("b").range_source, told.view("b").reasons) == (set(), "none", ("NO_RANGE",))
