"""How entries end after a redrive: nothing leaves the list that is neither published nor on it under another entry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain.reasons import REASONS
from services.intake.domain.resolutions import REDRIVEN, RESOLUTIONS, SUPERSEDED, Wrong, settled

WHOLE = Wrong("whole", "MSH[1]-3", whole_message=True)
OTHER_WHOLE = Wrong("other", "PID[1]-3", whole_message=True)
FIRST, SECOND = Wrong("first", "OBX[1]", whole_message=False), Wrong("second", "OBX[2]", whole_message=False)
FIRST_OTHERWISE = Wrong("otherwise", "OBX[1]", whole_message=False)


@pytest.mark.parametrize(
    ("outcome", "before", "now", "decided", "ends"),
    [
        pytest.param("published", [WHOLE], [], [], {"whole": REDRIVEN}, id="all of it is published"),
        pytest.param("published", [FIRST, SECOND], [], [], {"first": REDRIVEN, "second": REDRIVEN}, id="both results"),
        pytest.param("published", [FIRST, SECOND], [SECOND], [], {"first": REDRIVEN}, id="one result is left"),
        pytest.param("published", [WHOLE], [SECOND], [], {"whole": SUPERSEDED}, id="a result of it is left"),
        pytest.param("published", [FIRST], [FIRST_OTHERWISE], [], {"first": SUPERSEDED}, id="wrong in another way"),
        pytest.param("quarantined", [WHOLE], [WHOLE], [], {}, id="the cause stands"),
        pytest.param("quarantined", [WHOLE], [OTHER_WHOLE], [], {"whole": SUPERSEDED}, id="another cause"),
        pytest.param("quarantined", [FIRST], [OTHER_WHOLE], [], {"first": SUPERSEDED}, id="now the whole message"),
        pytest.param("quarantined", [WHOLE], [OTHER_WHOLE], ["other"], {}, id="nobody would see the other cause"),
        pytest.param("published", [WHOLE], [SECOND], ["second"], {}, id="nobody would see the result that is left"),
        pytest.param("published", [FIRST], [SECOND], ["second"], {"first": REDRIVEN}, id="a decision beside it"),
        pytest.param("ignored", [WHOLE], [], [], {}, id="ignored now: a person must say so"),
    ],
)
def test_what_a_redrive_settles(
    outcome: str, before: list[Wrong], now: list[Wrong], decided: list[str], ends: dict[str, str]
) -> None:
    assert settled(outcome, before, now, decided) == ends  # type: ignore[arg-type]


ENTRIES = [WHOLE, OTHER_WHOLE, FIRST, SECOND, FIRST_OTHERWISE]


@given(
    st.sampled_from(["published", "ignored", "quarantined"]),
    st.lists(st.sampled_from(ENTRIES), unique=True),
    st.lists(st.sampled_from(ENTRIES), unique=True),
    st.sets(st.sampled_from([entry.event_id for entry in ENTRIES])),
)
def test_an_entry_ends_only_where_its_result_is_published_or_open_elsewhere(
    outcome: str, before: list[Wrong], now: list[Wrong], decided: set[str]
) -> None:
    ends = settled(outcome, before, now, decided)  # type: ignore[arg-type]
    assert not (ends and outcome == "ignored")
    for entry in (wrong for wrong in before if wrong.event_id in ends):
        assert entry not in now
        if ends[entry.event_id] == REDRIVEN:
            assert outcome == "published"
            assert not [wrong for wrong in now if entry.whole_message or wrong.place == entry.place]
        else:
            assert [wrong for wrong in now if wrong.event_id not in decided]


def test_every_reason_says_what_to_do_and_every_resolution_what_it_means() -> None:
    for text in [*(reason.advice for reason in REASONS.values()), *(one.text for one in RESOLUTIONS.values())]:
        assert text.endswith(".")
        assert len(text) > 20
    assert [code for code, one in RESOLUTIONS.items() if one.comment_required] == ["other"]
    assert not {REDRIVEN, SUPERSEDED} & RESOLUTIONS.keys(), "what intake says, no person may say"
