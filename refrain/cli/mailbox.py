"""The mailbox of the local stack: takes what notify would send, checks its signature, and shows it as a page.

A receiver of the signed webhook, as a hospital's paging service would be one; what comes twice under one id is kept
once. It listens on this machine only. Elsewhere a roster names real channels instead.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from urllib.parse import unquote
from uuid import UUID

from standardwebhooks import Webhook, WebhookVerificationError

from refrain.runtime.ports import write_ports

HOST = "127.0.0.1"
LONGEST_BODY_BYTES = 1_048_576
SECRET_BYTES = 32
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Refrain: what was sent</title>
<style>body{{font:1rem/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}}pre{{white-space:pre-wrap}}
article{{border-top:1px solid #767676;padding:1rem 0}}h2{{font-size:1rem;margin:0}}</style>
<main><h1>What was sent</h1><p>{count} messages, newest first. Nothing leaves this machine.</p>{articles}</main>
</html>"""
ARTICLE = "<article><h2>{subject}</h2><p>to <b>{to}</b>, {urgency}, {at}</p><pre>{body}</pre></article>"


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it arrived."""

    to: str
    at: str
    urgency: str
    subject: str
    body: str


class Mailbox(ThreadingHTTPServer):
    """Keeps each message as one JSON file in a folder."""

    def __init__(self, port: int, folder: Path, secret: str) -> None:
        super().__init__((HOST, port), _Handler)
        self.folder = folder
        self.signer = Webhook(secret)
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, key: UUID, message: Message) -> None:
        """The first of each id stays: what is sent again is the same message."""
        path = self.folder / f"{key}.json"
        if not path.exists():
            draft = path.with_suffix(".tmp")
            draft.write_text(json.dumps(asdict(message), ensure_ascii=False) + "\n", encoding="utf-8")
            draft.replace(path)

    def messages(self) -> list[Message]:
        """All that arrived, newest first."""
        found = [Message(**json.loads(path.read_text(encoding="utf-8"))) for path in self.folder.glob("*.json")]
        return sorted(found, key=lambda message: message.at, reverse=True)


class _Handler(BaseHTTPRequestHandler):
    server: Mailbox

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if not 0 < length <= LONGEST_BODY_BYTES:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(length)
        try:
            content = self.server.signer.verify(body, dict(self.headers.items()))
            message = _message(unquote(self.path.strip("/")), content["data"])
            key = UUID(self.headers["webhook-id"])
        except WebhookVerificationError:
            self._answer(HTTPStatus.UNAUTHORIZED)
        except (KeyError, TypeError, ValueError):
            self._answer(HTTPStatus.BAD_REQUEST)
        else:
            self.server.keep(key, message)
            self._answer(HTTPStatus.NO_CONTENT)

    def do_GET(self) -> None:
        if self.path != "/":
            self._answer(HTTPStatus.NOT_FOUND)
            return
        self._answer(HTTPStatus.OK, page(self.server.messages()))

    def _answer(self, status: HTTPStatus, content: str = "") -> None:
        body = content.encode()
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("cache-control", "no-store")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: who is told what stands in the folder."""


def _message(to: str, data: dict[str, str]) -> Message:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Message(to, at, str(data["urgency"]), str(data["subject"]), str(data["body"]))


def page(messages: Sequence[Message]) -> str:
    """The page of all messages."""
    shown = [{name: escape(value) for name, value in asdict(message).items()} for message in messages]
    return PAGE.format(count=len(messages), articles="".join(ARTICLE.format(**one) for one in shown))


def make_secret(path: Path) -> None:
    """A secret for signing, made once, readable by its owner only."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}\n")


def main() -> None:
    """Serve until told to stop; settings come as ``MAILBOX_…``."""
    secret = Path(os.environ["MAILBOX_SECRET_FILE"]).read_text(encoding="utf-8").strip()
    mailbox = Mailbox(int(os.environ["MAILBOX_HTTP_PORT"]), Path(os.environ["MAILBOX_FOLDER"]), secret)
    signal.signal(signal.SIGTERM, _leave)
    write_ports(Path(os.environ["MAILBOX_PORTS_FILE"]), {"http": mailbox.server_address[1]})
    mailbox.serve_forever()


def _leave(_: int, __: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
