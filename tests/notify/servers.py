"""Real servers that tests send to: a mail server, a receiver of signed webhooks, and ports where nobody answers."""

from __future__ import annotations

import json
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from standardwebhooks import Webhook, WebhookVerificationError

USER, PASSWORD = "refrain", "mail-secret-4711"


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
        return context


class Inbox:
    """Takes mails; answers a recipient or a mail as ``refuse`` says, by the part before the @."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.refuse: dict[str, str] = {}
        self.refuse_data = ""

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if answer := self.refuse.get(address.partition("@")[0]):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.refuse_data:
            return self.refuse_data
        assert isinstance(envelope.content, bytes)
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        self.envelopes.append(envelope)
        return "250 taken"


def authenticated(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    """``handled=False``: aiosmtpd then answers 535 itself; else it waits for minutes."""
    good = isinstance(data, LoginPassword) and data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False)


@contextmanager
def mail_server(inbox: Inbox, *, tls: ssl.SSLContext | None = None, wrapped: bool = False) -> Iterator[int]:
    """Its port. With ``tls`` it wants STARTTLS and a sign-in; ``wrapped``: TLS from the first byte, and no sign-in."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # the server's log, in this process, has whole mails
    more: dict[str, Any] = {}
    if tls and not wrapped:
        more = {
            "tls_context": tls, "require_starttls": True, "auth_required": True, "authenticator": authenticated,
        }  # fmt: skip
    controller = Controller(
        inbox, hostname="127.0.0.1", port=free_port(), ssl_context=tls if wrapped else None, **more
    )  # fmt: skip
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


class Receiver:
    """A webhook's other end: checks every signature, drops an id that it has, answers as ``answers`` says first."""

    def __init__(self, secret: str) -> None:
        self._checker = Webhook(secret)
        self._lock = Lock()
        self.seen: dict[str, Any] = {}
        self.repeats = 0
        self.rejected: list[str] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.mood: Callable[[], tuple[int, dict[str, str]] | None] = lambda: None
        """Asked for each good message: an answer in place of taking it, or None."""
        self.requests: list[tuple[dict[str, str], bytes]] = []

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        with self._lock:
            self.requests.append((headers, body))
            if self.answers:
                return self.answers.pop(0)
            try:
                content = self._checker.verify(body, headers)
            except WebhookVerificationError as error:
                self.rejected.append(str(error))
                return 400, {}
            if bad := self.mood():
                return bad
            if headers["webhook-id"] in self.seen:
                self.repeats += 1
            self.seen.setdefault(headers["webhook-id"], content)
            return 204, {}


class Posts:
    """Takes any JSON that is posted, as the other end of apprise's ``json://``."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status = 200

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        self.seen.append(json.loads(body))
        self.paths.append(headers[":path"])
        return self.status, {}


@contextmanager
def http_server(taker: Receiver | Posts, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a real HTTP server before a receiver."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()} | {":path": self.path}
            status, answered = taker.take(headers, body)
            self.send_response(status, "as 7700415 asked")  # a server may say anything
            for name, value in ({"content-length": "0"} | answered).items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read the log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent_port() -> Iterator[int]:
    """Where a connection is taken and nothing is ever said."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def free_port() -> int:
    """Where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
