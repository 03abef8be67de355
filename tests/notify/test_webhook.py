"""The signed webhook, against a real HTTP server that checks the signature, the time and the id."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from services.notify.adapters.channels.channel import Channel, DeliveryFailed
from services.notify.adapters.channels.webhook import Webhook, wait_seconds
from tests.notify.notifier_contract import KEY, TEXT, NotifierContract
from tests.notify.servers import Authority, Receiver, free_port, http_server, silent_port
from tests.notify.telling import NOON, an_id

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes!").decode()
OTHER = "whsec_" + base64.b64encode(b"another one, while it is changed").decode()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(SECRET)


@pytest.fixture
def port(receiver: Receiver) -> Iterator[int]:
    with http_server(receiver) as port:
        yield port


def webhook(secrets: tuple[str, ...] = (SECRET,), **more: Any) -> Webhook:
    given: dict[str, Any] = {"timeout_seconds": 5.0}
    return Webhook("under-test", secrets, **given | more)


def at(port: int) -> str:
    return f"http://127.0.0.1:{port}/hooks/t0ken-in-the-path"


def refused(channel: Channel, address: str) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        channel.send(TEXT, address, KEY)
    return failed.value


class TestWebhook(NotifierContract):
    secret_words = (SECRET, "t0ken-in-the-path")

    @pytest.fixture
    def channel(self, receiver: Receiver) -> Channel:
        self._receiver = receiver
        return webhook()

    @pytest.fixture
    def address(self, port: int) -> str:
        return at(port)

    @pytest.fixture
    def away(self) -> tuple[Channel, str]:
        return webhook(), at(free_port())

    def received(self) -> list[tuple[str, str, str]]:
        assert self._receiver.rejected == []
        return [(key, it["data"]["subject"], it["data"]["body"]) for key, it in self._receiver.seen.items()]


def test_a_repeat_carries_the_same_id_and_is_dropped(receiver: Receiver, port: int) -> None:
    for _ in range(3):
        webhook().send(TEXT, at(port), KEY)
    assert list(receiver.seen) == [str(KEY)]
    assert receiver.repeats == 2
    assert len({body for _, body in receiver.requests}) == 1


def test_the_body_is_json_for_machines_and_people(receiver: Receiver, port: int) -> None:
    webhook().send(TEXT, at(port), KEY)
    content = receiver.seen[str(KEY)]
    assert content["type"] == "refrain.alert"
    assert content["data"]["urgency"] == "P1"
    assert content["data"]["alerts"][0]["kind"] == "CRITICAL_RESULT"


def test_a_captured_message_cannot_be_played_again_later(receiver: Receiver, port: int) -> None:
    old = webhook(now=lambda: datetime.now(UTC) - timedelta(minutes=6))
    failed = refused(old, at(port))
    assert (failed.reason, failed.again) == ("refused", False)
    assert receiver.rejected == ["Message timestamp too old"]
    assert receiver.seen == {}


def test_another_secret_is_not_believed(receiver: Receiver, port: int) -> None:
    assert refused(webhook((OTHER,)), at(port)).reason == "refused"
    assert receiver.rejected == ["No matching signature found"]


def test_while_a_secret_is_changed_both_sign(receiver: Receiver, port: int) -> None:
    webhook((OTHER, SECRET)).send(TEXT, at(port), KEY)
    assert list(receiver.seen) == [str(KEY)]


@pytest.mark.parametrize("secret", ["", "whsec_", "not base64 at all!?", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused_without_quoting_it(secret: str) -> None:
    with pytest.raises(ValueError, match="a webhook secret") as failed:
        webhook((secret,))
    assert secret in ("", "whsec_") or secret not in str(failed.value)


def test_without_a_secret_nothing_is_sent() -> None:
    with pytest.raises(ValueError, match="needs a secret"):
        webhook(())


@pytest.mark.parametrize(
    ("status", "reason", "again"),
    [
        (301, "misconfigured", False),
        (400, "refused", False),
        (401, "auth", False),
        (403, "auth", False),
        (404, "refused", False),
        (410, "refused", False),
        (408, "timeout", True),
        (425, "refused", True),
        (429, "refused", True),
        (500, "unreachable", True),
        (503, "unreachable", True),
        (504, "timeout", True),
        (199 + 105, "misconfigured", False),
    ],
)
def test_what_an_answer_means(receiver: Receiver, port: int, status: int, reason: str, again: bool) -> None:
    receiver.answers = [(status, {"location": at(port)})]
    failed = refused(webhook(), at(port))
    assert (failed.reason, failed.again) == (reason, again)
    assert len(receiver.requests) == 1  # a redirect is not followed
    assert "7700415" not in str(failed)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_only_2xx_is_success(receiver: Receiver, port: int, status: int) -> None:
    receiver.answers = [(status, {})]
    webhook().send(TEXT, at(port), KEY)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (format_datetime(NOON + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOON - timedelta(seconds=90), usegmt=True), 0.0),
        ("86400", 3600.0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert wait_seconds(header, NOON) == seconds


def test_how_long_the_receiver_wants_to_be_left_alone(receiver: Receiver, port: int) -> None:
    receiver.answers = [(429, {"retry-after": "17"})]
    assert refused(webhook(), at(port)).wait_seconds == 17.0


@pytest.mark.parametrize(
    "address",
    [
        "http://receiver.hospital.example/hook",
        "ftp://127.0.0.1/hook",
        "file:///etc/passwd",
        "https://",
        "127.0.0.1/hook",
        "",
        "https://receiver.hospital.example:99999999/",
    ],
)
def test_an_address_that_may_not_be_used(address: str) -> None:
    failed = refused(webhook(), address)
    assert (failed.reason, failed.again) == ("misconfigured", False)


def test_plain_http_to_others_only_where_the_roster_says_so() -> None:
    assert refused(webhook(plain_http=True), "http://receiver.invalid/hook").reason == "unreachable"


def test_a_receiver_with_a_certificate(receiver: Receiver, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with http_server(receiver, authority.server()) as port:
        address = f"https://localhost:{port}/hook"
        failed = refused(webhook(), address)
        assert (failed.reason, failed.again) == ("tls", False)
        webhook(ca_file=authority.file).send(TEXT, address, KEY)
    assert list(receiver.seen) == [str(KEY)]


def test_a_receiver_that_says_nothing() -> None:
    with silent_port() as port:
        failed = refused(webhook(timeout_seconds=0.2), at(port))
    assert (failed.reason, failed.again) == ("timeout", True)


def test_an_answer_without_end_is_not_read(port: int, receiver: Receiver) -> None:
    receiver.answers = [(200, {"content-length": "999999999"})]
    webhook(timeout_seconds=1.0).send(TEXT, at(port), an_id("endless"))
