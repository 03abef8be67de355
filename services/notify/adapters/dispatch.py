"""Sends what is due: one lane per channel, so that a slow one holds nobody else.

    due deliveries -> bundles -> words -> channel -> sent | tried again | given up (the store tells the thread)

A channel that failed several times in a row over some time is down: what can go another way goes there at once, the
rest waits until it must be given up, and one message a minute is tried to see whether the channel is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from refrain.runtime.leaving import place_of
from services.notify import metrics
from services.notify.adapters.bundles import Bundle, bundles, next_try
from services.notify.adapters.channels import DeliveryFailed, Route
from services.notify.adapters.chart_context import Contexts
from services.notify.adapters.deliveries import Deliveries
from services.notify.adapters.lanes import Lane
from services.notify.domain.roster import Roster
from services.notify.domain.thread import Message
from services.notify.domain.words import Text, compose

log = logging.getLogger(__name__)

CHANNELS_OWN = frozenset({"unreachable", "timeout", "auth", "tls"})
"""Failures that speak about the channel; the others are about one address or one message."""
DEAD = "channel_dead"
MARGIN_SECONDS = 15.0
"""A loan is longer than any send may take by so much; after a kill that is how long its messages wait for somebody."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the dispatcher goes. The defaults are for production."""

    turn_seconds: float = 0.5
    probe_seconds: float = 60.0
    """How often a channel that is down is tried. POLICY, UNV."""
    wait_seconds: float = 15.0
    """How soon a message that cannot go another way looks whether its channel is back. POLICY, UNV."""
    note_seconds: float = 1.0
    """Between attempts to write down what became of a message while the database is away."""
    stop_seconds: float = 5.0
    """How long a stop waits for sends under way; their loans run out otherwise."""
    defect_seconds: float = 600.0
    """How long a message is put aside that could not be worded or noted because of a defect."""
    at_once: int = 200
    """Deliveries of a channel that is down, moved in one turn."""


class Dispatcher:
    """One per replica. Replicas share the work through loans, and what they know of the channels through the store."""

    def __init__(
        self,
        store: Deliveries,
        routes: Mapping[str, Route],
        roster: Roster,
        contexts: Contexts,
        now: Callable[[], datetime],
        *,
        console_url: str,
        pace: Pace | None = None,
        random: Random | None = None,
    ) -> None:
        self._store = store
        self._roster = roster
        self._contexts = contexts
        self._now = now
        self._console = console_url
        self._pace = pace or Pace()
        self._random = random or Random()
        self._lanes = {name: Lane(route) for name, route in routes.items()}
        metrics.show_channels(routes)
        self._tasks: set[asyncio.Task[None]] = set()
        self._until = asyncio.Event()
        self._wake = asyncio.Event()

    async def run(self, until: asyncio.Event) -> None:
        """Until told to stop. The database being away is waited for; what was lent meanwhile runs out."""
        self._until = until
        while not until.is_set():
            self._wake.clear()
            try:
                await self.turn()
            except SQLAlchemyError as error:
                log.warning("messages wait for the database", extra={"reason": type(error).__name__})
            await self._rest(until)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._pace.stop_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def turn(self) -> None:
        """Look once for what is due, and start on as much of it as each channel takes."""
        now = self._now()
        states = {state.name: state for state in await asyncio.to_thread(self._store.channels)}
        for name, lane in self._lanes.items():
            lane.known = states.get(name)
            self._mark(name, lane, lane.is_down(now))
        for name in await asyncio.to_thread(self._store.due_channels, now):
            due = self._lanes.get(name)
            if due is None:
                self._start(self._nowhere(name))
            elif (due.down or due.free > 0) and not due.leasing:
                due.leasing = True
                self._start(self._work(name, due))

    async def settled(self) -> None:
        """Return when nothing that was started is under way any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # --- one channel ---

    async def _work(self, name: str, lane: Lane) -> None:
        try:
            if lane.down:
                await self._go_around(name, lane)
                return
            for bundle in await self._lend(name, lane.free, lane.sending.limit_seconds):
                self._send(lane, bundle)
        finally:
            lane.leasing = False

    async def _lend(self, name: str, limit: int, busy_seconds: float = 0.0) -> list[Bundle]:
        seconds = busy_seconds + MARGIN_SECONDS
        return bundles(await asyncio.to_thread(self._store.lease, self._now(), limit, seconds, name))

    async def _go_around(self, name: str, lane: Lane) -> None:
        """Past a channel that is down: elsewhere, or wait; one message tries it."""
        lent = await self._lend(name, self._pace.at_once, lane.sending.limit_seconds)
        now = self._now()
        if lent and lane.free > 0 and lane.may_probe(now, self._pace.probe_seconds):
            lane.probed_at = now
            probe = min(reversed(lent), key=lambda bundle: (bundle.elsewhere, bundle.tier == "P1"))
            lent.remove(probe)
            self._send(lane, probe)
        for bundle in lent:
            if bundle.elsewhere or now >= bundle.give_up_at:
                await self._give_up(bundle, DEAD)
            else:
                again = min(now + timedelta(seconds=self._pace.wait_seconds), bundle.give_up_at)
                await asyncio.to_thread(self._store.release, bundle.messages, again)

    async def _nowhere(self, name: str) -> None:
        """A channel that the roster has no more."""
        for bundle in await self._lend(name, self._pace.at_once):
            await self._give_up(bundle, "misconfigured")

    def _mark(self, name: str, lane: Lane, down: bool) -> None:
        metrics.CHANNEL_READY.labels(name).set(not down)
        if down and not lane.down:
            log.error("a channel is down: its messages go elsewhere", extra={"channel": name})
        elif lane.down and not down:
            lane.probed_at = None
            log.warning("a channel is back", extra={"channel": name})
        lane.down = down

    # --- one message ---

    def _send(self, lane: Lane, bundle: Bundle) -> None:
        lane.under_way += 1
        self._start(self._deliver(lane, bundle))

    async def _deliver(self, lane: Lane, bundle: Bundle) -> None:
        name = lane.route.channel.name
        try:
            if (begun := bundle if bundle.noted else await self._begin(bundle)) is None:
                return
            await self._hand_over(lane, begun)
        except DeliveryFailed as failed:
            metrics.TRIES.labels(name, failed.reason).inc()
            log.warning("a message was not taken", extra={"channel": name, "reason": failed.reason})
            if failed.reason in CHANNELS_OWN:
                lane.failing = True
                await asyncio.to_thread(self._store.channel_result, name, False, self._now())
            await self._try_again(bundle, failed, dead=lane.down)
        else:
            metrics.TRIES.labels(name, "taken").inc()
            await self._note_each(bundle, lambda message: self._store.sent(message, self._now()))
            if lane.is_news(now := self._now()):
                await asyncio.to_thread(self._store.channel_result, name, True, now)
                lane.failing = False
        finally:
            lane.under_way -= 1
            self._wake.set()

    async def _begin(self, bundle: Bundle) -> Bundle | None:
        """Note it, and take its alerts as they stand then; None when it may not be sent so any more."""
        threads = await asyncio.to_thread(self._store.bundle, bundle.key, bundle.messages, self._now())
        return None if threads is None else bundle.as_of(threads)

    async def _hand_over(self, lane: Lane, bundle: Bundle) -> None:
        channel = lane.route.channel
        address = self._roster.address(bundle.to.person, bundle.to.channel)
        if address is None:
            raise DeliveryFailed("misconfigured", again=False)
        text = await self._worded(lane, bundle)
        with metrics.SEND_SECONDS.labels(channel.name).time():
            await lane.sending.run(lambda: channel.send(text, address, bundle.key))

    async def _worded(self, lane: Lane, bundle: Bundle) -> Text:
        """The text with the detail of the channel; without any where a defect keeps it from being worded so."""
        threads, detail = [due.thread for due in bundle.members], lane.route.channel.detail
        try:
            contexts = {} if detail == "none" else await self._contexts.of([thread.alert for thread in threads])
            return compose(threads, bundle.messages, detail, self._console, contexts, zone=self._roster.zone)
        except Exception as error:  # noqa: BLE001 - better told without its course than not at all
            self._defect("a message goes without detail", error)
            return compose(threads, bundle.messages, "none", self._console)

    async def _try_again(self, bundle: Bundle, failed: DeliveryFailed, *, dead: bool) -> None:
        now = self._now()
        if not failed.again or now >= bundle.give_up_at or (dead and bundle.elsewhere):
            await self._give_up(bundle, failed.reason)
            return
        metrics.RETRIES.labels(bundle.to.channel).inc()
        at = next_try(bundle, now, failed.wait_seconds, self._random)
        await self._note_each(bundle, lambda message: self._store.retry(message, at, failed.reason))

    async def _give_up(self, bundle: Bundle, reason: str) -> None:
        await self._note_each(bundle, lambda message: self._store.failed(message, reason, self._now()))

    async def _note_each(self, bundle: Bundle, note: Callable[[Message], None]) -> None:
        for message in bundle.messages:
            await self._note(message, note)

    async def _note(self, message: Message, note: Callable[[Message], None]) -> None:
        """Write down what became of a message, as long as it takes: what is not written down is sent again."""
        while True:
            try:
                await asyncio.to_thread(note, message)
                return
            except SQLAlchemyError as error:
                log.warning("a delivery waits to be noted", extra={"reason": type(error).__name__})
            except Exception as error:  # noqa: BLE001 - about this message; the others must be told
                self._defect("a delivery cannot be noted", error)
                aside = self._now() + timedelta(seconds=self._pace.defect_seconds)
                await asyncio.to_thread(self._store.retry, message, aside, "defect")
                return
            if self._until.is_set():
                return
            await asyncio.sleep(self._pace.note_seconds)

    def _defect(self, what: str, error: Exception) -> None:
        metrics.DISPATCH_FAILURES.inc()
        log.error(what, extra={"reason": place_of(error)})

    # --- tasks ---

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """The end of one task is not the end of the dispatcher; what it had on loan comes again."""
        try:
            await work
        except SQLAlchemyError as error:
            log.warning("messages wait for the database", extra={"reason": type(error).__name__})
        except Exception as error:  # noqa: BLE001 - about these messages; the others must be told
            self._defect("messages could not be worked on", error)

    async def _rest(self, until: asyncio.Event) -> None:
        """Until something ended, a while has passed, or the stop."""
        waits: Sequence[asyncio.Task[Any]] = [
            asyncio.create_task(until.wait()), asyncio.create_task(self._wake.wait())
        ]  # fmt: skip
        await asyncio.wait(waits, timeout=self._pace.turn_seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
