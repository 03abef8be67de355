"""A signed JSON webhook after the Standard Webhooks specification: the receiver can check it, and drop a repeat.

``webhook-id`` is the message's key and stays the same however often it is sent. Several secrets sign side by side,
so that a secret can be changed without a gap.
"""

from __future__ import annotations

import json
import ssl
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID

import httpx
from standardwebhooks import Webhook as Signer

from services.notify.adapters.channels.channel import DeliveryFailed, Now, silence, trusting, utc_now
from services.notify.domain.words import Detail, Text

SUCCESS = range(200, 300)
REDIRECTS = range(300, 400)
UNAUTHORIZED = (401, 403)
TIMED_OUT = (408, 504)
LATER = (425, 429)
SERVER_ERRORS = 500
LONGEST_WAIT_SECONDS = 3600.0
SHORTEST_SECRET_BYTES = 24
"""Standard Webhooks, "Signature scheme": between 24 and 64 bytes."""
LAST_PORT = 65535


class Webhook:
    """Any HTTPS endpoint; a person's address is its URL. ValueError for a secret that is none."""

    kind = "webhook"

    def __init__(
        self,
        name: str,
        secrets: Sequence[str],
        *,
        plain_http: bool = False,
        ca_file: Path | None = None,
        detail: Detail = "none",
        timeout_seconds: float = 10.0,
        now: Now = utc_now,
    ) -> None:
        if not secrets:
            raise ValueError("a webhook needs a secret to sign with")
        silence("httpx", "httpcore")
        self.name = name
        self.detail: Detail = detail
        self._signers = [_signer(secret) for secret in secrets]
        self._plain_http = plain_http
        self._now = now
        self._client = httpx.Client(
            verify=trusting(ca_file), timeout=timeout_seconds, follow_redirects=False, trust_env=False
        )

    def send(self, text: Text, address: str, key: UUID) -> None:
        url = self._url(address)
        now = self._now()
        body = _body(text)
        headers = {
            "content-type": "application/json",
            "user-agent": "refrain-notify",
            "webhook-id": str(key),
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(str(key), now, body) for signer in self._signers),
        }
        try:
            with self._client.stream("POST", url, content=body.encode(), headers=headers) as response:
                status, wait = response.status_code, response.headers.get("retry-after", "")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _broken(error) from None
        if status not in SUCCESS:
            raise refusal(status, wait_seconds(wait, now))

    def _url(self, address: str) -> httpx.URL:
        """The address as a URL that may be used: https, or plain http on this machine or where the roster says so."""
        try:
            url = httpx.URL(address)
        except (httpx.InvalidURL, TypeError):
            raise DeliveryFailed("misconfigured", again=False) from None
        plain = url.scheme == "http" and (self._plain_http or _loopback(url.host))
        if not url.host or (url.port or 0) > LAST_PORT or not (plain or url.scheme == "https"):
            raise DeliveryFailed("misconfigured", again=False)
        return url


def _signer(secret: str) -> Signer:
    """Signs with one secret. ValueError for a secret that is no base64, or so short that it can be guessed."""
    encoded = secret.removeprefix("whsec_").rstrip("=")
    try:
        secret_bytes = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise ValueError("a webhook secret is base64, with or without whsec_ before it: correct it") from None
    if len(secret_bytes) < SHORTEST_SECRET_BYTES:
        raise ValueError(f"a webhook secret has at least {SHORTEST_SECRET_BYTES} bytes: make a longer one")
    return Signer(secret_bytes)


def _body(text: Text) -> str:
    """A type, and data; the words stand beside the codes, for a receiver that only shows them."""
    said = {"subject": text.subject, "body": text.body, "urgency": text.urgency, **text.data}
    content = {"type": "refrain.digest" if text.digest else "refrain.alert", "data": said}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def wait_seconds(header: str, now: datetime) -> float | None:
    """What Retry-After asks for (RFC 9110 10.2.3), at most an hour; None when it says nothing that can be read."""
    try:
        seconds = float(header) if header.isdecimal() else (parsedate_to_datetime(header) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def refusal(status: int, wait: float | None) -> DeliveryFailed:
    """Why an answer is no success. 4xx is for good, but for those that say later; what the server wrote stays there."""
    if status in TIMED_OUT:
        return DeliveryFailed("timeout", again=True, wait_seconds=wait)
    if status in LATER:
        return DeliveryFailed("refused", again=True, wait_seconds=wait)
    if status >= SERVER_ERRORS:
        return DeliveryFailed("unreachable", again=True, wait_seconds=wait)
    if status in UNAUTHORIZED:
        return DeliveryFailed("auth", again=False)
    return DeliveryFailed("misconfigured" if status in REDIRECTS else "refused", again=False)


def _broken(error: BaseException) -> DeliveryFailed:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return DeliveryFailed("timeout", again=True)
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return DeliveryFailed("misconfigured", again=False)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return DeliveryFailed("tls", again=False)
        cause = cause.__cause__ or cause.__context__
    return DeliveryFailed("unreachable", again=True)
