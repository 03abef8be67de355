"""What every way of reaching people has in common: one method, one exception, and closed reasons."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

from services.notify.domain.words import Detail, Text

Reason = Literal["unreachable", "refused", "timeout", "auth", "tls", "misconfigured"]


Now = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class DeliveryFailed(Exception):
    """A channel did not take a message. It says why in one word, never in the words of the server.

    ``again``: whether the same message may be taken later; else the next channel is the better way now.
    ``wait_seconds``: how long the receiver asked to be left alone.
    """

    def __init__(self, reason: Reason, *, again: bool, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.wait_seconds = wait_seconds


class Channel(Protocol):
    """A way of reaching people. Built once; ``send`` is called from several threads at once."""

    name: str
    """Its name in the roster."""
    kind: str
    """smtp, webhook or apprise."""
    detail: Detail

    def send(self, text: Text, address: str, key: UUID) -> None:
        """Hand one message to the receiver's side; blocks until it has it.

        The same key is the same message: a repeat of it is harmless as far as the receiver can tell one.
        DeliveryFailed when it is not known to have been taken.
        """


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates are always checked: against ``ca_file`` if there is one, else against the system's authorities."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


def silence(*libraries: str) -> None:
    """Keep libraries from writing addresses, URLs and tokens into the log: they do so at every level."""
    for library in libraries:
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
