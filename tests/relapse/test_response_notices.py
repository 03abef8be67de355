"""What became better, was taken back or was lost."""

from typing import Any

import pytest


def band(story: Any, day: int, state: str, **more: Any) -> None:
    story.result(more.pop("analyte", "IFE_S"), day, state=state, **more)


# --- RESPONSE_UPGRADE, RESPONSE_WITHDRAWN ---


def upgrade(story: Any, axis: str, level: str, sample: Any, by: Any, day: int) -> Any:
    return story.Upgrade(axis=axis, level=level, sample=sample, by=by, at=story.at(day))


def test_one_upgrade_per_axis_and_only_the_latest_of_a_path(story: Any) -> None:
    a, b, c = story.vegf(28, "120"), story.vegf(56, "90"), story.vegf(84, "80")
    scan = story.result("PET_LESION", 84, "1.6")
    path = (upgrade(story, "VEGF", "PRV", a, b, 56), upgrade(story, "VEGF", "CRV", b, c, 84))
    story.add(upgrades=(*path, upgrade(story, "PET", "CR-PET", scan, scan, 84)))
    assert story.tell() == [("raised", "RESPONSE_UPGRADE")] * 2
    told = {(event.subject, event.subjects, event.tier, event.notice) for event in story.events}
    assert told == {("VEGF", ("CRV",), "P3", True), ("PET", ("CR-PET",), "P3", True)}


def test_an_upgrade_that_was_told_stays_when_a_better_one_follows(story: Any) -> None:
    a, b, c = story.vegf(28, "120"), story.vegf(56, "90"), story.vegf(84, "80")
    story.add(upgrades=(upgrade(story, "VEGF", "PRV", a, b, 56),))
    story.tell()
    story.add(upgrades=(upgrade(story, "VEGF", "PRV", a, b, 56), upgrade(story, "VEGF", "CRV", b, c, 84)))
    assert story.tell() == [("raised", "RESPONSE_UPGRADE")]
    assert story.tell() == []


def test_an_upgrade_is_taken_back_when_its_value_is_corrected(story: Any) -> None:
    a, b = story.vegf(28, "42.35"), story.vegf(56, "50.63")
    story.add(upgrades=(upgrade(story, "VEGF", "CRV", a, b, 56),))
    story.tell()
    story.vegf(28, "423.5", version=1, issued=60)
    story.add(upgrades=())
    assert story.tell() == [("retracted", "RESPONSE_UPGRADE")]
    assert story.events[-1].tier == "P3"
    assert [(value.before, value.after) for value in story.events[-1].values] == [("42.35 pg/mL", "423.5 pg/mL")]


def test_a_complete_response_rests_on_all_its_components(story: Any) -> None:
    first, second = story.result("IFE_S", 28, state="NEG"), story.result("IFE_S", 56, state="NEG")
    marrow = story.result("IFE_U", 56, state="NEG")
    step = upgrade(story, "HEMATOLOGIC", "CRH", first, second, 56).model_copy(update={"evidence": (marrow,)})
    story.add(upgrades=(step,))
    story.tell()
    assert {piece.result for piece in story.last("RESPONSE_UPGRADE").evidence} == {first, second, marrow}


def test_a_clone_s_band_after_a_single_negative_withdraws_the_candidate_without_a_watch(story: Any) -> None:
    band(story, 28, "NEG", p="not_met")
    band(story, 56, "POS", p="not_met")
    story.add(withdrawn_candidates=(story.name_of("IFE_S", 56),))
    assert story.tell() == [("raised", "RESPONSE_WITHDRAWN")]
    notice = story.last("RESPONSE_WITHDRAWN")
    assert (notice.tier, notice.notice, notice.subject) == ("P3", True, "HEMATOLOGIC")
    assert story.ladder("hematologic") == "NONE"
    band(story, 84, "NEG", p="not_met")
    assert story.tell() == []


def test_a_withdrawal_that_is_history_when_it_is_seen_is_silent(story: Any) -> None:
    for day, state in ((28, "NEG"), (56, "POS"), (84, "NEG")):
        band(story, day, state, p="not_met")
    story.add(withdrawn_candidates=(story.name_of("IFE_S", 56),))
    assert story.tell() == []


# --- RESPONSE_LOSS ---


def falling(story: Any, *levels: str, p: str = "not_met") -> None:
    for place, level in enumerate(levels):
        story.vegf(28 * (place + 1), "100", p, level=level)


def test_two_assessments_below_a_confirmed_level_are_a_loss(story: Any) -> None:
    falling(story, "CRV", "CRV", "NRV")
    assert story.tell() == []
    falling(story, "CRV", "CRV", "NRV", "PRV")
    assert story.tell() == [("raised", "RESPONSE_LOSS")]
    loss = story.last("RESPONSE_LOSS")
    assert (loss.tier, loss.due_hours, loss.subject) == ("P2", 72, "VEGF")
    falling(story, "CRV", "CRV", "NRV", "PRV", "CRV")
    assert story.tell() == [("closed", "RESPONSE_LOSS")]


@pytest.mark.parametrize(
    "levels",
    [
        pytest.param(("CRV", "NRV", "NRV"), id="a level that was never confirmed"),
        pytest.param(("CRV", "CRV", "NRV", "CRV", "NRV"), id="never two in a row"),
        pytest.param(("NRV", "NRV", "NRV"), id="nothing to lose"),
    ],
)
def test_other_courses_lose_nothing(story: Any, levels: tuple[str, ...]) -> None:
    falling(story, *levels)
    assert story.tell() == []


def test_a_loss_is_not_sent_while_the_ladder_is_active(story: Any) -> None:
    falling(story, "CRV", "CRV", "NRV")
    story.vegf(112, "200", "met", level="PDV")
    assert story.tell() == [("raised", "VEGF_RISE_WATCH")]
    story.vegf(140, "170", "not_met", level="NRV")
    assert story.tell() == [
        ("raised", "WATCH_RESOLVED"), ("raised", "RESPONSE_LOSS"), ("closed", "VEGF_RISE_WATCH"),
    ]  # fmt: skip


def test_a_rise_inside_the_interval_is_nothing(story: Any) -> None:
    for day, value in ((28, "42.35"), (56, "50.63"), (84, "64.0")):
        story.vegf(day, value, "not_met", level="CRV")
    assert story.tell() == []
