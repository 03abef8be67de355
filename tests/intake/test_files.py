"""The watched folder: every message of a file goes its way, and the file ends where its outcome says."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.intake.adapters import files
from services.intake.adapters.files import FileFeed
from services.intake.adapters.publisher import NotStored
from services.intake.domain.file_messages import frames_of_file
from services.intake.domain.framing import Frame, wrap
from services.intake.domain.profile import permissive
from services.intake.domain.translate import translate_frame
from services.intake.domain.translation import Translation

Take = Callable[[Frame, str], Awaitable[Translation]]
NOW = datetime(2026, 3, 20, tzinfo=UTC)
ONE = b"MSH|^~\\&|LAB|NORTH|||20260314||ADT^A04|1|P|2.5.1\rPID|1||1^^^NORTH^MR\r"
TWO = ONE.replace(b"A04|1", b"A08|2")


class Taken:
    """Translates what it is given; ``problems`` are raised first, one by one."""

    def __init__(self, *problems: Exception) -> None:
        self.problems = list(problems)
        self.payloads: list[bytes] = []

    async def __call__(self, frame: Frame, _: str) -> Translation:
        if self.problems:
            raise self.problems.pop(0)
        self.payloads.append(frame.payload)
        return translate_frame(frame, permissive(), NOW)


@asynccontextmanager
async def watched(folder: Path, take: Take) -> AsyncIterator[FileFeed]:
    feed = FileFeed(folder, take)
    await feed.start()
    try:
        yield feed
    finally:
        await feed.stop()


async def until(path: Path) -> None:
    async with asyncio.timeout(30):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - what is waited for has no event
            await asyncio.sleep(0.02)


def put(folder: Path, name: str, content: bytes) -> None:
    incoming = folder / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    (incoming / f".{name}").write_bytes(content)
    (incoming / f".{name}").rename(incoming / name)


def report(path: Path) -> dict:
    return json.loads(path.with_name(f"{path.name}.report.json").read_text())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(ONE + TWO, id="one after the other"),
        pytest.param(wrap(ONE) + wrap(TWO), id="in MLLP frames"),
        pytest.param(b"\r\n" + ONE.replace(b"\r", b"\r\n") + TWO.replace(b"\r", b"\r\n"), id="with CRLF line ends"),
    ],
)
async def test_all_messages_of_a_file_are_taken_in_order(tmp_path: Path, content: bytes) -> None:
    taken = Taken()
    async with watched(tmp_path, taken):
        put(tmp_path, "a.hl7", content)
        await until(tmp_path / "done" / "a.hl7")
    assert [b"A04" in taken.payloads[0], b"A08" in taken.payloads[1]] == [True, True]
    assert report(tmp_path / "done" / "a.hl7") == {
        "messages": 2,
        "outcomes": {"ignored": 2},
        "reasons": {"demographics_not_kept": 2},
    }
    assert list((tmp_path / "processing").iterdir()) == []


async def test_what_was_there_before_the_start_and_what_a_death_left_in_work_are_taken(tmp_path: Path) -> None:
    put(tmp_path, "new.hl7", ONE)
    (tmp_path / "processing").mkdir()
    (tmp_path / "processing" / "old.hl7").write_bytes(TWO)
    async with watched(tmp_path, Taken()):
        await until(tmp_path / "done" / "old.hl7")
        await until(tmp_path / "done" / "new.hl7")


async def test_a_second_file_of_one_name_does_not_replace_the_first(tmp_path: Path) -> None:
    async with watched(tmp_path, Taken()):
        put(tmp_path, "a.hl7", ONE)
        await until(tmp_path / "done" / "a.hl7")
        put(tmp_path, "a.hl7", TWO)
        await until(tmp_path / "done" / "a.hl7.2")
    assert (tmp_path / "done" / "a.hl7").read_bytes() == ONE
    assert (tmp_path / "done" / "a.hl7.2").read_bytes() == TWO


@pytest.mark.parametrize(
    ("content", "reason"), [pytest.param(b"", "no_message", id="an empty file"), (b"\r\n \r\n", "no_message")]
)
async def test_a_file_without_a_message_fails(tmp_path: Path, content: bytes, reason: str) -> None:
    async with watched(tmp_path, Taken()):
        put(tmp_path, "a.hl7", content)
        await until(tmp_path / "failed" / "a.hl7")
    assert report(tmp_path / "failed" / "a.hl7") == {"messages": 0, "reason": reason}


async def test_a_message_that_breaks_off_is_in_the_report_and_not_read(tmp_path: Path) -> None:
    async with watched(tmp_path, Taken()):
        put(tmp_path, "a.hl7", wrap(ONE) + wrap(TWO)[:-20])
        await until(tmp_path / "done" / "a.hl7")
    assert report(tmp_path / "done" / "a.hl7") == {
        "messages": 2,
        "outcomes": {"ignored": 1, "quarantined": 1},
        "reasons": {"demographics_not_kept": 1, "frame_incomplete": 1},
    }


async def test_a_file_that_is_an_archive_by_its_size_fails(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 10)
    async with watched(tmp_path, Taken()):
        put(tmp_path, "a.hl7", ONE)
        await until(tmp_path / "failed" / "a.hl7")
    assert report(tmp_path / "failed" / "a.hl7")["reason"] == "file_too_large"


async def test_while_kafka_is_away_a_file_stays_in_work_until_it_is_stored(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(files, "RETRY_SECONDS", 0.01)
    taken = Taken(NotStored(), NotStored())
    async with watched(tmp_path, taken):
        put(tmp_path, "a.hl7", ONE)
        await until(tmp_path / "done" / "a.hl7")
    assert taken.problems == []
    assert len(taken.payloads) == 1


async def test_stopping_leaves_an_unfinished_file_in_work(tmp_path: Path) -> None:
    entered = asyncio.Event()

    async def away(*_: object) -> Translation:
        entered.set()
        raise NotStored

    async with watched(tmp_path, away):
        put(tmp_path, "a.hl7", ONE)
        await entered.wait()
    assert (tmp_path / "processing" / "a.hl7").read_bytes() == ONE


async def test_an_error_of_ours_stops_one_file_and_no_other_and_no_name_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "services")
    put(tmp_path, "Planted.hl7", ONE)
    put(tmp_path, "Planted2.hl7", TWO)
    async with watched(tmp_path, Taken(RuntimeError("Planted"))):
        await until(tmp_path / "done" / "Planted2.hl7")
    shown = "".join(
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if "services" in record.name
    )
    assert "a file cannot be handled" in shown
    assert "Planted" not in shown


def test_a_message_over_the_limit_keeps_its_first_segment_its_size_and_its_hash() -> None:
    long = ONE + b"NTE|" + b"x" * 1000
    for content in (long + b"\r" + TWO, wrap(long) + wrap(TWO)):
        first, second = frames_of_file(content, 500)
        assert (first.too_large, second.too_large) == (True, False)
        assert first.payload == ONE.split(b"\r")[0]
        assert first.size >= len(long)
