"""MLLP framing: the table of feeds.md section 4, and the same frames however the stream is cut."""

from __future__ import annotations

import itertools
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.domain.framing import Frame, Framer, wrap


def payloads(frames: list[Frame]) -> list[bytes]:
    return [frame.payload for frame in frames]


def test_a_frame_is_what_stands_between_vt_and_fs_cr() -> None:
    frame = Framer().feed(wrap(b"MSH|one\rPID|"))
    assert frame == [Frame(b"MSH|one\rPID|", 12, sha256(b"MSH|one\rPID|").hexdigest())]


def test_case_21_junk_and_two_messages_in_one_packet() -> None:
    framer = Framer()
    frames = framer.feed(b"junk\x0bMSH|1a\x1c\x0bMSH|5b\x1c\r")
    assert payloads(frames) == [b"MSH|1a", b"MSH|5b"]
    assert framer.counters == {"junk_before_start": 1, "missing_final_cr": 1}


def test_a_second_vt_starts_again() -> None:
    framer = Framer()
    assert payloads(framer.feed(b"\x0bMSH|half\x0bMSH|whole\x1c\r")) == [b"MSH|whole"]
    assert framer.counters == {"frame_abandoned": 1}


def test_fs_followed_by_anything_else_is_data() -> None:
    framer = Framer()
    assert payloads(framer.feed(b"\x0ba\x1cb\x1c\x1c\r")) == [b"a\x1cb\x1c"]
    assert framer.counters == {"separator_in_data": 2}


def test_silence_after_fs_ends_the_frame() -> None:
    framer = Framer()
    assert framer.feed(b"\x0bMSH|\x1c") == []
    assert framer.awaits_end
    assert payloads(framer.flush_idle()) == [b"MSH|"]
    assert framer.counters == {"missing_final_cr": 1}
    assert framer.flush_idle() == []


def test_silence_inside_a_frame_ends_nothing() -> None:
    framer = Framer()
    framer.feed(b"\x0bMSH|")
    assert framer.flush_idle() == []
    assert framer.inside


def test_end_of_stream_inside_a_frame_drops_it() -> None:
    framer = Framer()
    framer.feed(b"\x0bMSH|")
    assert framer.close() == []
    assert framer.counters == {"frame_incomplete": 1}
    assert not framer.inside


def test_end_of_stream_after_fs_gives_the_frame() -> None:
    framer = Framer()
    framer.feed(b"\x0bMSH|\x1c")
    assert payloads(framer.close()) == [b"MSH|"]


def test_too_large_keeps_the_msh_and_the_hash_and_goes_on() -> None:
    framer = Framer(max_bytes=100)
    body = b"MSH|^~\\&|LAB\rOBX|" + b"x" * 500
    frames = framer.feed(wrap(body) + wrap(b"MSH|next"))
    assert frames[0] == Frame(b"MSH|^~\\&|LAB", len(body), sha256(body).hexdigest(), too_large=True)
    assert frames[1].payload == b"MSH|next"
    assert framer.counters == {"too_large": 1}


def test_a_flood_is_never_held() -> None:
    framer = Framer(max_bytes=1000)
    framer.feed(b"\x0bMSH|")
    for _ in range(200):
        framer.feed(b"x" * 10_000)
        assert len(framer._body) <= 4096


_PIECES = st.lists(st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"MSH|", b"x", b"\x1c\r", b"yy" * 9]), max_size=30)


@settings(max_examples=100)
@given(_PIECES, st.lists(st.integers(0, 200), max_size=8))
def test_any_cut_of_the_stream_gives_the_same_frames(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    whole = Framer(max_bytes=40)
    expected = [*whole.feed(stream), *whole.close()]
    cut = Framer(max_bytes=40)
    edges = sorted({0, len(stream), *(at for at in cuts if at < len(stream))})
    found = [frame for start, end in itertools.pairwise(edges) for frame in cut.feed(stream[start:end])]
    found += cut.close()
    assert found == expected
    assert cut.counters == whole.counters
