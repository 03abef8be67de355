"""The MLLP listener over real sockets: framing, order, silence, limits, the door, and stopping."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.adapters.mllp_feed import MllpFeed, Silence
from services.intake.domain.framing import Frame, wrap

Receive = Callable[[Frame, str], Awaitable[Sequence[bytes]]]


async def echo(frame: Frame, listener: str) -> list[bytes]:
    return [b"too large" if frame.too_large else listener.encode() + b":" + frame.payload.replace(b"\x1c", b"<FS>")]


class Wire:
    """A feed that runs, its counters, and connections to it."""

    def __init__(self, feed: MllpFeed, counts: Counter[str]) -> None:
        self.feed = feed
        self.counts = counts

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.feed.port)

    async def say(self, *pieces: bytes, end: bool = True) -> bytes:
        """Sends pieces on a connection of its own; everything that comes back until it is closed or reset."""
        try:
            return await self._say(pieces, end)
        except ConnectionError:
            return b""

    async def _say(self, pieces: tuple[bytes, ...], end: bool) -> bytes:
        reader, writer = await self.connect()
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if end:
            writer.write_eof()
        heard = await reader.read()
        writer.close()
        return heard

    async def refuses(self) -> bool:
        try:
            _, writer = await self.connect()
        except ConnectionRefusedError:
            return True
        writer.close()
        return False


@asynccontextmanager
async def wire(receive: Receive = echo, **options: object) -> AsyncIterator[Wire]:
    counts: Counter[str] = Counter()
    feed = MllpFeed(receive, counts.update, name="lab", host="127.0.0.1", port=0, **options)  # type: ignore[arg-type]
    made = Wire(feed, counts)
    await feed.start()
    feed.admit(True)
    await until(lambda: feed._server is not None)
    try:
        yield made
    finally:
        await feed.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def test_many_messages_in_one_packet_are_answered_in_order() -> None:
    sent = [f"m{n}".encode() for n in range(50)]
    async with wire() as w:
        heard = await w.say(b"".join(map(wrap, sent)))
    assert heard == b"".join(wrap(b"lab:" + one) for one in sent)


async def test_a_slow_message_does_not_let_the_next_one_overtake_it() -> None:
    async def slow_first(frame: Frame, _: str) -> list[bytes]:
        await asyncio.sleep(0.05 if frame.payload == b"1" else 0)
        return [frame.payload]

    async with wire(slow_first) as w:
        assert await w.say(wrap(b"1") + wrap(b"2")) == wrap(b"1") + wrap(b"2")


async def test_one_message_in_single_bytes_is_one_message() -> None:
    async with wire() as w:
        assert await w.say(*(bytes([b]) for b in wrap(b"MSH|1"))) == wrap(b"lab:MSH|1")


@pytest.mark.parametrize(
    ("bytes_", "answers", "counter"),
    [
        pytest.param(b"junk" + wrap(b"a"), [b"lab:a"], "junk_before_start", id="junk before the start"),
        pytest.param(b"\x0babandoned" + wrap(b"a"), [b"lab:a"], "frame_abandoned", id="a second start"),
        pytest.param(b"\x0ba\x1c" + wrap(b"b"), [b"lab:a", b"lab:b"], "missing_final_cr", id="FS, then VT"),
        pytest.param(b"\x0ba\x1cb\x1c\r", [b"lab:a<FS>b"], "separator_in_data", id="FS, then data"),
        pytest.param(b"\x0ba", [], "frame_incomplete", id="the stream ends inside a frame"),
        pytest.param(b"\x0ba\x1c", [b"lab:a"], "missing_final_cr", id="the stream ends after FS"),
    ],
)
async def test_what_is_odd_on_the_wire_is_counted(bytes_: bytes, answers: list[bytes], counter: str) -> None:
    async with wire() as w:
        heard = await w.say(bytes_)
    assert heard == b"".join(map(wrap, answers))
    assert w.counts == {counter: 1}


async def test_without_the_final_cr_the_answer_comes_after_a_pause_on_an_open_connection() -> None:
    async with wire() as w:
        reader, writer = await w.connect()
        writer.write(b"\x0ba\x1c")
        assert await reader.readexactly(len(wrap(b"lab:a"))) == wrap(b"lab:a")
        writer.write(wrap(b"b"))
        assert await reader.readexactly(len(wrap(b"lab:b"))) == wrap(b"lab:b")
        writer.close()


async def test_silence_inside_a_frame_ends_the_connection() -> None:
    async with wire(idle_seconds=0.05) as w:
        assert await w.say(b"\x0bhalf a mess", end=False) == b""
        assert w.counts == {"frame_incomplete": 1}


async def test_silence_between_messages_does_not() -> None:
    async with wire(idle_seconds=0.01) as w:
        reader, writer = await w.connect()
        await asyncio.sleep(0.1)
        writer.write(wrap(b"a"))
        assert await reader.readexactly(len(wrap(b"lab:a"))) == wrap(b"lab:a")
        writer.close()


async def test_ten_megabytes_are_drained_refused_and_the_connection_goes_on() -> None:
    async with wire(max_message_bytes=8 * 1024 * 1024) as w:
        big = wrap(b"MSH|^~\\&|\r" + b"x" * 10_000_000)
        assert await w.say(big + wrap(b"a")) == wrap(b"too large") + wrap(b"lab:a")
        assert w.counts == {"too_large": 1}


async def test_what_is_not_stored_is_not_answered_and_the_connection_closes() -> None:
    async def second_is_lost(frame: Frame, _: str) -> list[bytes]:
        if frame.payload == b"2":
            raise Silence
        return [frame.payload]

    async with wire(second_is_lost) as w:
        heard = await w.say(wrap(b"1") + wrap(b"2") + wrap(b"3"), end=False)
    assert heard == wrap(b"1")
    assert w.counts == {"silence": 1}


async def test_no_answer_wanted_is_no_answer() -> None:
    async def quiet(frame: Frame, _: str) -> list[bytes]:
        return [] if frame.payload == b"1" else [frame.payload]

    async with wire(quiet) as w:
        assert await w.say(wrap(b"1") + wrap(b"2")) == wrap(b"2")


async def test_an_answer_never_breaks_its_own_frame() -> None:
    async def repeats_the_header(_: Frame, __: str) -> list[bytes]:
        return [b"MSA|AA|E1\x1c\r"]

    async with wire(repeats_the_header) as w:
        assert await w.say(wrap(b"1")) == wrap(b"MSA|AA|E1\r")


async def test_an_error_of_ours_ends_one_connection_and_not_the_service() -> None:
    async def breaks(frame: Frame, _: str) -> list[bytes]:
        if frame.payload == b"1":
            raise ZeroDivisionError("MUSTERMANN")
        return [frame.payload]

    async with wire(breaks) as w:
        assert await w.say(wrap(b"1"), end=False) == b""
        assert await w.say(wrap(b"2")) == wrap(b"2")
        assert w.counts == {"connection_failed": 1}


async def test_one_connection_too_many_is_closed_at_once() -> None:
    async with wire(max_connections=1) as w:
        reader, writer = await w.connect()
        writer.write(wrap(b"a"))
        await reader.readexactly(len(wrap(b"lab:a")))
        assert w.feed.connections == 1
        assert await w.say(wrap(b"b"), end=False) == b""
        assert w.counts == {"connection_refused": 1}
        writer.close()
        await until(lambda: w.feed.connections == 0)
        assert await w.say(wrap(b"c")) == wrap(b"lab:c")


async def test_a_closed_door_refuses_and_opens_again_on_the_same_port() -> None:
    async with wire() as w:
        reader, writer = await w.connect()
        writer.write(wrap(b"a"))
        await reader.readexactly(len(wrap(b"lab:a")))
        port = w.feed.port
        w.feed.admit(False)
        await until(lambda: w.feed._server is None)
        assert await w.refuses()
        writer.write(wrap(b"b"))
        assert await reader.readexactly(len(wrap(b"lab:b"))) == wrap(b"lab:b"), "who is inside stays inside"
        w.feed.admit(True)
        await until(lambda: w.feed._server is not None)
        assert w.feed.port == port
        assert await w.say(wrap(b"c")) == wrap(b"lab:c")
        writer.close()


async def test_before_the_door_opens_its_port_is_known_and_refuses() -> None:
    feed = MllpFeed(echo, Counter().update, name="lab", host="127.0.0.1", port=0)
    await feed.start()
    assert feed.port > 0
    assert await Wire(feed, Counter()).refuses()
    await feed.stop()


async def test_stopping_answers_what_came_completely_and_drops_the_rest() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def held(frame: Frame, _: str) -> list[bytes]:
        entered.set()
        await go_on.wait()
        return [frame.payload]

    async with wire(held) as w:
        busy, idle = await w.connect(), await w.connect()
        busy[1].write(wrap(b"1") + wrap(b"2") + b"\x0bhalf")
        await entered.wait()
        stopping = asyncio.create_task(w.feed.stop())
        await until(w.feed._stopping.is_set)
        assert await idle[0].read() == b"", "an idle connection closes at once"
        assert not stopping.done()
        go_on.set()
        await stopping
        assert await busy[0].read() == wrap(b"1") + wrap(b"2")
        for _, writer in (busy, idle):
            writer.close()


async def test_a_stop_does_not_wait_forever() -> None:
    async def never(frame: Frame, _: str) -> list[bytes]:
        await asyncio.Event().wait()
        return [frame.payload]

    async with wire(never, grace_seconds=0.05) as w:
        reader, writer = await w.connect()
        writer.write(wrap(b"1"))
        await until(lambda: w.feed.connections == 1)
        await w.feed.stop()
        assert await reader.read() == b""
        writer.close()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\x1c\r", b"MSH|^~\\&|"])))
)
def test_garbage_never_ends_the_service(pieces: list[bytes]) -> None:
    async def attack() -> None:
        async with wire(idle_seconds=0.2) as w:
            await w.say(*pieces)
            assert await w.say(wrap(b"still here")) == wrap(b"lab:still here")

    asyncio.run(attack())
