"""How a worker ends when it must not go on: at once, with a code of its own, and nothing acknowledged."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

log = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """Told apart by whoever watches: all of them are restarted, an offset hole is an alarm."""

    DEFECT = 70
    OFFSET_HOLE = 71
    LEDGER_AWAY = 72
    KAFKA_AWAY = 73
    WRONG_REVISION = 74
    STOP_STUCK = 75
    WRONG_SETTINGS = 78


Leave = Callable[[ExitCode, str], None]


def place_of(error: BaseException) -> str:
    """Type of an exception and where it was raised, never its text: that may hold a value."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{at}"


def leave(code: ExitCode, reason: str) -> None:
    """End the process without a goodbye: an orderly stop of Faust would acknowledge what an agent dropped.

    The supervisor starts another one, which gets the same records again.
    """
    log.critical("leaving: %s", code.name.lower(), extra={"reason": reason})
    logging.shutdown()
    os._exit(code)
