"""What alerts say, and how urgent they are."""

import re
from itertools import product
from typing import Any

import pytest

from services.relapse.domain import wording
from services.relapse.domain.priority import P2_24, P2_72, P3, Urgency, ladder_urgency

NEVER_IN_A_WATCH = re.compile(r"relaps|recurr|progress", re.IGNORECASE)


@pytest.mark.parametrize(
    ("start", "multi_axis", "infection", "expected"),
    [
        pytest.param(P2_72, False, False, P2_72, id="a watch"),
        pytest.param(P2_72, True, False, P2_24, id="a watch beside another axis"),
        pytest.param(P2_72, False, True, P3, id="a watch in an infection"),
        pytest.param(P2_72, True, True, P2_72, id="up first, then down"),
        pytest.param(P2_24, False, False, P2_24, id="confirmed"),
        pytest.param(P2_24, True, False, P2_24, id="never over the cap"),
        pytest.param(P2_24, True, True, P2_72, id="the cap, then down"),
        pytest.param(P3, False, True, P3, id="never under the floor"),
    ],
)
def test_urgency(start: Urgency, multi_axis: bool, infection: bool, expected: Urgency) -> None:
    assert ladder_urgency(start, multi_axis=multi_axis, infection=infection) == expected


@pytest.mark.parametrize(("infection", "switched", "second_axis"), [*product([False, True], repeat=3)])
def test_a_watch_never_says_relapse_recurrence_or_progression(
    new_story: Any, infection: bool, switched: bool, second_axis: bool
) -> None:
    story = new_story()
    if infection:
        story.infection(130)
    story.vegf(28, "40", "not_met")
    story.vegf(140, "200", "met")
    story.result("MPROT_S", 28, "4", p="not_met")
    if second_axis:
        story.result("MPROT_S", 140, "10", p="met")
        for day, state, p in ((28, "NEG", "not_met"), (56, "NEG", "not_met"), (140, "POS", "met")):
            story.result("IFE_S", day, state=state, p=p)
    if switched:
        story.switches["VEGF"] = ("new", story.vegf(150, "90", series="new"))
    story.until = 200
    story.tell()
    story.vegf(210, "50", "not_met")
    story.until = 210
    story.tell()
    watches = [event for event in story.events if "WATCH" in event.kind or event.kind == "MONITORING_GAP"]
    assert {event.kind for event in watches} >= {"VEGF_RISE_WATCH", "WATCH_RESOLVED"}
    assert ("HEMATOLOGIC_RISE_WATCH" in {event.kind for event in watches}) == second_axis
    for event in watches:
        assert not NEVER_IN_A_WATCH.search(event.text), event.kind


def test_every_sentence_of_a_watch_is_free_of_these_words() -> None:
    sentences = [
        wording.VEGF_HAS_RISEN, wording.M_PROTEIN_HAS_RISEN, wording.BAND_MAY_BE_BACK, wording.LOOK_FOR_VEGF,
        wording.LOOK_FOR_BAND, wording.IN_INFECTION, wording.STALLED, wording.MULTI_AXIS, wording.WATCH_RESOLVED,
    ]  # fmt: skip
    assert [sentence for sentence in sentences if NEVER_IN_A_WATCH.search(sentence)] == []


def test_texts_say_how_urgent_and_hold_neither_patient_nor_value(on_watch: Any) -> None:
    on_watch.result("IGG", 150, "3.44")
    on_watch.result("B12", 150, "105", below=True)
    on_watch.result("IFE_S", 150, state="POS_OTHER")
    on_watch.finding(150, {"leg weakness": "worse"}, new_feature="ascites")
    on_watch.tell()
    on_watch.vegf(161, "240", "met")
    on_watch.tell()
    assert len(on_watch.events) > 6
    for event in on_watch.events:
        assert not re.search(r"0042|HOSPITAL-A|3\.44|105|240|200|weakness|ascites", event.text)
        if event.tier == "P2":
            assert f"within {event.due_hours} hours" in event.text
        assert event.rule is not None
        assert event.rule.verification == "unverified-needs-clinician"
        assert event.settings == on_watch.site.hash
