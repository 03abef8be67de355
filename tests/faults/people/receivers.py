"""The other ends of the channels: a webhook that fails half of the time in every way there is, and a mail server.

Both write down what they took, also where they cut the connection before the answer was out: what a person has then
been told, and the sender cannot know.
"""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Lock, Thread
from typing import Any
from uuid import UUID

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook, WebhookVerificationError

from refrain.cli.kafka import HOST, free_port

SECRET = "whsec_" + "cGVvcGxlLXNpZGUt" * 2
DOMAIN = "hospital.example"
WEBHOOK, MAIL = "page", "mail"
"""Names of the two channels in the roster."""
HANG_SECONDS = 2.5
"""Longer than the channel's timeout."""
MOODS = {"takes": 50, "refuses": 20, "later": 6, "hangs": 5, "cuts": 7, "takes and cuts": 8, "takes and hangs": 4}
"""What the webhook does, in 100: half of the tries fail for the sender, some of which told somebody all the same."""
UNANSWERED = frozenset({"takes and cuts", "takes and hangs"})


@dataclass(frozen=True, slots=True)
class Accepted:
    """One message that a receiver took for one person."""

    channel: str
    person: str
    key: UUID
    """``webhook-id`` or ``Message-ID``."""
    alerts: tuple[UUID, ...]
    """Empty for a mail with a digest, which names none to machines."""
    occasions: tuple[str, ...]
    """Why, alert by alert; empty for a mail, which does not say it to machines."""
    at: float
    """Seconds since 1970."""
    answered: bool
    """Whether the sender was told so."""


@dataclass
class Receivers:
    """What both took, in order; ``told`` hears of each message that is new."""

    chance: Random
    told: Callable[[Accepted], None] = lambda _: None
    accepted: list[Accepted] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    """By channel and what became of it."""
    unsigned: int = 0
    down: bool = False
    """While set, the webhook answers nobody."""
    _known: set[tuple[str, UUID]] = field(default_factory=set)
    _refused: set[UUID] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def mood(self) -> str:
        with self._lock:
            return "refuses" if self.down else self.chance.choices(list(MOODS), list(MOODS.values()))[0]

    def mail_mood(self, key: UUID) -> str:
        """Some mails are refused once, for now; some are taken and the connection breaks."""
        with self._lock:
            if key not in self._refused and self.chance.random() < 0.1:
                self._refused.add(key)
                return "later"
            return "takes and cuts" if self.chance.random() < 0.04 else "takes"

    def note(self, channel: str, mood: str) -> None:
        with self._lock:
            self.tries[f"{channel} {mood}"] += 1

    def take(self, message: Accepted) -> None:
        with self._lock:
            self.accepted.append(message)
            new = (message.channel, message.key) not in self._known
            self._known.add((message.channel, message.key))
        if new:
            self.told(message)


@contextmanager
def webhook(receivers: Receivers) -> Iterator[str]:
    """The URL below which each person has an address."""
    checker = Webhook(SECRET)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                content = checker.verify(body, headers)
            except WebhookVerificationError:
                receivers.unsigned += 1
                self._answer(400)
                return
            mood = receivers.mood()
            receivers.note(WEBHOOK, mood)
            if mood.startswith("takes"):
                receivers.take(_from_webhook(self.path, headers, content, answered=mood not in UNANSWERED))
            self._behave(mood)

        def _behave(self, mood: str) -> None:
            if mood.endswith("hangs"):
                time.sleep(HANG_SECONDS)
            if mood.endswith(("cuts", "hangs")):
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            else:
                self._answer({"takes": 204, "refuses": 500, "later": 503}[mood])

        def _answer(self, status: int) -> None:
            self.send_response(status)
            if status == 503:
                self.send_header("retry-after", "1")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, *_: Any) -> None:
            """A sender that was killed, or a connection that we cut."""

    server = Server((HOST, 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _from_webhook(path: str, headers: dict[str, str], content: Any, *, answered: bool) -> Accepted:
    alerts = content["data"]["alerts"]
    return Accepted(
        WEBHOOK, path.removeprefix("/"), UUID(headers["webhook-id"]), tuple(UUID(one["alert"]) for one in alerts),
        tuple(one["occasion"] for one in alerts), time.time(), answered,
    )  # fmt: skip


class _Mailbox:
    def __init__(self, receivers: Receivers) -> None:
        self._receivers = receivers

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content)
        key = UUID(mail["Message-ID"].strip("<>").partition("@")[0])
        mood = self._receivers.mail_mood(key)
        self._receivers.note(MAIL, mood)
        if mood == "later":
            return "451 not now"
        roots = (mail["References"] or "").split()
        alerts = tuple(UUID(root.strip("<>").partition("@")[0].removeprefix("alert-")) for root in roots)
        person = envelope.rcpt_tos[0].partition("@")[0]
        answered = mood not in UNANSWERED
        self._receivers.take(Accepted(MAIL, person, key, alerts, (), time.time(), answered))
        if not answered and server.transport is not None:
            server.transport.close()
        return "250 taken"


@contextmanager
def mail_server(receivers: Receivers) -> Iterator[int]:
    """Its port."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # it would write whole mails
    controller = Controller(_Mailbox(receivers), hostname=HOST, port=free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
