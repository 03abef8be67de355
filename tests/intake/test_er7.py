"""The ER7 reader: charset ladder, delimiters, line ends, escapes, positions, and two oracles."""

from __future__ import annotations

from datetime import UTC, datetime

import hl7
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.intake.domain.acks import answer
from services.intake.domain.er7 import Delimiters, Message, header_of, read, unescape
from services.intake.domain.listing import as_listing
from services.intake.domain.profile import permissive
from services.intake.domain.reasons import REASONS, Rejected
from services.intake.domain.translate import translate

HL7 = Delimiters("|", "^", "~", "\\", "&")
MSH = r"MSH|^~\&|LAB|NORTH|REFRAIN|WARD|20260314||ORU^R01|E1|P|2.5.1"


def message_of(*segments: str, end: str = "\r", charset: str = "utf-8", msh: str = MSH) -> Message:
    return read(end.join([msh, *segments]).encode(charset))


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n"])
def test_every_line_end_gives_the_same_segments(end: str) -> None:
    message = message_of("PID|1||42", "OBX|1|ST|A^B||x", end=end)
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "OBX"]
    assert message.segments[2].raw(5) == "x"


def test_fields_are_counted_as_the_standard_counts_them() -> None:
    header = message_of().header
    assert (header.raw(1), header.raw(2), header.raw(3), header.raw(10)) == ("|", r"^~\&", "LAB", "E1")


def test_positions_count_from_one_and_what_is_missing_is_empty() -> None:
    pid = message_of("PID|1||a^b&c&d~e^f").segments[1]
    assert pid.text(3) == "a"
    assert pid.text(3, 2, 2) == "c"
    assert pid.text(3, 2) == "b&c&d"
    assert pid.text(3, 2, repetition=2) == "f"
    assert pid.text(3, 7) == pid.text(99) == pid.text(3, repetition=9) == ""
    assert pid.components(3, 2) == ("e", "f")


def test_case_18_escapes() -> None:
    obx = message_of(r"OBX|1|FT|A||a\.br\b\F\\S\\T\\R\\E\\X41\\H\!\N\ ").segments[1]
    assert obx.text(5) == "a\nb|^&~\\A! "
    assert not obx.has_bad_escape


@pytest.mark.parametrize("text", [r"7\8", r"\Z12\ ", r"\XZZ\ ", r"\.sp3\ ", "\\"])
def test_what_is_no_escape_stays_as_it_came(text: str) -> None:
    assert unescape(text, HL7, "utf-8") == (text, True)


def test_an_unclosed_escape_does_not_eat_the_next_one() -> None:
    assert unescape(r"7\8 and \F\ ", HL7, "utf-8") == (r"7\8 and | ", True)


def test_splitting_comes_before_unescaping() -> None:
    assert message_of(r"OBX|1|SN|A||<\S\5^x").segments[1].components(5) == ("<^5", "x")


@pytest.mark.parametrize(
    ("msh", "reason"),
    [
        (r"MSH|^^\&|LAB", "bad_delimiters"),
        (r"MSH|^~|LAB", "bad_delimiters"),
        ("MSH||LAB", "bad_delimiters"),
        ("MSH|abcd|LAB", "bad_delimiters"),
        (r"MSH|^~\&#+|LAB", "bad_delimiters"),
        ("PID|1", "not_hl7"),
        ("MSH", "not_hl7"),
        ("", "not_hl7"),
        (r"FHS|^~\&|x", "batch_not_yet_supported"),
    ],
)
def test_headers_that_cannot_be_read(msh: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(msh.encode())
    assert refused.value.reason == reason


@pytest.mark.parametrize("encoding", [r"^~\&", r"^~\&#", "^~\\"])
def test_three_to_five_encoding_characters_are_allowed(encoding: str) -> None:
    assert message_of("OBX|1|ST|A^B", msh=f"MSH|{encoding}|LAB").segments[1].text(3, 2) == "B"


@pytest.mark.parametrize(
    ("named", "charset", "codec", "quality"),
    [
        ("", "utf-8", "utf-8", ()),
        ("UNICODE UTF-8", "utf-8", "utf-8", ()),
        ("8859/1", "latin-1", "iso8859-1", ()),
        ("ASCII", "utf-8", "utf-8", ("charset_mismatch",)),
        ("", "latin-1", "cp1252", ("charset_guess",)),
        ("ASCII", "latin-1", "cp1252", ("charset_mismatch", "charset_guess")),
        ("UNICODE UTF-8", "utf-8-sig", "utf-8", ()),
    ],
)
def test_the_charset_ladder(named: str, charset: str, codec: str, quality: tuple[str, ...]) -> None:
    message = message_of("OBX|1|NM|A||1|µmol/L", msh=f"{MSH}||||||{named}", charset=charset)
    assert (message.decoded.codec, message.decoded.quality) == (codec, quality)
    assert message.segments[1].raw(6) == "µmol/L"


def test_bytes_that_no_code_page_has_are_read_as_latin_1() -> None:
    message = read(MSH.encode() + b"\rOBX|1|ST|A||\x81\xff")
    assert message.decoded.codec == "latin-1"
    assert message.segments[1].raw(5) == "\x81ÿ"


@pytest.mark.parametrize("raw", [f"{MSH}||||||8859/99".encode(), MSH.encode("utf-16"), f"{MSH}||||||UTF-16".encode()])
def test_character_sets_that_are_not_known(raw: bytes) -> None:
    with pytest.raises(Rejected) as refused:
        read(raw)
    assert refused.value.reason == "charset_unsupported"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_hl7"),
        (b"%PDF-1.4", "not_hl7"),
        (b"patient;test;value", "not_hl7"),
        (b'{"value": 1}', "not_hl7"),
        (b' {\n "id": "x",\n "resourceType": "Bundle"}', "fhir_not_yet_supported"),
        (b'<Bundle xmlns="http://hl7.org/fhir">', "fhir_not_yet_supported"),
        (b"BHS|^~\\&|LAB", "batch_not_yet_supported"),
        (MSH.encode("utf-16"), "charset_unsupported"),
        (MSH.encode("utf-16-le"), "charset_unsupported"),
        (MSH.encode("utf-16-be"), "charset_unsupported"),
    ],
)
def test_what_is_no_message_is_named(raw: bytes, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(raw)
    assert refused.value.reason == reason


def test_a_line_that_is_no_segment_continues_the_field_before_it() -> None:
    message = read((MSH + "\nOBX|1|TX|A||first line\nsecond | line||||||F\nNTE|1").encode())
    assert [segment.name for segment in message.segments] == ["MSH", "OBX", "NTE"]
    assert message.segments[1].raw(5) == "first line\nsecond "
    assert message.quality == ("continued_line",)


def test_too_many_segments() -> None:
    with pytest.raises(Rejected) as refused:
        message_of(*["NTE|1"] * 20_000)
    assert refused.value.reason == "too_many_segments"


# --- oracle: python-hl7 ---------------------------------------------------------------------------------------

_LEAF = st.text(st.characters(codec="utf-8", exclude_characters="|^~\\&\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029\ufeff",
                              exclude_categories=("Cc", "Cs")), max_size=6)  # fmt: skip
_FIELD = st.lists(st.lists(st.lists(_LEAF, min_size=1, max_size=2), min_size=1, max_size=3), min_size=1, max_size=2)
_BODY = st.lists(st.lists(_FIELD, min_size=1, max_size=5), min_size=1, max_size=4)


@settings(max_examples=60)
@given(_BODY)
def test_python_hl7_splits_alike(body: list[list[list[list[list[str]]]]]) -> None:
    """python-hl7 judges the splitting into segments, fields, repetitions, components and subcomponents.

    It does not judge escapes, character sets, line ends or what is not well-formed.
    """
    lines = [
        "OBX|" + "|".join("~".join("^".join("&".join(subs) for subs in rep) for rep in field) for field in fields)
        for fields in body
    ]
    text = "\r".join([MSH, *lines, "NTE|1||python-hl7 strips the end of a message"]) + "\r"
    ours = read(text.encode())
    theirs = hl7.parse(text)
    assert len(ours.segments) == len(theirs)
    for mine, other in zip(ours.segments[1:], theirs[1:], strict=True):
        for field in range(1, len(other)):
            assert mine.raw(field) == str(other[field])
            assert list(mine.repetitions(field)) == ([str(rep) for rep in other[field]] if str(other[field]) else [])
            for at, repetition in enumerate(other[field], start=1):
                if not isinstance(repetition, str):
                    for position, component in enumerate(repetition, start=1):
                        assert mine.text(field, position, repetition=at) == str(component)


# --- nothing that arrives raises ------------------------------------------------------------------------------

_SEED = (
    MSH + "\rPID|1||7^^^N^MR||Name||1997|M\rORC|RE|1|2\rOBR|1|P|F|PAN^P^L|||20260314|||||||||||||||20260314|||F"
    "\rOBX|1|NM|34694-0^VEGF^LN||42.35~neg|pg/mL|0-160|N|||F\rNTE|1||comment\rSPM|1|||SER\rOBX|2|ST|X^Y^L||1\r"
).encode()
_ODD = [b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b'""', b"\x00", b"\xff", b"MSH", b"OBX|", b"PID|1||7\r", b"9" * 60,
        b"1E999", b"\xe2\x80\x93", b"20269999", b"00000000", b"<", b"\\X", b"OBR|", b"SPM|", b"SN", b"ED"]  # fmt: skip


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30), st.sampled_from(_ODD)), max_size=6))
def test_a_damaged_message_ends_in_a_named_outcome(damage: list[tuple[int, int, bytes]]) -> None:
    raw = _SEED
    for at, width, odd in damage:
        raw = raw[:at] + odd + raw[at + width :]
    ends_in_a_named_outcome(raw)


@settings(max_examples=100)
@given(st.binary(max_size=200))
@example(b"MSH|^~\\&|")
@example(b"MSH|^~\\&|\rPID|")
def test_garbage_ends_in_a_named_outcome(raw: bytes) -> None:
    ends_in_a_named_outcome(raw)
    ends_in_a_named_outcome(b"MSH|^~\\&|" + raw)
    ends_in_a_named_outcome(_SEED + raw)


def ends_in_a_named_outcome(raw: bytes) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    translation = translate(raw, permissive(), now)
    assert translation.outcome in ("published", "ignored", "quarantined")
    assert translation.reason is None or translation.reason in REASONS
    assert (translation.outcome == "published") == bool(translation.reports)
    as_listing(translation)
    reply = answer(translation, now)
    assert reply is None or reply.startswith(b"MSH")


def test_the_header_can_be_read_without_knowing_the_character_set() -> None:
    header = header_of(b"\xef\xbb\xbfMSH|^~\\&|LAB\xff|NORTH\rPID|\xff")
    assert header is not None
    assert (header.text(3), header.text(4)) == ("LAB\xff", "NORTH")
    assert header_of(b"nothing") is None
