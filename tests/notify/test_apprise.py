"""apprise, against a real HTTP endpoint for its json:// and a real mail server for its mailto://."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from services.notify.adapters.channels.apprise import Apprise, read_urls
from services.notify.adapters.channels.channel import Channel, DeliveryFailed
from tests.notify.notifier_contract import KEY, TEXT, NotifierContract
from tests.notify.servers import Inbox, Posts, free_port, http_server, mail_server

TOKEN = "t0ken4711"


@pytest.fixture
def posts() -> Posts:
    return Posts()


@pytest.fixture
def port(posts: Posts) -> Iterator[int]:
    with http_server(posts) as port:
        yield port


def to_json(port: int) -> Apprise:
    return Apprise("under-test", {"*": f"json://user:{TOKEN}@127.0.0.1:{port}/to/{{address}}/?cto=2&rto=2"})


class TestApprise(NotifierContract):
    secret_words = (TOKEN,)

    @pytest.fixture
    def channel(self, port: int, posts: Posts) -> Channel:
        self._posts = posts
        return to_json(port)

    @pytest.fixture
    def address(self) -> str:
        return "ward-telephone"

    @pytest.fixture
    def away(self) -> tuple[Channel, str]:
        return to_json(free_port()), "night-telephone"

    def received(self) -> list[tuple[str, str, str]]:
        return [
            (re.findall(r"Reference ([0-9a-f]{8})", post["message"])[0], post["title"], post["message"])
            for post in self._posts.seen
        ]


def refused(channel: Channel, address: str = "somebody") -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        channel.send(TEXT, address, KEY)
    return failed.value


def test_urgency_is_passed_on(posts: Posts, port: int) -> None:
    to_json(port).send(TEXT, "a", KEY)
    assert posts.seen[0]["type"] == "failure"


def test_an_address_cannot_change_the_url(posts: Posts, port: int) -> None:
    to_json(port).send(TEXT, "a/../../b?x=1&y@evil.example", KEY)
    [path] = posts.paths
    assert path.startswith("/to/a%2F..%2F..%2Fb%3Fx")
    assert "?" not in path


def test_a_service_may_take_the_key_itself(posts: Posts, port: int) -> None:
    Apprise("under-test", {"*": f"json://127.0.0.1:{port}/once/{{key}}"}).send(TEXT, "a", KEY)
    assert posts.paths[0].startswith(f"/once/{KEY}")


def test_everybody_may_have_a_url_of_their_own(posts: Posts, port: int) -> None:
    channel = Apprise("under-test", {"anna": f"json://127.0.0.1:{port}/a", "ben": f"json://127.0.0.1:{port}/b"})
    channel.send(TEXT, "ben", KEY)
    assert posts.paths[0].startswith("/b")
    failed = refused(channel, "nobody")
    assert (failed.reason, failed.again) == ("misconfigured", False)


@pytest.mark.parametrize("status", [302, 400, 500])
def test_what_a_service_refuses(posts: Posts, port: int, status: int) -> None:
    posts.status = status
    failed = refused(to_json(port))
    assert (failed.reason, failed.again) == ("unreachable", True)
    assert len(posts.seen) == 1


def test_mail_through_apprise() -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        url = f"mailto://127.0.0.1:{port}/?from=refrain@hospital.example&to={{address}}&mode=insecure"
        Apprise("under-test", {"*": url}).send(TEXT, "ward@hospital.example", KEY)
    [mail] = inbox.mails
    assert mail["Subject"] == TEXT.subject
    assert inbox.envelopes[0].rcpt_tos == ["ward@hospital.example"]
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert "871.5" in body.get_content()


@pytest.mark.parametrize("url", ["nothing://here", "mailto://", "slack://TOKEN4711"])
def test_a_url_that_apprise_does_not_know_is_refused_without_quoting_it(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="apprise") as failed:
        Apprise("under-test", {"*": url})
    assert url not in str(failed.value) + caplog.text
    with pytest.raises(ValueError, match="needs a URL"):
        Apprise("under-test", {})


def test_the_secret_is_one_url_or_lines_of_addresses() -> None:
    assert read_urls("json://host/{address}\n") == {"*": "json://host/{address}"}
    assert read_urls("# ours\n\nanna json://a\nben   json://b\n") == {"anna": "json://a", "ben": "json://b"}
    with pytest.raises(ValueError, match="line 2 is neither") as failed:
        read_urls("anna json://a\nben t0ken4711\n")
    assert TOKEN not in str(failed.value)
