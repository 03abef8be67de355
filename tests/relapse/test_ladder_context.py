"""What keeps a second sample from confirming: an infection, another series; and two arms on one ladder."""

from typing import Any

import pytest

# --- infection (13.4) ---


def test_a_rise_in_an_infection_is_less_urgent_and_says_why(story: Any) -> None:
    story.infection(130, 135)
    story.vegf(28, "40", "not_met")
    story.vegf(163, "200", "met")
    story.tell()
    watch = story.last("VEGF_RISE_WATCH")
    assert (watch.tier, watch.due_hours) == ("P3", None)
    assert "infection" in watch.text
    assert "in_infection_window" in watch.tags


@pytest.mark.parametrize(
    ("onset", "end", "state"),
    [
        pytest.param(161, 170, "WATCH", id="the day of the onset is inside"),
        pytest.param(162, 170, "CONFIRMED", id="the day before the onset is outside"),
        pytest.param(120, 133, "WATCH", id="day 28 after the end is inside"),
        pytest.param(120, 132, "CONFIRMED", id="day 29 after the end is outside"),
        pytest.param(133, None, "WATCH", id="an open infection lasts 28 days from its onset"),
        pytest.param(132, None, "CONFIRMED", id="day 29 after the onset of an open infection is outside"),
    ],
)
def test_confirmation_waits_for_a_sample_outside_the_window(
    on_watch: Any, onset: int, end: int | None, state: str
) -> None:
    on_watch.infection(onset, end)
    on_watch.vegf(161, "240", "met")
    on_watch.tell()
    assert on_watch.ladder("vegf") == state


def test_a_deferred_confirmation_updates_the_episode_and_a_later_sample_decides(on_watch: Any) -> None:
    on_watch.infection(150, 155)
    on_watch.vegf(161, "240", "met")
    assert on_watch.tell() == [("amended", "VEGF_RISE_WATCH")]
    watch = on_watch.last("VEGF_RISE_WATCH")
    assert "confirmation_deferred:INFECTION" in watch.tags
    assert [piece.text for piece in watch.evidence] == ["40 pg/mL", "200 pg/mL", "240 pg/mL"]
    on_watch.vegf(190, "230", "met")
    assert on_watch.tell() == [("raised", "VEGF_PROGRESSION_CONFIRMED"), ("closed", "VEGF_RISE_WATCH")]
    assert on_watch.last("VEGF_PROGRESSION_CONFIRMED").due_hours == 24


def test_a_late_infection_takes_a_confirmation_back(on_watch: Any) -> None:
    on_watch.vegf(161, "240", "met")
    on_watch.tell()
    on_watch.infection(158)
    assert on_watch.tell() == [("amended", "VEGF_RISE_WATCH"), ("retracted", "VEGF_PROGRESSION_CONFIRMED")]
    assert on_watch.events[-1].values == ()
    assert "a later fact changed the course" in on_watch.events[-1].reason


def test_an_infection_does_not_defer_the_m_protein(story: Any) -> None:
    story.infection(120, 170)
    for day, value, p in ((28, "4", "not_met"), (140, "10", "met"), (161, "11", "met")):
        story.result("MPROT_S", day, value, p=p)
    story.tell()
    assert story.ladder("hematologic") == "CONFIRMED"


# --- series ---


def switched(story: Any, day: int) -> None:
    new = story.vegf(day, "90", series="other lab")
    story.switches["VEGF"] = ("other lab", new)


def test_another_series_neither_confirms_nor_refutes(on_watch: Any) -> None:
    switched(on_watch, 161)
    assert on_watch.tell() == [("amended", "VEGF_RISE_WATCH")]
    assert on_watch.ladder("vegf") == "STALLED"
    assert "bridging sample" in on_watch.last("VEGF_RISE_WATCH").text
    assert on_watch.open() == {"VEGF_RISE_WATCH": "VEGF"}


@pytest.mark.parametrize(("value", "p", "state"), [("240", "met", "CONFIRMED"), ("60", "not_met", "NONE")])
def test_the_old_series_decides_a_stalled_watch(on_watch: Any, value: str, p: str, state: str) -> None:
    switched(on_watch, 161)
    on_watch.tell()
    on_watch.vegf(175, value, p)
    on_watch.tell()
    assert on_watch.ladder("vegf") == state


def test_the_new_series_opens_its_own_watch(on_watch: Any) -> None:
    switched(on_watch, 161)
    on_watch.tell()
    on_watch.vegf(190, "300", "met", series="other lab")
    assert on_watch.tell() == [("raised", "VEGF_RISE_WATCH")]
    assert on_watch.ladder("vegf") == "WATCH"
    on_watch.vegf(210, "310", "met", series="other lab")
    assert ("closed", "VEGF_RISE_WATCH") in on_watch.tell()
    assert on_watch.open() == {"VEGF_PROGRESSION_CONFIRMED": "VEGF"}


def test_a_series_that_went_on_after_the_switch_is_not_stalled(on_watch: Any) -> None:
    switched(on_watch, 100)
    on_watch.tell()
    assert on_watch.ladder("vegf") == "WATCH"


# --- hematologic: two arms, one ladder ---


def test_m_protein_and_band_of_one_draw_are_one_watch(story: Any) -> None:
    for day, state, p in ((28, "NEG", "not_met"), (56, "NEG", "not_met"), (140, "POS", "met")):
        story.result("IFE_S", day, state=state, p=p)
    for day, value, p in ((28, "4", "not_met"), (140, "10", "met")):
        story.result("MPROT_S", day, value, p=p)
    assert story.tell() == [("raised", "HEMATOLOGIC_RISE_WATCH")]
    assert len(story.last("HEMATOLOGIC_RISE_WATCH").evidence) == 5
    story.result("IFE_S", 161, state="POS", p="met")
    story.tell()
    assert story.ladder("hematologic") == "CONFIRMED"
    assert story.open() == {"HEMATOLOGIC_RELAPSE_CONFIRMED": "HEMATOLOGIC"}


def test_a_band_that_is_back_rests_on_the_negatives_before_it(story: Any) -> None:
    for day, state, p in ((28, "NEG", "not_met"), (56, "NEG", "not_met"), (140, "POS", "met")):
        story.result("IFE_S", day, state=state, p=p)
    assert story.tell() == [("raised", "HEMATOLOGIC_RISE_WATCH")]
    watch = story.last("HEMATOLOGIC_RISE_WATCH")
    assert [piece.text for piece in watch.evidence] == ["NEG", "NEG", "POS"]
    assert watch.rule.id == "HEM-6"
    story.result("IFE_S", 161, state="POS", p="met")
    assert story.tell() == [("raised", "HEMATOLOGIC_RELAPSE_CONFIRMED"), ("closed", "HEMATOLOGIC_RISE_WATCH")]


def test_an_arm_that_rises_when_the_other_resolves_is_an_episode_of_its_own(story: Any) -> None:
    for day, state, p in ((28, "NEG", "not_met"), (56, "NEG", "not_met"), (140, "POS", "met"), (161, "NEG", "not_met")):
        story.result("IFE_S", day, state=state, p=p)
    story.result("MPROT_S", 28, "4", p="not_met")
    story.result("MPROT_S", 161, "10", p="met")
    assert story.tell() == [("raised", "HEMATOLOGIC_RISE_WATCH")]
    assert [piece.analyte for piece in story.last("HEMATOLOGIC_RISE_WATCH").evidence] == ["MPROT_S", "MPROT_S"]


@pytest.mark.parametrize("rises", [(190,), (190, 210)])
def test_a_series_that_rises_after_the_confirmation_adds_nothing(story: Any, rises: tuple[int, ...]) -> None:
    for day, value, p in ((28, "4", "not_met"), (140, "10", "met"), (161, "11", "met")):
        story.result("MPROT_S", day, value, p=p)
    for day in (28, 56):
        story.result("IFE_S", day, state="NEG", p="not_met")
    for day in rises:
        story.result("IFE_S", day, state="POS", p="met")
    assert story.tell() == [("raised", "HEMATOLOGIC_RELAPSE_CONFIRMED")]
    told = [finding.opener for finding in story.findings() if finding.kind.startswith("HEMATOLOGIC")]
    assert set(told) == {str(story.name_of("MPROT_S", 140))}
