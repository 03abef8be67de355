"""One run: people are told of invented alerts while replicas are killed, then all that is there is compared."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from threading import Event, Thread

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from sqlalchemy import Connection, Engine, func, select

from refrain.cli.kafka import LocalKafka, wait_until_ready
from refrain.cli.problems import CannotStart
from refrain.contracts.topics import ALERT_ACTIONS, ALERTS, TOPICS, Topic, inputs_of
from refrain.runtime.database import READING, open_database
from refrain.runtime.leaving import ExitCode
from refrain.runtime.produce import Outgoing, Producer
from services.chart.adapters.tables import OFFSETS
from services.notify.adapters.tables import ACTIONS, DELIVERIES, POSITIONS, THREADS, UNPUBLISHED, UNSENT
from services.notify.domain.roster import load
from tests.faults.people import evidence as found
from tests.faults.people import verdict
from tests.faults.people.answering import Answering
from tests.faults.people.evidence import Evidence
from tests.faults.people.receivers import Receivers, mail_server, webhook
from tests.faults.people.replicas import LEASE_SECONDS, Replicas, digest_hour, roster_text
from tests.faults.people.stories import Telling, tellings
from tests.faults.processes import BY_ITSELF, Slot
from tests.faults.told import values
from tests.faults.verdict import nobody_left_for_a_bad_reason

TICK_SECONDS = 0.1
FIRST_STOP_SECONDS = 5.0
STUCK_SECONDS = 120.0
"""The story stood still for so long: the run has failed."""
SETTLE_SECONDS = 300.0
"""Longest wait at the end for everything to be sent, escalated and read."""
WINDOW = 80
"""So many records, or messages that are due, may wait for notify before the story stands still: stops meet work
everywhere, on a fast machine and on a busy one."""
AHEAD_SECONDS = 300.0
"""What is due only after so long is not waited for: reminders, and what waits for the next digest."""
REPEATED = 0.05
"""So many tellings are put on Kafka a second time."""
UNPROMPTED = 0.02
EARLY = 0.1
"""So many stops may meet a process that is still starting."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, and how rough. Every random choice follows from the seed, but for what threads make of it."""

    seed: int
    alerts: int
    seconds: float
    """In which the alerts begin; what follows from them takes a little longer."""
    pace: float = 1.0
    """Of what follows: corrections, withdrawals, escalation."""
    every: tuple[float, float] = (1.0, 3.0)
    """Seconds of the story between two stops."""
    pause: bool = False
    """One replica of notify stands still for longer than its loans and holds last."""
    outage: bool = False
    """Kafka is killed once, and at another time the webhook takes nothing at all."""


@dataclass
class Run:
    """What one run has and counts."""

    plan: Plan
    kafka: LocalKafka
    replicas: Replicas
    receivers: Receivers
    answering: Answering
    tellings: list[Telling]
    chance: Random
    notify: Engine
    chart: Engine
    stops: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    """Records put on ``alerts.v1``."""
    clock: float = 0.0
    """Seconds of the story."""

    def go(self) -> str:
        """Feed, answer and stop until everything was told; a sentence when it does not come to rest."""
        fed = Event()
        feeder = Thread(target=self._feed, args=(fed,), daemon=True)
        while not self.replicas.ready:
            time.sleep(TICK_SECONDS)
            self.replicas.look_after()
        feeder.start()
        self.answering.start()
        coming, last = self._schedule(), time.monotonic()
        until = last + STUCK_SECONDS
        while not fed.is_set() and last < until:
            time.sleep(TICK_SECONDS)
            self.replicas.look_after()
            passed, last = time.monotonic() - last, time.monotonic()
            if self._waiting() < WINDOW:
                self.clock += min(passed, 5 * TICK_SECONDS)
                until = last + STUCK_SECONDS
            while coming and self.clock >= coming[0][0]:
                coming.pop(0)[1]()
        return self._settle() if fed.is_set() else f"stuck after {self.clock:.0f} s of the story"

    def _waiting(self) -> int:
        """Records that notify has not read, or messages that are due."""
        now = int(time.time() * 1_000_000)
        with reading(self.notify) as sql:
            read = sql.scalar(select(func.sum(POSITIONS.c.following))) or 0
            due = sql.scalar(select(func.count()).select_from(DELIVERIES).where(UNSENT, DELIVERIES.c.next_try_at < now))
        return max(self.sent - read, due or 0)

    def _feed(self, fed: Event) -> None:
        producer = Producer(self.kafka.bootstrap, "test")
        for telling in self.tellings:
            while self.clock < telling.after:
                time.sleep(TICK_SECONDS / 2)
            records = [Outgoing.of(ALERTS, event) for event in telling.events]
            for _ in range(1 + (self.chance.random() < REPEATED)):
                while not self._put(producer, records):
                    time.sleep(0.5)
            if self.chance.random() < UNPROMPTED and telling.events[0].fact == "alert_raised":
                self.answering.unprompted(telling.events[0].alert)
        producer.close()
        fed.set()

    def _put(self, producer: Producer, records: list[Outgoing]) -> bool:
        try:
            producer.send(records)
        except KafkaError:
            return False
        self.sent += len(records)
        return True

    def _schedule(self) -> list[tuple[float, Callable[[], None]]]:
        """Stops until the feed ends, and the great faults in between, each away from the others."""
        seconds = self.tellings[-1].after
        coming: list[tuple[float, Callable[[], None]]] = []
        at = FIRST_STOP_SECONDS
        while at < seconds:
            coming.append((at, self._stop))
            at += self.chance.uniform(*self.plan.every)
        if self.plan.pause:
            coming.append((seconds * 0.25, self._pause))
        if self.plan.outage:
            coming.append((seconds * 0.45, self._restart_kafka))
            coming += [(seconds * 0.7, lambda: self._webhook(down=True)),
                       (seconds * 0.7 + 12, lambda: self._webhook(down=False))]  # fmt: skip
        return sorted(coming, key=lambda one: one[0])

    def _stop(self) -> None:
        """Three of five times notify, two of three times by SIGKILL; whoever stands still is left alone.

        Mostly somebody who serves: on a busy machine nobody would ever come so far.
        """
        service = self.chance.choices(("notify", "chart"), (3, 2))[0]
        how = self.chance.choices((signal.SIGKILL, signal.SIGTERM), (2, 1))[0]
        slots = [slot for slot in self.replicas.of(service) if not slot.paused_until and not slot.told]
        serving = [slot for slot in slots if self.replicas.serves(slot)]
        slots = slots if self.chance.random() < EARLY else serving
        if slots:
            self.chance.choice(slots).tell(how)
            self.stops[f"{service} {how.name}"] += 1

    def _pause(self) -> None:
        slot: Slot = self.chance.choice(self.replicas.of("notify"))
        slot.pause(LEASE_SECONDS + 3)
        self.stops["notify paused"] += 1

    def _restart_kafka(self) -> None:
        self.kafka.stop(signal.SIGKILL)
        time.sleep(self.chance.uniform(2, 5))
        try:
            self.kafka.start()
        except CannotStart:  # a busy machine takes longer than that to read its log again
            wait_until_ready(self.kafka.bootstrap, alive=lambda: True, seconds=STUCK_SECONDS)
        self.stops["Kafka SIGKILL"] += 1

    def _webhook(self, *, down: bool) -> None:
        self.receivers.down = down
        self.stops["webhook down"] += down

    # --- the end ---

    def _settle(self) -> str:
        """Until all is read, told, escalated and published. People answer until nothing is unsent for a moment."""
        begun = time.monotonic()
        left = {"unsent": 1}
        while left and time.monotonic() < begun + SETTLE_SECONDS:
            time.sleep(TICK_SECONDS * 5)
            self.replicas.look_after()
            left = self._left()
            if (not left.get("unsent") and not left.get("unread")) or time.monotonic() > begun + SETTLE_SECONDS / 2:
                self.answering.stop()
        self.answering.stop()
        said = ", ".join(f"{count} {what}" for what, count in left.items())
        return f"it did not come to rest: {said}" if left else ""

    def _left(self) -> dict[str, int]:
        """What is still to be done; empty when nothing is."""
        ahead = int((time.time() + AHEAD_SECONDS) * 1_000_000)
        with reading(self.notify) as sql:
            unsent = sql.scalar(select(func.count()).select_from(DELIVERIES).where(
                UNSENT, DELIVERIES.c.next_try_at < ahead, DELIVERIES.c.not_before < ahead))  # fmt: skip
            waking = sql.scalar(select(func.count()).select_from(THREADS).where(THREADS.c.wake_at < ahead))
            unpublished = sql.scalar(select(func.count()).select_from(ACTIONS).where(UNPUBLISHED))
            at = {(row.topic, row.partition): row.following for row in sql.execute(select(POSITIONS))}
        with reading(self.chart) as sql:
            shown = {(row.topic, row.partition): row.next for row in sql.execute(select(OFFSETS))}
        try:
            unread = _behind(self.kafka.bootstrap, inputs_of("notify"), at)
            unshown = _behind(self.kafka.bootstrap, (ALERTS, ALERT_ACTIONS), shown)
        except KafkaError:
            return {"unread": 1}
        left = {"unsent": unsent, "waking": waking, "unpublished": unpublished, "unread": unread, "unshown": unshown}
        return {what: count for what, count in left.items() if count}


def reading(engine: Engine) -> Connection:
    """A connection that takes no lock from those who write."""
    return engine.connect().execution_options(**{READING: True})


def _behind(bootstrap: str, topics: tuple[Topic, ...], at: dict[tuple[str, int], int]) -> int:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap.split(","))
    try:
        places = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
        ends = consumer.end_offsets(places)
    finally:
        consumer.close()
    return sum(max(0, end - at.get((place.topic, place.partition), 0)) for place, end in ends.items())


def run(plan: Plan, folder: Path, kafka: LocalKafka, ledger: Callable[[str], str]) -> list[str]:
    """Everything that is wrong afterwards; prints the figures. ``ledger`` gives the database URL of a service."""
    print(f"\npeople: REFRAIN_FAULTS_SEED={plan.seed}, {plan}", flush=True)
    chance = Random(plan.seed)
    told = tellings(plan.alerts, plan.seconds, plan.pace, chance)
    laboratory = frozenset(event.alert for one in told for event in one.events if event.tier == "DQ")
    digest = digest_hour(told[-1].after * 0.75)
    receivers = Receivers(Random(chance.random()))
    engines = {service: open_database(ledger(service), service) for service in ("notify", "chart")}
    with ExitStack() as stack:
        for engine in engines.values():
            stack.callback(engine.dispose)
        url, port = stack.enter_context(webhook(receivers)), stack.enter_context(mail_server(receivers))
        text = roster_text(url, port, digest, plan.pace)
        replicas = Replicas(folder, kafka.bootstrap, ledger, roster=text)
        answering = Answering(replicas, Random(chance.random()), laboratory)
        receivers.told = answering.heard
        this = Run(plan, kafka, replicas, receivers, answering, told, chance, engines["notify"], engines["chart"])
        begun = time.monotonic()
        try:
            replicas.prepare()
            replicas.start()
            stuck = this.go()
        finally:
            answering.stop()
            replicas.stop()
        ran = time.monotonic() - begun
        print(f"  read after {ran:.0f} s", flush=True)
        there = _gather(this, text, digest.timestamp(), f"sqlite:///{folder}/rebuilt.db")
        return _judge(this, there, stuck, ran)


def _gather(this: Run, text: str, digest_at: float, fresh: str) -> Evidence:
    issued, _ = found.issued_on(this.kafka.bootstrap)
    shown, digest = found.shown_by(this.chart, sorted({issue.event.alert for issue in issued}))
    return Evidence(
        roster=load(text), issued=issued, accepted=tuple(this.receivers.accepted),
        requests=tuple(this.answering.requests), published=found.published_on(this.kafka.bootstrap),
        audit=found.audit_in(this.notify), deliveries=found.deliveries_in(this.notify),
        threads=found.threads_in(this.notify), shown=shown, read_model=digest,
        rebuilt=found.rebuilt_from(this.kafka.bootstrap, fresh, lambda _: None), digest_at=digest_at,
        ended_at=time.time(),
    )  # fmt: skip


def _judge(this: Run, there: Evidence, stuck: str, ran: float) -> list[str]:
    allowed: Counter[str] = Counter()
    wrong = [stuck] if stuck else []
    wrong += verdict.judge(there, allowed)
    _print(this, there, allowed, ran)
    if this.plan.pause:  # in SQLite it may stand still with the lock, for longer than the others wait for it
        for service in ("notify", "chart"):
            del this.replicas.exits[service, BY_ITSELF, ExitCode.LEDGER_AWAY]
    wrong += nobody_left_for_a_bad_reason(this.replicas, kafka_was_away=this.plan.outage)
    if this.receivers.unsigned:
        wrong.append(f"{this.receivers.unsigned} messages were not signed as they should be")
    for name in (topic.dead_letters(service) for topic in TOPICS for service in topic.read_by):
        if count := sum(1 for _ in values(this.kafka.bootstrap, name)):
            wrong.append(f"{count} records on {name}")
    log = this.replicas.log()
    if leaked := sum(life.patient.rpartition("|")[2] in log for life in there.lives.values()):
        wrong.append(f"the logs name {leaked} patients")
    for sentence in wrong:
        print(f"  WRONG {sentence}")
    return wrong


def _print(this: Run, there: Evidence, allowed: Counter[str], ran: float) -> None:
    exits = {f"{service} {told} {code}": times for (service, told, code), times in this.replicas.exits.items()}
    keys = {(one.channel, one.key) for one in there.accepted}
    outcomes = Counter(f"{one.kind} {one.outcome}" for one in there.requests)
    waits = sorted(
        min(one.at for one in heard) - life.periods[0].start
        for life in there.lives.values()
        if life.live and life.tier != "P3" and (heard := there.heard_of.get(life.alert))
    )
    untold = [
        period.end - period.start
        for life in there.lives.values()
        for period in life.periods
        if life.live and period.end is not None and not there.heard_of.get(life.alert)
    ]
    print(
        f"  {len(there.lives)} alerts of {len({life.patient for life in there.lives.values()})} patients, "
        f"{len(there.issued)} events in {this.sent} records, {ran:.0f} s"
        f"\n  stops {dict(this.stops)}, exits {dict(sorted(exits.items()))}"
        f"\n  tries {dict(sorted(this.receivers.tries.items()))}"
        f"\n  {len(there.accepted)} accepted, {len(keys)} different keys, "
        f"{len(there.accepted) - len(keys)} repeated with the same key"
        f"\n  deliveries {dict(Counter(one.state for one in there.deliveries.values()))}"
        f"\n  actions {dict(sorted(Counter(one.body.type for one in there.audit).items()))}"
        f"\n  answers {dict(sorted(outcomes.items()))}"
        f"\n  until somebody was told: median {median(waits or [0]):.1f} s, longest {max(waits, default=0):.1f} s; "
        f"stood at most {max(untold, default=0):.1f} s and ended untold"
        f"\n  let pass {dict(sorted(allowed.items()))}"
    )
