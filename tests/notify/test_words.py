"""What a message says at each grade of detail, and what it must not say."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refrain.contracts.events import Occasion, ThreadState, Tier
from refrain.contracts.kinds import KINDS, UNKNOWN
from services.notify.domain.thread import Message, Thread
from services.notify.domain.words import Context, Detail, Text, compose
from tests.notify.telling import NOON, a_message, a_thread, change, evidence, told

CONSOLE = "https://refrain.hospital.example/"
SERVICES = Path(__file__).parents[2] / "services"

REFERENCE = """
    CRITICAL_RESULT CRITICAL_POSSIBLE VEGF_PROGRESSION_CONFIRMED HEMATOLOGIC_RELAPSE_CONFIRMED RADIOGRAPHIC_RELAPSE
    CLINICAL_RELAPSE VEGF_RISE_WATCH HEMATOLOGIC_RISE_WATCH RESPONSE_LOSS IGG_LOW_SAFETY TREATABLE_FINDING
    NEW_CLONE_QUERY RESPONSE_UPGRADE RESPONSE_WITHDRAWN RESULT_CORRECTED WATCH_RESOLVED ABNORMAL_SUMMARY
    MONITORING_GAP ALERT_RETRACTED IFE_DRUG_QUERY DQ_UNIT DQ_RANGE DQ_SPECIMEN DQ_SERIES_SWITCH DQ_DELTA DQ_LOINC
    DQ_STATUS DQ_IDENTITY DQ_RATIO DQ_FLAG_CONFLICT
"""
"""clinical.md 17.1."""


def said(text: Text) -> str:
    return f"{text.subject}\n{text.body}\n{text.link}\n{json.dumps(text.data)}"


def tell(
    thread: Thread, occasion: Occasion = "raised", detail: Detail = "none", context: Context | None = None, **more: Any
) -> Text:
    contexts = {thread.alert: context} if context else {}
    return compose([thread], [a_message(thread, occasion=occasion, **more)], detail, CONSOLE, contexts)


def planted(token: str, occasion: Occasion, **closed: Any) -> tuple[Thread, Message, Context]:
    """A thread that has the token in every field that can hold text, in both values of a correction, and in chart's."""
    thread = a_thread(
        subject=token, text=f"{token} is high", what_changed=f"{token} was 1, is 2", trace=token, assigned_to=token,
        acknowledged_by=token, acknowledge_reason=token, read_back_by=token,
        patient={"authority": token, "type": token, "id": token},
        evidence=[evidence(token, token)], values=[change(token, token, token), change(f"x{token}", None, token)],
        rule={"id": token, "version": token, "source": token, "verification": token},
        told=[told(token, token)], **closed,
    )  # fmt: skip
    message = a_message(thread, token, channel=token, occasion=occasion, further=(token,))
    return thread, message, Context(path=f"/{token}", course=(token,), previous=token)


TOKENS = st.one_of(
    st.from_regex(r"Q[QXZJ]{5,11}", fullmatch=True),  # a name, of letters that no wording has in a row
    st.integers(10**9, 10**12).map(str),  # a number
    st.decimals(1000, 99999, places=3).map(str),  # a value
)


@given(
    token=TOKENS,
    occasion=st.sampled_from(get_args(Occasion)),
    tier=st.sampled_from(get_args(Tier)),
    kind=st.sampled_from([*KINDS, None]),
    state=st.sampled_from(get_args(ThreadState)),
    fact_state=st.sampled_from(["open", "closed", "retracted"]),
    notice=st.booleans(),
)
def test_without_detail_nothing_that_a_thread_holds_gets_out(
    token: str, occasion: Occasion, kind: str | None, **closed: Any
) -> None:
    thread, message, context = planted(token, occasion, kind=kind or token, **closed)
    text = compose([thread], [message], "none", CONSOLE, {thread.alert: context})
    assert token not in said(text)
    several = compose([thread, a_thread(2)], [message, a_message(a_thread(2))], "none", CONSOLE, {})
    assert token not in said(several)
    assert "collected" not in said(text)


@given(token=TOKENS, occasion=st.sampled_from(get_args(Occasion)))
def test_the_number_of_a_patient_needs_the_highest_detail(token: str, occasion: Occasion) -> None:
    thread = a_thread(patient={"authority": "NORTHWARD", "type": "MR", "id": token})
    assert token not in said(tell(thread, occasion, "clinical"))
    identified = tell(thread, occasion, "identified")
    assert token in identified.body
    assert token not in identified.subject


@given(before=st.decimals(1000, 9999, places=2), after=st.decimals(1000, 9999, places=2))
def test_a_correction_shows_both_values_where_detail_allows(before: object, after: object) -> None:
    for occasion in ("retracted", "amended"):
        thread = a_thread(text="t", evidence=(), values=(change(f"{before} pg/mL", f"{after} pg/mL"),))
        for detail in ("clinical", "identified"):
            text = tell(thread, occasion, detail)
            assert f"{before} pg/mL" in text.body
            assert f"{after} pg/mL" in text.body
        assert str(before) not in said(tell(thread, occasion, "none"))


def test_every_kind_of_the_reference_and_of_the_services_has_words() -> None:
    source = "".join(path.read_text() for path in SERVICES.glob("*/domain/**/*.py"))
    assert set(re.findall(r'"(DQ_[A-Z_]+)"', source)) <= set(KINDS)
    assert set(KINDS) == set(REFERENCE.split())
    assert len({kind.short for kind in KINDS.values()}) == len(KINDS)
    assert all(len(kind.short) <= 32 and kind.sentence.endswith(".") for kind in KINDS.values())


@pytest.mark.parametrize("kind", ["VEGF_RISE_WATCH", "HEMATOLOGIC_RISE_WATCH"])
def test_a_watch_never_says_relapse(kind: str) -> None:
    assert not re.search(r"relaps|recurr|progress", said(tell(a_thread(kind=kind, text="t"))).replace(kind, ""))


def test_a_kind_without_words_is_told_all_the_same() -> None:
    text = tell(a_thread(kind="SOMETHING_NEW"))
    assert UNKNOWN.sentence in text.body
    assert text.data["alerts"][0]["kind"] == "OTHER"


def test_a_new_critical_result() -> None:
    thread = a_thread()
    assert tell(thread).subject == "P1: critical result"
    assert tell(thread).body.splitlines() == [
        "P1: A laboratory result is critical.",
        "Please answer by 2026-03-10 12:15 UTC.",
        "",
        f"Open: https://refrain.hospital.example/alerts/{thread.alert}",
        "",
        "This message carries no patient data on purpose; the page shows them after signing in.",
    ]


def test_times_are_those_of_the_hospital() -> None:
    thread = a_thread(due_at=NOON.replace(month=7))
    text = compose([thread], [a_message(thread)], "none", CONSOLE, zone="Europe/Berlin")
    assert "by 2026-07-10 14:00 CEST" in text.body


def test_clinical_detail_has_text_values_and_course() -> None:
    context = Context("/alerts/abc", ("Line 1: CRV confirmed.",), "240 pg/mL")
    body = tell(a_thread(repeats=2), detail="clinical", context=context).body
    for expected in (
        "VEGF 871.5 pg/mL: beyond the limit", "VEGF: 871.5 pg/mL, collected 2026-03-10 10:00 UTC",
        "The value before: 240 pg/mL", "Line 1: CRV confirmed.", "It came up 3 times.", f"Open: {CONSOLE}alerts/abc",
    ):  # fmt: skip
        assert expected in body
    assert "7700415" not in body


def test_a_path_that_is_none_is_not_followed() -> None:
    thread = a_thread()
    assert (
        tell(thread, detail="clinical", context=Context("https://evil.example/")).link
        == f"{CONSOLE}alerts/{thread.alert}"
    )


def test_a_retraction_says_so_first_and_what_was_told() -> None:
    thread = a_thread(fact_state="retracted", state="retracted", told=[told()], values=[change("871.5", "87.15")])
    text = tell(thread, "retracted")
    assert text.subject == "WITHDRAWN: P1: critical result"
    assert text.body.startswith("WITHDRAWN: P1.")
    assert "Told before on 2026-03-10 12:00 UTC: A laboratory result is critical." in text.body
    assert "No answer is needed." in text.body
    clinical = tell(thread, "retracted", "clinical").body
    assert "VEGF: was 871.5, is 87.15" in clinical
    assert "Text of the withdrawn alert: VEGF 871.5 pg/mL" in clinical


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(change("5", None), "VEGF: was 5; the result no longer counts", id="withdrawn"),
        pytest.param(change("5", "5"), "VEGF: 5, but collected at another time than was told", id="another time"),
    ],
)
def test_what_else_a_correction_can_be(value: Any, words: str) -> None:
    assert words in tell(a_thread(values=[value]), "amended", "clinical").body


def test_an_escalation_says_why_it_comes() -> None:
    unanswered = tell(a_thread(told=[told()]), "escalated", level=1)
    assert "nobody told before you has answered in time (level 1)" in unanswered.body
    assert unanswered.subject == "escalated to you: P1: critical result"
    assert "nobody before you could be reached" in tell(a_thread(), "escalated", level=1).body


@pytest.mark.parametrize(
    ("occasion", "words"),
    [
        ("reassigned", "a colleague passed it to you"),
        ("resent", "nobody has answered yet"),
        ("reminded", "put off and still waits"),
        ("amended", "CHANGED: P1."),
        ("closed", "OVER: P1."),
    ],
)
def test_every_occasion_has_its_words(occasion: Occasion, words: str) -> None:
    assert words in tell(a_thread(), occasion).body


def test_an_acknowledged_critical_result_still_waits_for_its_read_back() -> None:
    assert "Please confirm the read-back by" in tell(a_thread(state="acknowledged"), "reminded").body
    assert "Please answer as soon as you can." in tell(a_thread(due_at=None)).body
    assert "No answer is needed." in tell(a_thread(tier="P3", kind="MONITORING_GAP")).body
    answered = a_thread(tier="P2", due_hours=24, kind="CLINICAL_RELAPSE", state="acknowledged")
    assert "It was answered already." in tell(answered, "amended").body


def test_several_of_one_draw_are_one_message_most_urgent_first() -> None:
    later = a_thread(1, kind="IGG_LOW_SAFETY", tier="P2", due_hours=72)
    sooner = a_thread(2, kind="CLINICAL_RELAPSE", tier="P2", due_hours=24)
    taken_back = a_thread(3, kind="RESPONSE_LOSS", tier="P2", due_hours=72, fact_state="retracted")
    messages = [a_message(later), a_message(sooner), a_message(taken_back, occasion="retracted")]
    text = compose([later, sooner, taken_back], messages, "none", CONSOLE)
    assert text.subject == "WITHDRAWN: P2, 72 h: response lost and 2 more"
    assert text.alerts == (taken_back.alert, sooner.alert, later.alert)
    assert text.link == CONSOLE
    assert all(f"{CONSOLE}alerts/{alert}" in text.body for alert in text.alerts)
    assert text.body.index("P2, 24 h") < text.body.index("P2, 72 h: IgG")


def test_a_digest_counts_and_shows_the_first_twenty() -> None:
    threads = [
        a_thread(n, kind="MONITORING_GAP", tier="P3", raised_at=NOON - timedelta(days=n), notice=True)
        for n in range(1, 24)
    ]  # fmt: skip
    text = compose(threads, [a_message(t, digest=True) for t in threads], "none", CONSOLE)
    assert text.subject == "Refrain digest: 23 notices"
    assert text.body.count("/alerts/") == 20
    assert "3 more on the work list." in text.body
    assert text.alerts[0] == threads[-1].alert  # what waits longest is first
    assert len(text.data["alerts"]) == 23


def test_a_digest_says_what_was_withdrawn_and_starts_with_it() -> None:
    over, unread = a_thread(1, tier="P3", kind="MONITORING_GAP"), a_thread(2, tier="P3", kind="RESPONSE_UPGRADE")
    messages = [a_message(over, occasion="retracted", digest=True), a_message(unread, occasion="reminded", digest=True)]
    newest = a_thread(3, tier="P3", kind="WATCH_RESOLVED", raised_at=NOON - timedelta(days=9))
    text = compose(
        [newest, unread, over], [a_message(newest, digest=True), *reversed(messages)], "none", CONSOLE
    )  # fmt: skip
    assert text.subject == "Refrain digest: 3 notices, 1 WITHDRAWN"
    assert text.alerts == (over.alert, unread.alert, newest.alert)


def test_a_retraction_is_as_urgent_as_what_was_told() -> None:
    thread = a_thread(tier="P2", due_hours=72, kind="RESPONSE_LOSS", fact_state="retracted", state="retracted")
    text = tell(thread, "retracted", tier="P1")
    assert text.subject == "WITHDRAWN: P1: response lost"
    assert text.urgency == "P1"


def test_data_for_a_machine_is_json_and_names_the_alert() -> None:
    thread = a_thread()
    data = json.loads(json.dumps(tell(thread, detail="identified").data))
    [alert] = data["alerts"]
    assert UUID(alert["alert"]) == thread.alert
    assert alert["patient"] == {"authority": "NORTHWARD", "type": "MR", "id": "7700415"}
    assert alert["evidence"][0]["text"] == "871.5 pg/mL"
    assert alert["due_at"] == "2026-03-10T12:15:00+00:00"
