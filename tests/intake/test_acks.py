"""Answers: modes, causes, versions, and that nothing of a patient is ever in one (feeds.md sections 5 and 18)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from services.intake.domain.acks import ack_code, answer, second_answer, unavailable
from services.intake.domain.profile import Acks, Profile
from services.intake.domain.reasons import CONDITION_TEXT, REASONS, Rejected
from services.intake.domain.translate import refuse, translate
from services.intake.domain.translation import Translation

VEGF = "OBX|1|NM|34694-0^VEGF^LN||42|pg/mL|0-160|N|||F"
NO_PATIENT = {"PID-3": ""}
Answered = Callable[..., list[str] | None]


@pytest.fixture
def answered(taken_in: Any, north: Profile, received_at: datetime) -> Answered:
    """The segments of the answer to E0 with changes, under a profile with these acknowledgement settings."""

    def build(*segments: str, acks: Acks = north.acks, **changes: dict[str, str]) -> list[str] | None:
        profile = north.model_copy(update={"acks": acks})
        reply = answer(taken_in(*segments, profile=profile, **changes), received_at)
        return None if reply is None else reply.decode().split("\r")[:-1]

    return build


def test_a_refusal_names_cause_and_place(answered: Answered) -> None:
    segments = answered(VEGF, change=NO_PATIENT)
    assert segments is not None
    head = segments[0].split("|")
    assert head[:9] == ["MSH", r"^~\&", "REFRAIN", "WARD", "LAB", "NORTH", "20260320100000+0100", "", "ACK^R01^ACK"]
    assert (head[9][0], len(head[9]), head[10:]) == ("R", 20, ["P", "2.5.1"])
    assert segments[1:] == [
        "MSA|AE|E1",
        "ERR||PID^1^3|101^Required field missing^HL70357|E|no_patient_id^^REFRAIN",
    ]


def test_an_unusable_result_is_a_warning(answered: Answered) -> None:
    segments = answered(VEGF, "OBX|2|NM|||1|g/L||||||F")
    assert segments is not None
    assert segments[1:] == ["MSA|AA|E1", "ERR||OBX^2|101^Required field missing^HL70357|W|code_missing^^REFRAIN"]


@pytest.mark.parametrize("control_id", ["", " E 1 ", "000123", "ZÜ1"])
def test_msa_2_repeats_msh_10_exactly(answered: Answered, control_id: str) -> None:
    segments = answered(VEGF, change={"MSH-10": control_id})
    assert segments is not None
    assert segments[1] == f"MSA|AA|{control_id}"


@pytest.mark.parametrize("version", ["2.1", "2.3", "2.3.1", "2.4"])
def test_before_2_5_the_cause_goes_to_msa_3(answered: Answered, version: str) -> None:
    segments = answered(VEGF, change=NO_PATIENT | {"MSH-12": version})
    assert segments is not None
    assert segments[1:] == ["MSA|AE|E1|no_patient_id PID[1]-3"]


@pytest.mark.parametrize(
    ("accept", "application", "good", "bad"),
    [
        ("", "", "AA", "AE"),
        ("AL", "", "CA", "CE"),
        ("AL", "AL", "CA", "CE"),
        ("SU", "", "CA", None),
        ("ER", "", None, "CE"),
        ("NE", "AL", "AA", "AE"),
        ("NE", "ER", None, "AE"),
        ("NE", "NE", None, None),
        ("NE", "", None, None),
    ],
)
def test_the_table_of_modes(taken_in: Any, accept: str, application: str, good: str | None, bad: str | None) -> None:
    asked = {"MSH-15": accept, "MSH-16": application}
    assert ack_code(taken_in(VEGF, change=asked)) == good
    assert ack_code(taken_in(VEGF, change=asked | NO_PATIENT)) == bad


def test_the_header_of_an_enhanced_refusal(taken_in: Any) -> None:
    assert ack_code(taken_in(VEGF, change={"MSH-11": "N", "MSH-15": "AL"})) == "CR"


@pytest.mark.parametrize(
    ("acks", "expected"),
    [
        (Acks(quarantine="AA"), "AA"),
        (Acks(codes={"no_patient_id": "AR"}), "AR"),
        (Acks(mode="enhanced"), "CE"),
        (Acks(mode="none"), None),
    ],
)
def test_the_profile_decides(taken_in: Any, north: Profile, acks: Acks, expected: str | None) -> None:
    profile = north.model_copy(update={"acks": acks})
    assert ack_code(taken_in(VEGF, change=NO_PATIENT, profile=profile)) == expected


def test_original_mode_of_the_profile_overrides_the_message(taken_in: Any, north: Profile) -> None:
    profile = north.model_copy(update={"acks": Acks(mode="original")})
    assert ack_code(taken_in(VEGF, change={"MSH-15": "AL", "MSH-16": "NE"}, profile=profile)) == "AA"


@pytest.mark.parametrize(
    ("kind", "reason", "code"),
    [
        ("MDM^T02", "not_for_us", "AR"),
        ("VXU^V04", "not_for_us", "AR"),
        ("ADT^A08", "demographics_not_kept", "AA"),
        ("ORM^O01", "order_context", "AA"),
        ("SIU^S12", "ignored_by_profile", "AA"),
        ("ADT^A02", "ignored_by_profile", "AA"),
    ],
)
def test_what_is_ignored(taken_in: Any, kind: str, reason: str, code: str) -> None:
    ignored = taken_in(change={"MSH-9": kind})
    assert (ignored.outcome, ignored.reason, ack_code(ignored)) == ("ignored", reason, code)


def test_the_sender_s_delimiters_and_charset(e0: Any, north: Profile, received_at: datetime) -> None:
    raw = e0(VEGF, change=NO_PATIENT | {"MSH-18": "8859/1", "MSH-4": "NORTHÉ"}, charset="latin-1")
    raw = raw.replace(b"|", b"$").replace(b"^", b"!")
    reply = answer(translate(raw, north, received_at), received_at)
    assert reply is not None
    assert reply.startswith(b"MSH$!~\\&$REFRAIN$WARD$LAB$NORTH\xc9$")
    assert b"$ACK!R01!ACK$" in reply
    assert b"ERR$$PID!1!3$101!Required field missing!HL70357$E$no_patient_id!!REFRAIN" in reply
    assert reply.split(b"\r")[0].endswith(b"$8859/1")


@pytest.mark.parametrize("raw", [b"", b"no header", b"MSH", b"MSH|^^^^|LAB", b"MSH|^~\\&"])
def test_what_cannot_be_read_is_refused_all_the_same(raw: bytes, north: Profile, received_at: datetime) -> None:
    reply = answer(translate(raw, north, received_at), received_at)
    assert reply is not None
    head, acknowledgement, *_ = reply.split(b"\r")
    assert head.startswith(b"MSH|^~\\&|REFRAIN|")
    assert acknowledgement == b"MSA|AR|"


def test_an_unknown_sender_is_refused(e0: Any, received_at: datetime) -> None:
    stranger = translate(e0(VEGF), None, received_at)
    assert (stranger.outcome, stranger.reason, stranger.sender) == ("quarantined", "unknown_sender", "")
    assert ack_code(stranger) == "AR"


def test_a_second_answer_only_where_it_is_asked_for(taken_in: Any, north: Profile, received_at: datetime) -> None:
    asked = {"MSH-15": "AL", "MSH-16": "AL"}
    assert second_answer(taken_in(VEGF, change=asked), received_at) is None
    profile = north.model_copy(update={"acks": Acks(second="same_connection")})
    reply = second_answer(taken_in(VEGF, change=asked, profile=profile), received_at)
    assert reply is not None
    assert b"MSA|AA|E1" in reply
    assert second_answer(taken_in(VEGF, profile=profile), received_at) is None


def test_silence_when_nothing_could_be_stored_unless_the_profile_asks(
    taken_in: Any, north: Profile, received_at: datetime
) -> None:
    assert unavailable(taken_in(VEGF), received_at) is None
    profile = north.model_copy(update={"acks": Acks(unavailable="AE")})
    reply = unavailable(taken_in(VEGF, profile=profile), received_at)
    assert reply is not None
    assert b"MSA|AE|E1" in reply
    assert b"207^Application internal error" in reply


def test_the_same_message_answered_at_the_same_time_has_the_same_answer(taken_in: Any, received_at: datetime) -> None:
    assert answer(taken_in(VEGF), received_at) == answer(taken_in(VEGF), received_at)


def test_every_reason_has_a_condition_of_table_0357() -> None:
    assert {reason.code for reason in REASONS.values()} <= CONDITION_TEXT.keys()


PLANTED = ("PLANTEDNAME", "7316502", "19441231", "88.125", "PLANTEDCOMMENT", "PLANTEDADDRESS")
PERSON = "PID|1||7316502^^^NORTH^MR||PLANTEDNAME^X||19441231|M|||PLANTEDADDRESS"
PLANTED_OBX = "OBX|1|NM|34694-0^VEGF^LN||88.125|pg/mL|0-160|N|||F"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text,
        lambda text: text.replace("^MR", "^XX"),
        lambda text: text.replace("20260314080000+0100", "20990101"),
        lambda text: text.replace("|P|2.5.1", "|N|2.5.1"),
        lambda text: text.replace("|P|2.5.1", "|P|2.3"),
        lambda text: text.replace("|P|2.5.1", "|P|9"),
        lambda text: text.replace("34694-0^VEGF^LN", ""),
        lambda text: text.replace("ORU^R01^ORU_R01", "ADT^A40"),
        lambda text: text.replace("ORU^R01^ORU_R01", "MDM^T02"),
        lambda text: text.replace("ORU^R01^ORU_R01", ""),
        lambda text: text.replace("^~\\&", "^^^^"),
        lambda text: text + PLANTED_OBX.replace("|1|", "|2|").replace("88.125", "88.126") + "\r",
        lambda text: text.replace("MSH", "XXX"),
        lambda text: text.replace("OBR", "ZBR"),
        lambda text: text.replace("\rPID", "PLANTEDNAME\rPID"),
        lambda text: text.replace("2.5.1\r", "2.5.1\nPLANTEDNAME\r"),
        lambda text: text.replace("PID|1||", "PID|1||PLANTED\ufffd"),
    ],
)
def test_planted_names_and_numbers_are_never_answered(
    e0: Any, north: Profile, received_at: datetime, damage: Callable[[str], str]
) -> None:
    lines = e0(PLANTED_OBX, "NTE|1||PLANTEDCOMMENT").decode().split("\r")
    lines[1] = PERSON
    raw = damage("\r".join(lines)).encode()
    for charset in (None, "8859/99"):
        translation = translate(raw, north, received_at)
        if charset:
            translation = translate(raw.replace(b"2.5.1\r", b"2.5.1||||||8859/99\r"), north, received_at)
        for answering in (translation, translation.as_duplicate(), refuse(raw, north, received_at, "internal_error")):
            said = answer(answering, received_at) or b""
            assert not [planted for planted in PLANTED if planted.encode() in said]
            about = repr((answering.reason, answering.place, answering.quarantined, answering.quality))
            assert not [planted for planted in PLANTED if planted in about]


def test_a_rejection_says_only_reason_and_place() -> None:
    assert str(Rejected("no_patient_id", "PID[1]-3")) == "no_patient_id at PID[1]-3"
    with pytest.raises(LookupError):
        Rejected("made_up")


def test_may_be_remembered_only_when_all_of_it_was_kept(taken_in: Any) -> None:
    whole: Translation = taken_in(VEGF)
    assert whole.may_be_remembered
    assert not taken_in(VEGF, "OBX|2|NM|||1|g/L||||||F").may_be_remembered
    assert not taken_in(VEGF, change=NO_PATIENT).may_be_remembered
    assert not taken_in(change={"MSH-9": "MDM^T02"}).may_be_remembered
    assert taken_in(change={"MSH-9": "ORM^O01"}).may_be_remembered
    assert not replace(whole, transport=None).may_be_remembered
