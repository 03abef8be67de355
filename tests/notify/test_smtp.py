"""Mail, against a real server with TLS and a sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.notify.adapters.channels.channel import Channel, DeliveryFailed
from services.notify.adapters.channels.smtp import Smtp
from services.notify.domain.words import compose
from tests.notify.notifier_contract import KEY, TEXT, NotifierContract
from tests.notify.servers import PASSWORD, USER, Authority, Inbox, free_port, mail_server, silent_port
from tests.notify.telling import a_message, a_thread, an_id

WARD = "ward@hospital.example"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def port(inbox: Inbox, authority: Authority) -> Iterator[int]:
    with mail_server(inbox, tls=authority.server()) as port:
        yield port


def smtp(port: int, authority: Authority, **more: Any) -> Smtp:
    given: dict[str, Any] = {
        "port": port, "user": USER, "password": PASSWORD, "ca_file": authority.file, "timeout_seconds": 5.0,
    }  # fmt: skip
    return Smtp("under-test", "127.0.0.1", "refrain@hospital.example", **given | more)


class TestSmtp(NotifierContract):
    secret_words = (PASSWORD,)

    @pytest.fixture
    def channel(self, port: int, authority: Authority, inbox: Inbox) -> Channel:
        self._inbox = inbox
        return smtp(port, authority)

    @pytest.fixture
    def address(self) -> str:
        return WARD

    @pytest.fixture
    def away(self, authority: Authority) -> tuple[Channel, str]:
        return smtp(free_port(), authority), "nobody@hospital.example"

    def received(self) -> list[tuple[str, str, str]]:
        return [(mail["Message-ID"], mail["Subject"], mail.get_content()) for mail in self._inbox.mails]


def refused(channel: Channel, address: str = WARD) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        channel.send(TEXT, address, KEY)
    return failed.value


def test_the_mails_of_an_alert_are_one_thread(port: int, authority: Authority, inbox: Inbox) -> None:
    thread = a_thread()
    for occasion in ("raised", "retracted"):
        message = a_message(thread, occasion=occasion)
        smtp(port, authority).send(compose([thread], [message], "none", "https://r.example"), WARD, message.delivery)
    first, second = inbox.mails
    root = f"<alert-{thread.alert}@hospital.example>"
    assert first["References"] == second["References"] == first["In-Reply-To"] == root
    assert first["Message-ID"] == f"<{a_message(thread).delivery}@hospital.example>"
    assert first["Message-ID"] != second["Message-ID"]


def test_and_so_are_those_of_the_alert_that_takes_over(port: int, authority: Authority, inbox: Inbox) -> None:
    old = a_thread(1)
    heir = a_thread(2, predecessors=(old.alert,))
    smtp(port, authority).send(compose([heir], [a_message(heir)], "none", "https://r.example"), WARD, KEY)
    [mail] = inbox.mails
    own = f"<alert-{heir.alert}@hospital.example>"
    assert mail["In-Reply-To"] == own
    assert mail["References"].split() == [f"<alert-{old.alert}@hospital.example>", own]


def test_a_mail_says_that_a_machine_sent_it_and_how_urgent_it_is(port: int, authority: Authority, inbox: Inbox) -> None:
    digest = a_thread(2, tier="P3", kind="MONITORING_GAP")
    channel = smtp(port, authority)
    channel.send(TEXT, WARD, KEY)
    channel.send(compose([digest], [a_message(digest, digest=True)], "none", "https://r.example"), WARD, an_id("d"))
    urgent, quiet = inbox.mails
    assert urgent["Auto-Submitted"] == quiet["Auto-Submitted"] == "auto-generated"
    assert (urgent["Importance"], quiet["Importance"]) == ("high", None)
    assert quiet["References"] is None
    assert urgent["From"] == "Refrain <refrain@hospital.example>"
    assert urgent["To"] == WARD
    assert urgent.get_content_type() == "text/plain"
    assert inbox.envelopes[0].mail_from == "refrain@hospital.example"


def test_umlauts_and_long_lines_arrive(port: int, authority: Authority, inbox: Inbox) -> None:
    thread = a_thread(text="Größer als µg/L: ≥ 5; " + "ein langer Satz " * 90)
    smtp(port, authority).send(compose([thread], [a_message(thread)], "clinical", "https://r.example"), WARD, KEY)
    assert thread.text in inbox.mails[0].get_content()


def test_a_server_that_speaks_tls_from_the_start(authority: Authority, inbox: Inbox) -> None:
    with mail_server(inbox, tls=authority.server(), wrapped=True) as port:
        smtp(port, authority, security="tls", user="", password="").send(TEXT, WARD, KEY)
    assert len(inbox.mails) == 1


def test_a_server_without_tls_needs_the_roster_to_say_so(authority: Authority, inbox: Inbox) -> None:
    with mail_server(inbox) as port:
        failed = refused(smtp(port, authority))
        assert (failed.reason, failed.again) == ("tls", False)
        smtp(port, authority, security="none", user="", password="").send(TEXT, WARD, KEY)
    assert len(inbox.mails) == 1


def test_a_password_never_goes_over_a_plain_connection(authority: Authority) -> None:
    with pytest.raises(ValueError, match="not encrypted"):
        smtp(25, authority, security="none")


def test_a_certificate_of_an_unknown_authority_is_refused(port: int, tmp_path: Path, inbox: Inbox) -> None:
    (tmp_path / "other").mkdir()
    failed = refused(smtp(port, Authority(tmp_path / "other")))
    assert (failed.reason, failed.again) == ("tls", False)
    assert inbox.mails == []


def test_a_certificate_for_another_name_is_refused(authority: Authority, inbox: Inbox) -> None:
    with mail_server(inbox, tls=authority.server("mail.elsewhere.example")) as port:
        assert refused(smtp(port, authority)).reason == "tls"


def test_a_wrong_password_is_said_as_such(port: int, authority: Authority, inbox: Inbox) -> None:
    failed = refused(smtp(port, authority, password="wrong"))
    assert (failed.reason, failed.again) == ("auth", False)
    without = refused(smtp(port, authority, user="", password=""))
    assert (without.reason, without.again) == ("auth", False)
    assert inbox.mails == []


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        pytest.param("550 7700415 is unknown here", False, id="for good"),
        pytest.param("451 greylisted", True, id="for now"),
    ],
)
def test_a_refused_recipient(port: int, authority: Authority, inbox: Inbox, answer: str, again: bool) -> None:
    inbox.refuse = {"ward": answer}
    failed = refused(smtp(port, authority))
    assert (failed.reason, failed.again) == ("refused", again)
    assert "7700415" not in str(failed)


@pytest.mark.parametrize(("answer", "again"), [("554 no", False), ("452 full", True)])
def test_a_refused_mail(port: int, authority: Authority, inbox: Inbox, answer: str, again: bool) -> None:
    inbox.refuse_data = answer
    failed = refused(smtp(port, authority))
    assert (failed.reason, failed.again) == ("refused", again)


def test_a_server_that_says_nothing(authority: Authority) -> None:
    with silent_port() as port:
        for security in ("starttls", "tls"):
            failed = refused(smtp(port, authority, security=security, timeout_seconds=0.2))
            assert (failed.reason, failed.again) == ("timeout", True)


@pytest.mark.parametrize(
    "address",
    [
        "ward@hospital.example\r\nBcc: everybody@elsewhere.example",
        "ward@hospital.example\nX: y",
        "ward@hospital.example, other@elsewhere.example",
        "Ward <ward@hospital.example>",
        "ward",
        "@hospital.example",
        "",
        "a b@hospital.example",
    ],
)
def test_an_address_that_is_not_one_is_refused(port: int, authority: Authority, inbox: Inbox, address: str) -> None:
    failed = refused(smtp(port, authority), address)
    assert (failed.reason, failed.again) == ("misconfigured", False)
    assert inbox.mails == []


def test_an_address_that_the_server_cannot_write(port: int, authority: Authority, inbox: Inbox) -> None:
    failed = refused(smtp(port, authority), "wärd@hospital.example")
    assert (failed.reason, failed.again) == ("misconfigured", False)
    assert inbox.mails == []


def test_a_subject_never_breaks_the_header(port: int, authority: Authority, inbox: Inbox) -> None:
    thread = a_thread()
    text = compose([thread], [a_message(thread)], "none", "https://r.example")
    smtp(port, authority).send(replace(text, subject="P1\r\nBcc: all@elsewhere.example"), WARD, KEY)
    [mail] = inbox.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "P1 Bcc: all@elsewhere.example"
