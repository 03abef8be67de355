"""Change, trend and delta against the previous result of a series, with every threshold and one step past it."""

from decimal import Decimal
from typing import Any

import pytest

from refrain.contracts.site import SiteSettings

Lab = Any


def pair(lab: Lab, before: str, now: str, **kind: Any) -> Any:
    kind = {"unit": "pg/mL", "limits": "0-160", "analyte": "VEGF", **kind}
    return lab.told(lab.one("a", before, day=0, **kind), lab.one("b", now, day=7, **kind))


@pytest.mark.parametrize(
    ("before", "now", "code"),
    [
        ("100", "150", "U"), ("100", "149.9", None), ("100", "50", "D"), ("100", "50.1", None), ("100", "100", None),
        ("1", "1.5", "U"), ("0.3", "0.45", "U"), ("0.3", "0.449", None),
        ("<100", "150", "U"), ("<100", "149.9", None), ("<100", "50", None), ("100", "<50", "D"),
        ("100", "<50.1", None),
        ("100", ">150", "U"), ("100", ">149", None), (">100", "50", "D"), (">100", "200", None), ("<5", "<5", None),
    ],
)  # fmt: skip
def test_change_of_half_or_more(lab: Lab, before: str, now: str, code: str | None) -> None:
    told = pair(lab, before, now, unit="mg/L", limits="0-1000", analyte="SFLC_K")
    assert told.codes("b") & {"U", "D"} == ({code} if code else set())
    assert told.codes("b") & {"B", "W"} == set()


@pytest.mark.parametrize(
    ("before", "now", "codes"),
    [
        ("200", "150", {"B"}), ("200", "150.1", set()), ("200", "250", {"W"}), ("200", "249", set()),
        ("100", "125", set()), ("128", "160", set()), ("128", "160.1", {"W"}), ("200", "100", {"B", "D"}),
        ("160", "120", set()), ("160.1", "120", {"B"}),
    ],
)  # fmt: skip
def test_trend_of_a_quarter_or_more_with_one_value_outside(lab: Lab, before: str, now: str, codes: set[str]) -> None:
    assert pair(lab, before, now).codes("b") & {"B", "W", "U", "D"} == codes


@pytest.mark.parametrize(
    ("before", "now", "code"),
    [
        ("2.0", "1.6", None), ("2.4", "1.7", "B"), ("2.0", "2.6", "W"), ("0.10", "0.20", "B"), ("0.20", "0.10", "W"),
        ("0.10", "1.0", "B"), ("0.10", "2.0", None),
    ],
)  # fmt: skip
def test_a_ratio_is_better_nearer_to_its_interval(lab: Lab, before: str, now: str, code: str | None) -> None:
    told = pair(lab, before, now, unit="", limits="0.26-1.65", analyte="SFLC_R")
    assert told.codes("b") & {"B", "W"} == ({code} if code else set())


@pytest.mark.parametrize(("light", "codes"), [("lambda", {"B"}), ("kappa", set()), (None, set())])
def test_the_chain_of_the_clone_is_better_lower(lab: Lab, light: str | None, codes: set[str]) -> None:
    told = pair(lab, "110", "70", unit="mg/L", limits="8.3-27", analyte="SFLC_L")
    told.add(lab.care("clone", type="clone_stated", heavy="IgG", light=light))
    assert told.codes("b") & {"B", "W"} == codes


def test_percent_and_the_previous_result_are_shown(lab: Lab) -> None:
    seen = pair(lab, "423.5", "50.63").view("b")
    assert (round(seen.change_percent, 1), seen.previous) == (Decimal("-88.0"), lab.result_id("a"))


@pytest.mark.parametrize(("specimen", "lab_name"), [("PLASMA_EDTA", "LAB"), ("SERUM", "OTHER")])
def test_never_across_series(lab: Lab, specimen: str, lab_name: str) -> None:
    told = lab.told(lab.one("a", "100", day=0), lab.one("b", "400", day=1, specimen=specimen, lab=lab_name))
    assert told.codes("b") == {"H"}
    assert told.view("b").previous is None


def test_images_have_no_change_codes(lab: Lab) -> None:
    kind = {"unit": "", "limits": "", "analyte": "PET_LESION", "specimen": "IMAGE"}
    assert pair(lab, "10", "2", **kind).view("b").change_percent is None


def test_results_of_one_moment_are_no_change(lab: Lab) -> None:
    told = lab.told(lab.one("a", "100", day=0, seconds=90000), lab.one("b", "200", day=1), lab.one("c", "210", day=2))
    assert told.view("b").previous is None
    assert told.view("c").previous == lab.result_id("b")


@pytest.mark.parametrize(
    ("status", "quality"), [("P", ()), ("F", ("comment_questions_result",)), ("X", ()), ("W", ()), ("I", ())]
)
def test_what_is_not_usable_is_nobodys_previous(lab: Lab, status: str, quality: tuple[str, ...]) -> None:
    told = lab.told(
        lab.one("a", "100", day=0),
        lab.one("b", "200", day=1, status=status, quality=quality),
        lab.one("c", "150", day=2),
    )
    assert told.view("c").previous == lab.result_id("a")
    assert "U" in told.codes("c")


def test_a_preliminary_result_is_compared_but_feeds_nothing(lab: Lab) -> None:
    told = lab.told(lab.one("a", "100", day=0), lab.one("b", "200", day=1, status="P"))
    seen = told.view("b")
    assert (set(seen.interpretation), seen.tags, seen.held) == ({"H", "U", "W"}, ("provisional",), ("NOT_FINAL",))


def test_a_repair_that_waits_is_the_previous_of_change_codes(lab: Lab) -> None:
    told = lab.told(
        lab.one("a", "11.29", "mg/L", "8.6-17.4", analyte="IGG", day=0),
        lab.one("b", "4.35", "g/L", "8.6-17.4", analyte="IGG", day=28),
    )
    assert told.codes("b") == {"L", "D"}
    told.add(lab.review("a", "DQ-01", "rejected", 30))
    assert told.codes("b") == {"L"}
    assert told.view("a").held == ("REVIEW_REJECTED",)


# --- delta ---


@pytest.mark.parametrize(
    ("before", "now", "delta"),
    [
        ("10", "100", False), ("10", "100.1", True), ("100", "10", False), ("100", "9.9", True), ("<10", "100", True),
        ("<10", "99", False), ("<=10", "100", False), ("100", "<10", True), ("100", "<=10", False),
        (">10", "200", False),
    ],
)  # fmt: skip
def test_tenfold_is_a_question_but_no_hold_while_print_agrees(lab: Lab, before: str, now: str, delta: bool) -> None:
    told = pair(lab, before, now)
    seen = told.view("b")
    assert (seen.caveats, seen.usable) == (("DQ_DELTA",) if delta else (), True)
    assert (("DQ_DELTA", "VEGF") in told.open()) == delta


def slipped(lab: Lab, *later: Any) -> Any:
    """A stated method, so that other printed units stay in the series."""
    kind = {"analyte": "IGG", "method": "turbidimetry"}
    return lab.told(
        lab.one("a", "10", "g/L", "8.6-17.4", day=0, **kind), lab.one("b", "99", "mg/dL", "860-1740", day=1, **kind),
        *later,
    )  # fmt: skip


def test_tenfold_with_another_printed_unit_is_held(lab: Lab) -> None:
    told = slipped(lab)
    assert (told.view("b").usable, told.view("b").held) == (False, ("DQ_DELTA",))
    assert told.codes("b") == {"L", "D"}


@pytest.mark.parametrize(("second", "usable"), [("0.98", True), ("9.9", True), ("9.91", False), ("11", False)])
def test_a_second_sample_within_tenfold_releases_it(lab: Lab, second: str, usable: bool) -> None:
    kind = {"analyte": "IGG", "method": "turbidimetry"}
    told = slipped(lab, lab.one("c", second, "g/L", "8.6-17.4", day=2, **kind))
    assert told.view("b").usable is usable
    assert told.view("c").previous == lab.result_id("b" if usable else "a")


@pytest.mark.parametrize(("decision", "usable"), [("accepted", True), ("rejected", False)])
def test_a_persons_word_settles_it(lab: Lab, decision: str, usable: bool) -> None:
    told = slipped(lab)
    told.add(lab.review("b", "DQ_DELTA", decision, 3))
    assert told.view("b").usable is usable
    assert ("DQ_DELTA", "IGG", "DQ_DELTA", "closed") in told.alerts()


def test_a_word_from_before_a_correction_is_not_about_it(lab: Lab) -> None:
    told = slipped(lab)
    told.add(lab.review("b", "DQ_DELTA", "accepted", 3))
    kind = {"analyte": "IGG", "method": "turbidimetry"}
    told.add(lab.one("b", "98", "mg/dL", "860-1740", day=1, issued=4, status="C", **kind))
    assert told.view("b").held == ("DQ_DELTA",)


def test_there_is_no_ratio_to_zero(lab: Lab) -> None:
    told = pair(lab, "0", "3", unit="g/L", limits="", analyte="MPROT_S")
    assert told.view("b").caveats == ()
    assert "U" in told.codes("b")


# --- creatinine ---


@pytest.mark.parametrize(
    ("now", "days", "code"),
    [("116.52", 2, True), ("116.51", 2, False), ("116.52", 2.1, False), ("135", 7, True), ("134.9", 7, False)],
)
def test_creatinine_step(lab: Lab, now: str, days: float, code: bool) -> None:
    kind = {"unit": "umol/L", "limits": "60-110", "analyte": "CREAT"}
    told = lab.told(lab.one("a", "90", day=0, **kind), lab.one("b", now, day=days, **kind))
    assert ("U" in told.codes("b")) == code


def test_the_sites_own_percentages(lab: Lab) -> None:
    site = SiteSettings(delta_change_pct=Decimal(20), delta_trend_pct=Decimal(10))
    told = lab.told(lab.one("a", "200", day=0), lab.one("b", "240", day=1), lab.one("c", "216", day=2), site=site)
    assert told.codes("b") == {"H", "U", "W"}
    assert told.codes("c") == {"H", "B"}
