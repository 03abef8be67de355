"""Blocking sends in threads of their own: bounded in number and time, and never waited for at a stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from threading import Thread

from refrain.runtime.leaving import place_of
from services.notify.adapters.channels.channel import DeliveryFailed

log = logging.getLogger(__name__)

SERVERS_STEPS = 3
"""A send may take so many timeouts of its channel (connect, talk, hand over) before it is left to itself."""
LEFT_AT_MOST = 8
"""Sends that were left to themselves and still hang; until one of them ends, further ones fail at once."""


class Sending:
    """The sends of one channel. What outlasts its limit counts as failed; its thread may still end, and is forgotten.

    A message that such a thread delivers after all is delivered again under the same key.
    """

    def __init__(self, channel: str, timeout_seconds: float) -> None:
        self._channel = channel
        self.limit_seconds = SERVERS_STEPS * timeout_seconds
        self._left = 0

    async def run(self, send: Callable[[], None]) -> None:
        """Run one send. DeliveryFailed, also for whatever a channel raises beside it."""
        if self._left >= LEFT_AT_MOST:
            raise DeliveryFailed("timeout", again=True)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(failed: DeliveryFailed | None) -> None:
            if done.done():
                self._left -= 1
            elif failed is None:
                done.set_result(None)
            else:
                done.set_exception(failed)

        def work() -> None:
            failed = _failure_of(send, self._channel)
            with contextlib.suppress(RuntimeError):  # the loop is gone: the process stops, and nobody waits
                loop.call_soon_threadsafe(settle, failed)

        Thread(target=work, name=f"send {self._channel}", daemon=True).start()
        try:
            await asyncio.wait_for(done, self.limit_seconds)
        except TimeoutError:
            self._left += 1
            raise DeliveryFailed("timeout", again=True) from None
        except asyncio.CancelledError:
            self._left += 1
            raise


def _failure_of(send: Callable[[], None], channel: str) -> DeliveryFailed | None:
    try:
        send()
    except DeliveryFailed as failed:
        return failed
    except Exception as error:  # noqa: BLE001 - a defect of one channel must not keep others from being told
        log.error("a channel failed in a way of its own", extra={"channel": channel, "reason": place_of(error)})
        return DeliveryFailed("unreachable", again=True)
    return None
