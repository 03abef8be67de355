"""Mail over SMTP: one connection and one plain-text mail per message. The mails of an alert make one thread, also where
it goes on under another id."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

from services.notify.adapters.channels.channel import DeliveryFailed, Now, trusting, utc_now
from services.notify.domain.words import Detail, Text

Security = Literal["starttls", "tls", "none"]

PERMANENT = 500
"""Replies from here on are for good, those below for now (RFC 5321 4.2.1)."""
AUTHENTICATION = (530, 534, 535, 538)
"""Replies that ask for a sign-in or refuse ours (RFC 4954)."""


class Smtp:
    """A mail server. A sign-in needs an encrypted connection; ValueError for a user without one."""

    kind = "smtp"

    def __init__(
        self,
        name: str,
        host: str,
        sender: str,
        *,
        port: int = 587,
        security: Security = "starttls",
        user: str = "",
        password: str = "",
        ca_file: Path | None = None,
        detail: Detail = "none",
        timeout_seconds: float = 10.0,
        now: Now = utc_now,
    ) -> None:
        if user and security == "none":
            raise ValueError("a password is not sent over a connection that is not encrypted")
        self.name = name
        self.detail: Detail = detail
        self._host, self._port, self._security = host, port, security
        self._sender = _address(sender)
        self._user, self._password = user, password
        self._tls = None if security == "none" else trusting(ca_file)
        self._timeout = timeout_seconds
        self._now = now

    def send(self, text: Text, address: str, key: UUID) -> None:
        mail = self._mail(text, address, key, self._now())
        try:
            server = self._connect()
            try:
                self._sign_in(server)
                server.send_message(mail)
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()  # the server has the mail: what follows cannot take it back
            finally:
                server.close()
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise failure(error) from None

    def _connect(self) -> smtplib.SMTP:
        here = self._sender.domain
        if self._security == "tls":
            return smtplib.SMTP_SSL(
                self._host, self._port, local_hostname=here, timeout=self._timeout, context=self._tls
            )
        server = smtplib.SMTP(self._host, self._port, local_hostname=here, timeout=self._timeout)
        if self._security == "starttls":
            try:
                server.starttls(context=self._tls)
            except smtplib.SMTPNotSupportedError:
                server.close()
                raise DeliveryFailed("tls", again=False) from None
            except (smtplib.SMTPException, OSError):
                server.close()
                raise
        return server

    def _sign_in(self, server: smtplib.SMTP) -> None:
        if not self._user:
            return
        try:
            server.login(self._user, self._password)
        except smtplib.SMTPNotSupportedError:
            raise DeliveryFailed("auth", again=False) from None

    def _mail(self, text: Text, address: str, key: UUID, at: datetime) -> EmailMessage:
        domain = self._sender.domain
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = Address("Refrain", addr_spec=self._sender.addr_spec)
        try:
            mail["To"] = _address(address)
        except ValueError:
            raise DeliveryFailed("misconfigured", again=False) from None
        mail["Subject"] = " ".join(text.subject.split())
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = f"<{key}@{domain}>"
        if not text.digest:
            mail["In-Reply-To"] = f"<alert-{text.alerts[0]}@{domain}>"
            mail["References"] = " ".join(f"<alert-{alert}@{domain}>" for alert in (*text.earlier, *text.alerts))
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        if text.urgency == "P1":
            mail["Importance"] = "high"
            mail["X-Priority"] = "1"
        mail.set_content(text.body)
        return mail


def _address(text: str) -> Address:
    """One plain address. ValueError for anything else: a list, a name, a line break that would add a header."""
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, MessageError):
        raise ValueError("not one mail address") from None
    if not (address.username and address.domain) or address.addr_spec != text or set(text) & set("\r\n\0 ,;<>"):
        raise ValueError("not one mail address")
    return address


def failure(error: Exception) -> DeliveryFailed:
    """Why a mail was not taken, from what smtplib and the socket raise; their texts stay here."""
    match error:
        case ssl.SSLError():
            return DeliveryFailed("tls", again=False)
        case UnicodeError() | smtplib.SMTPNotSupportedError():  # an address that this server cannot write
            return DeliveryFailed("misconfigured", again=False)
        case TimeoutError():
            return DeliveryFailed("timeout", again=True)
        case smtplib.SMTPServerDisconnected() if isinstance(error.__context__, TimeoutError):
            return DeliveryFailed("timeout", again=True)
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            return _reply(max(code for code, _ in recipients.values()))
        case smtplib.SMTPResponseException(smtp_code=code):
            return _reply(code)
    return DeliveryFailed("unreachable", again=True)


def _reply(code: int) -> DeliveryFailed:
    if code in AUTHENTICATION:
        return DeliveryFailed("auth", again=False)
    return DeliveryFailed("refused", again=code < PERMANENT)
