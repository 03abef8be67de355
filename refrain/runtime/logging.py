"""Logs as JSON lines: what happened, with ids and places, never with a patient's data.

Exceptions are logged by type only, because their text may quote a value.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

FIELDS = (
    "event_id", "topic", "partition", "offset", "reason", "count", "port", "cluster", "settings", "method",
    "expected", "record", "hash", "size", "listener", "outcome", "cause", "sender", "place",
    "channel",
)  # fmt: skip
"""All that a line may carry beside its sentence."""

CHATTY = ("aiokafka", "faust", "mode", "kafka", "alembic", "sqlalchemy", "asyncio")
"""Libraries whose lower levels are slow or quote records (docs/decisions/0001)."""


SELDOM_SECONDS = 10.0
"""While Kafka is away aiokafka writes its few sentences some hundred times a second."""


class Seldom(logging.Filter):
    """Lets through what one place of a chatty library says once in ten seconds; everything of our own always."""

    def __init__(self, seconds: float = SELDOM_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._now = now
        self._again: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in CHATTY:
            return True
        place, now = (record.name, record.lineno), self._now()
        if now < self._again.get(place, now):
            return False
        self._again[place] = now + self._seconds
        return True


class JsonLines(logging.Formatter):
    """One JSON object per record: time, level, service, logger, message, the fields above, the exception's type."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: str(getattr(record, name)) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)


def start_logging(service: str, level: str = "INFO") -> None:
    """Send everything to standard error as JSON lines. Called once, by ``__main__``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    handler.addFilter(Seldom())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
