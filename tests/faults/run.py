"""One fault run: start, feed, stop at random, wait until all is read, and say what is wrong."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from random import Random

from kafka.errors import KafkaError

from refrain.cli.kafka import LocalKafka
from refrain.cli.streams import admin, backlog
from refrain.contracts.topics import FLAGGED_REPORTS
from refrain.runtime.database import open_database
from tests.faults import verdict
from tests.faults.feed import Feed
from tests.faults.processes import ENGINES, Fleet
from tests.faults.stories import Message, deliveries
from tests.faults.told import Ledgers, read_topics

WINDOW = 600
"""So many reports the feed may be ahead of response: stops meet work everywhere, and batches of several sizes."""
TICK_SECONDS = 0.2
STUCK_SECONDS = 90.0
"""Nothing moved for so long: the run has failed. Longer than a worker retries inside a batch."""
PAUSE_SECONDS = 9.0
"""Longer than the consumer group waits for a heartbeat (6 s)."""
STOPS = tuple(product((signal.SIGKILL, signal.SIGTERM), ("intake", *ENGINES)))
"""Each service by each signal, taken in this order and shaken afterwards."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, and how rough. Every random choice follows from the seed."""

    seed: int
    patients: int
    reports_each: int
    stops: int
    pauses: int = 0
    """An engine's worker stands still, loses its partitions, and goes on with a batch that another one has by then."""
    kafka_restarts: int = 0
    connections: int = 6


@dataclass
class Run:
    """What one run has and counts."""

    plan: Plan
    kafka: LocalKafka
    fleet: Fleet
    feed: Feed
    ledgers: Ledgers
    stops: Counter[str] = field(default_factory=Counter)
    chance: Random = field(default_factory=Random)

    @property
    def done(self) -> int:
        """Reports that went through flagging into response's ledger."""
        return self.ledgers.count("response", FLAGGED_REPORTS)

    def go(self) -> str:
        """Feed and stop until everything is delivered, read and acknowledged; a sentence when it gets stuck."""
        reports = len({one.original for one in self.feed.deliveries if isinstance(one, Message)})
        coming = self._schedule(reports)
        self.feed.limit = WINDOW
        self.feed.start()
        done, moved = 0, time.monotonic()
        while coming or not self.feed.finished or done < reports:
            time.sleep(TICK_SECONDS)
            self.fleet.look_after()
            if (now := self.done) > done:
                done, moved = now, time.monotonic()
                self.feed.limit = done + WINDOW
            if time.monotonic() - moved > STUCK_SECONDS:
                return f"stuck at {done} of {reports} reports"
            while coming and done >= coming[0][0]:
                coming.pop(0)[1]()
                moved = time.monotonic()
        return self._settle()

    def _schedule(self, reports: int) -> list[tuple[int, Callable[[], None]]]:
        """Progress in reports, and what happens then."""
        stops = [STOPS[place % len(STOPS)] for place in range(self.plan.stops)]
        coming: list[tuple[int, Callable[[], None]]] = [
            (self.chance.randrange(reports // 50, reports * 9 // 10), partial(self._stop, service, how))
            for how, service in stops
        ]
        coming += [
            (self.chance.randrange(reports // 50, reports * 8 // 10), partial(self._pause, ENGINES[place % 3]))
            for place in range(self.plan.pauses)
        ]
        coming += [
            (self.chance.randrange(reports // 3, reports * 2 // 3), self._restart_kafka)
            for _ in range(self.plan.kafka_restarts)
        ]
        return sorted(coming, key=lambda one: one[0])

    def _stop(self, service: str, how: signal.Signals) -> None:
        self.chance.choice(self.fleet.of(service)).tell(how)
        self.stops[how.name] += 1

    def _pause(self, engine: str) -> None:
        self.chance.choice(self.fleet.of(engine)).pause(PAUSE_SECONDS)
        self.stops["paused"] += 1

    def _restart_kafka(self) -> None:
        """As if its machine had lost power for a moment."""
        self.kafka.stop(signal.SIGKILL)
        time.sleep(self.chance.uniform(1, 6))
        self.kafka.start()
        self.stops["Kafka"] += 1

    def _settle(self) -> str:
        """Until each engine has committed the ends of its topics, first those that the others read from."""
        for engine in ENGINES:
            waiting, moved = -1, time.monotonic()
            while (now := self._waiting(engine)) != 0:
                if now != waiting:
                    waiting, moved = now, time.monotonic()
                if time.monotonic() - moved > STUCK_SECONDS:
                    return f"{engine} is stuck with {now} records before it"
                self.fleet.look_after()
                time.sleep(TICK_SECONDS)
        return ""

    def _waiting(self, engine: str) -> int:
        try:
            with admin(self.kafka.bootstrap) as client:
                return sum(topic.waiting for topic in backlog(client, engine).values())
        except KafkaError:
            return -1


def run(plan: Plan, folder: Path, kafka: LocalKafka, ledger: Callable[[str], str]) -> list[str]:
    """Everything that is wrong afterwards; prints the figures. ``ledger`` gives the database URL of a service."""
    print(f"\nfaults: REFRAIN_FAULTS_SEED={plan.seed}, {plan}", flush=True)
    started = time.monotonic()
    chance = Random(plan.seed)
    told = deliveries(plan.patients, plan.reports_each, chance)
    fleet = Fleet(folder, kafka.bootstrap, ledger)
    feed = Feed(told, fleet, plan.connections)
    ledgers = Ledgers({engine: open_database(ledger(engine), engine) for engine in ENGINES})
    this = Run(plan, kafka, fleet, feed, ledgers, chance=chance)
    try:
        fleet.prepare()
        fleet.start()
        stuck = this.go()
    finally:
        feed.stop()
        fleet.stop()
    ran = time.monotonic() - started
    try:
        return [stuck, *_judge(this, ran)] if stuck else _judge(this, ran)
    finally:
        ledgers.close()


def _judge(this: Run, ran: float) -> list[str]:
    started = time.monotonic()
    topics = read_topics(this.kafka.bootstrap)
    wrong = [
        *verdict.what_was_answered_is_on_kafka(this.feed, topics),
        *verdict.no_fact_is_lost(topics, this.ledgers),
        *verdict.outboxes_are_told(topics, this.ledgers),
        *verdict.everything_is_exact(topics, this.ledgers),
        *verdict.nothing_was_put_aside(this.kafka.bootstrap),
        *verdict.nobody_left_for_a_bad_reason(this.fleet, kafka_was_away=this.plan.kafka_restarts > 0),
    ]
    alerts = Counter(alert.fact for course in topics.courses.values() for alert in course.alerts)
    exits = {f"{service} {told} {code}": times for (service, told, code), times in sorted(this.fleet.exits.items())}
    print(
        f"  {len(this.feed.reports)} reports of {len(topics.courses)} patients, "
        f"{len(this.feed.recorded)} care events, {len(this.feed.acknowledged)} AA, {this.feed.resent} sent again"
        f"\n  stops {dict(this.stops)}, exits {exits}"
        f"\n  records {dict(topics.records)}\n  repeated {dict(topics.repeated)}\n  alerts {dict(alerts)}"
        f"\n  {ran:.0f} s of run, {time.monotonic() - started:.0f} s of reading; wrong: {len(wrong)}"
    )
    return wrong
