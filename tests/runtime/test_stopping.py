"""A worker that was told to go is gone in time, whatever its consumer waits for."""

from __future__ import annotations

import asyncio
import threading

import faust
import pytest

from refrain.runtime import engine
from refrain.runtime.leaving import ExitCode


async def test_a_stop_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[ExitCode] = []
    gone = threading.Event()

    def leave(code: ExitCode, _: str) -> None:
        codes.append(code)
        gone.set()

    async def until_gone(_: faust.Worker) -> None:
        await asyncio.to_thread(gone.wait, 30)

    monkeypatch.setattr(engine, "leave", leave)
    monkeypatch.setattr(engine, "STOP_SECONDS", 0.05)
    monkeypatch.setattr(faust.Worker, "stop", until_gone)
    await object.__new__(engine.Program).stop()
    assert codes == [ExitCode.STOP_STUCK]
