"""Files as hospitals leave them: framed, as text, broken off, with something between the messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain.file_messages import frames_of_file
from services.intake.domain.framing import Frame, wrap

A, B = b"MSH|^~\\&|A\rPID|1\r", b"MSH|^~\\&|B\rPID|2\r"


def payloads(content: bytes) -> list[bytes]:
    return [frame.payload for frame in frames_of_file(content)]


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        pytest.param(b"", [], id="empty"),
        pytest.param(b"\n \r\n", [], id="blank"),
        pytest.param(A + b"\n" + B, [A + b"\n", B], id="text"),
        pytest.param(b"\xef\xbb\xbf" + A, [b"\xef\xbb\xbf" + A], id="byte-order mark"),
        pytest.param(b"\r\n" + A, [b"\r\n" + A], id="blank lines first"),
        pytest.param(b"MSH|^~\\&|A\rNTE|1||MSHA\r", [b"MSH|^~\\&|A\rNTE|1||MSHA\r"], id="MSH in a text"),
        pytest.param(b"no message at all", [b"no message at all"], id="something else"),
        pytest.param(b"\x00\x0b\xff\x1c\x0b", [b"\x00\x0b\xff\x1c\x0b"], id="binary with VT in it"),
        pytest.param(b"log of today\r" + A, [b"log of today\r", A], id="a line before the first message"),
        pytest.param(b"FHS|^~\\&\rBHS|^~\\&\r" + A + B, [b"FHS|^~\\&\r", b"BHS|^~\\&\r", A, B], id="a batch"),
        pytest.param(wrap(A) + wrap(B), [A, B], id="frames"),
        pytest.param(wrap(A).replace(b"\x1c\r", b"\x1c\r\n") + wrap(B)[:-1], [A, B], id="frames with other ends"),
        pytest.param(wrap(A) + B, [A, B], id="a frame, then text"),
        pytest.param(A + wrap(B), [A, B], id="text, then a frame"),
        pytest.param(A + b"NTE|1||a\x0bb\r", [A + b"NTE|1||a\x0bb\r"], id="VT in a text"),
        pytest.param(wrap(A[:-1] + b"\x1cx\r"), [A[:-1] + b"\x1cx\r"], id="FS in a frame's text"),
        pytest.param(wrap(A) + b"-- next --\r" + wrap(B), [A, b"-- next --\r", B], id="words between frames"),
    ],
)
def test_the_messages_of_a_file(content: bytes, messages: list[bytes]) -> None:
    found = list(frames_of_file(content))
    assert [frame.payload for frame in found] == messages
    assert not any(frame.incomplete or frame.too_large for frame in found)


def test_a_frame_that_nothing_ends_is_incomplete() -> None:
    first, second, third = frames_of_file(b"\x0b" + A + wrap(A) + b"\x0b" + B)
    assert [frame.incomplete for frame in (first, second, third)] == [True, False, True]
    assert (first.payload, third.payload) == (A, B)


def test_a_message_over_the_limit_keeps_its_header_only() -> None:
    for content in (A + b"x" * 100, wrap(A + b"x" * 100), b"\x0b" + A + b"x" * 100):
        (frame,) = frames_of_file(content, 50)
        assert (frame.payload, frame.too_large, frame.incomplete) == (b"MSH|^~\\&|A", True, False)
        assert frame.size == len(A) + 100


_PIECES = st.lists(st.sampled_from([A, B, b"\x0b", b"\x1c", b"\x1c\r", b"\r", b"\n", b"OBX|1", b"FHS|", b"x"]))


@given(_PIECES)
def test_no_byte_but_framing_and_blanks_is_dropped(pieces: list[bytes]) -> None:
    def visible(content: bytes) -> bytes:
        return content.translate(None, b"\x0b\x1c \r\n\t")

    content = b"".join(pieces)
    found: list[Frame] = list(frames_of_file(content))
    assert visible(b"".join(frame.payload for frame in found)) == visible(content)
