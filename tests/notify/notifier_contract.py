"""What every channel promises, whatever it speaks. Each channel's tests inherit it and add their own."""

from __future__ import annotations

import logging
import traceback
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from services.notify.adapters.channels.channel import Channel, DeliveryFailed, Reason
from services.notify.domain.words import compose
from tests.notify.telling import a_message, a_thread, an_id

TEXT = compose([a_thread()], [a_message(a_thread())], "clinical", "https://refrain.hospital.example")
"""With clinical detail: what must not leak has something to leak."""
KEY = an_id("key")


class NotifierContract(ABC):
    """A test class gives ``received`` and three fixtures: ``channel``, whose receiver works, ``address``, somebody
    whom it reaches, and ``away``, a channel and an address where nobody listens."""

    secret_words: tuple[str, ...] = ()
    """What only this channel knows: tokens, passwords."""

    @abstractmethod
    def received(self) -> list[tuple[str, str, str]]:
        """What the receiver's side has: what it tells repeats by, the subject, the body."""

    def test_a_message_arrives_whole(self, channel: Channel, address: str) -> None:
        channel.send(TEXT, address, KEY)
        [(_, subject, body)] = self.received()
        assert subject == TEXT.subject
        assert TEXT.body.strip() in body.replace("\r\n", "\n")

    def test_a_repeat_can_be_told_from_another_message(self, channel: Channel, address: str) -> None:
        for key in (KEY, KEY, an_id("another")):
            channel.send(TEXT, address, key)
        assert len({mark for mark, _, _ in self.received()}) == 2

    def test_several_threads_may_send_at_once(self, channel: Channel, address: str) -> None:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda number: channel.send(TEXT, address, an_id(number)), range(12)))
        assert len({mark for mark, _, _ in self.received()}) == 12

    def test_a_failure_is_one_closed_word(self, away: tuple[Channel, str]) -> None:
        channel, address = away
        with pytest.raises(DeliveryFailed) as failed:
            channel.send(TEXT, address, KEY)
        assert failed.value.reason == "unreachable"
        assert failed.value.again
        assert str(failed.value) in get_args(Reason)

    def test_neither_log_nor_exception_has_address_content_or_secret(
        self, channel: Channel, address: str, away: tuple[Channel, str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        channel.send(TEXT, address, KEY)
        with pytest.raises(DeliveryFailed) as failed:
            away[0].send(TEXT, away[1], KEY)
        said = caplog.text + "".join(traceback.format_exception(failed.value))
        for word in (address, away[1], TEXT.subject, "871.5", "refrain.hospital.example", *self.secret_words):
            assert word not in said

    def test_it_says_what_it_is(self, channel: Channel) -> None:
        assert channel.name == "under-test"
        assert channel.kind in ("smtp", "webhook", "apprise")
