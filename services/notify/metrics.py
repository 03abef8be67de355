"""All that notify exports. Labels come from closed lists and the roster's channels; nothing here names a patient.

What FAT-5 asks for is here by kind: told, acknowledged, time to it, retracted, overridden.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from prometheus_client import Counter, Gauge, Histogram

from refrain.contracts.acknowledging import REASON_BY_CODE
from refrain.contracts.events import AlertAction, Tier
from refrain.contracts.kinds import KINDS
from refrain.contracts.topics import inputs_of
from refrain.runtime.consumer_metrics import ConsumerMetrics
from services.notify.adapters.desk import Step
from services.notify.domain.thread import Thread

TIERS: tuple[Tier, ...] = ("P1", "P2", "P3", "DQ")
DELIVERY_BUCKETS = (1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 14400, 86400, 259200, 604800)
ANSWER_BUCKETS = (30, 60, 300, 600, 900, 1800, 3600, 14400, 28800, 86400, 172800, 259200, 604800, 1209600)
AGES: tuple[tuple[str, timedelta], ...] = (
    ("under_15m", timedelta()),
    ("under_1h", timedelta(minutes=15)),
    ("under_1d", timedelta(hours=1)),
    ("under_3d", timedelta(days=1)),
    ("under_7d", timedelta(days=3)),
    ("older", timedelta(days=7)),
)
"""Ages of open alerts: the name of each bucket, and the age from which an alert is in it."""

CONSUMER = ConsumerMetrics(
    records=Counter("refrain_notify_records_total", "Records read, by topic and outcome.", ["topic", "outcome"]),
    dead_letters=Counter(
        "refrain_notify_dead_letters_total", "Records put aside, by topic and by what failed.", ["topic", "cause"]
    ),
    lag=Gauge("refrain_notify_lag_records", "Records that wait on this process's partitions, by topic.", ["topic"]),
    newest_fact=Gauge("refrain_notify_newest_fact_timestamp_seconds", "When intake had the newest fact read."),
)
ALERTS = Counter("refrain_notify_alerts_total", "Alerts that came in.", ["kind", "tier"])
TOLD = Counter("refrain_notify_told_total", "Messages that a channel took.", ["kind", "tier"])
ACKNOWLEDGED = Counter("refrain_notify_acknowledged_total", "Alerts taken on.", ["kind", "tier", "reason"])
OVERRIDDEN = Counter("refrain_notify_overridden_total", "Of these, not worth their interruption.", ["kind", "tier"])
RETRACTED = Counter("refrain_notify_retracted_total", "Alerts taken back.", ["kind", "tier"])
ESCALATED = Counter("refrain_notify_escalated_total", "Alerts told to the next level.", ["tier", "reason"])
UNDELIVERED = Counter("refrain_notify_undelivered_total", "Messages that a channel gave up.", ["tier", "reason"])
SNOOZED = Counter("refrain_notify_snoozed_total", "Alerts silenced for a while.", ["tier"])
REASSIGNED = Counter("refrain_notify_reassigned_total", "Alerts given to another person.", ["tier"])
REOPENED = Counter("refrain_notify_reopened_total", "Answered alerts that wait again.", ["tier"])
RESULT_TO_DELIVERY = Histogram(
    "refrain_notify_result_to_delivery_seconds", "From intake's record of the newest result to the first channel.",
    ["tier"], buckets=DELIVERY_BUCKETS,
)  # fmt: skip
DELIVERY = Histogram(
    "refrain_notify_delivery_seconds", "From notify's record of an alert to the first channel that took it.",
    ["tier"], buckets=DELIVERY_BUCKETS,
)  # fmt: skip
ACKNOWLEDGEMENT = Histogram(
    "refrain_notify_acknowledgement_seconds", "From when an alert last began to wait to the person who took it on.",
    ["tier"], buckets=ANSWER_BUCKETS,
)  # fmt: skip
READ_BACK = Histogram(
    "refrain_notify_read_back_seconds", "From when a critical alert last began to wait to its read-back.",
    buckets=ANSWER_BUCKETS,
)  # fmt: skip
REFUSED = Counter("refrain_notify_answers_refused_total", "Answers that came too late or made no sense.", ["reason"])
TIMER_FAILURES = Counter("refrain_notify_timer_failures_total", "Timers that could not be fired: a defect.")
OPEN = Gauge("refrain_notify_open_records", "Alerts that wait for somebody, by age.", ["tier", "age"])
UNTOLD = Gauge("refrain_notify_untold_records", "Alerts of which somebody should have heard, and nobody did.", ["tier"])
UNSENT = Gauge("refrain_notify_unsent_records", "Messages that wait for a channel.", ["channel"])
CHANNEL_READY = Gauge("refrain_notify_channel_ready", "1 while a channel takes messages.", ["channel"])
TRIES = Counter(
    "refrain_notify_tries_total", "Messages handed to a channel, by what came of it: taken, or why not.",
    ["channel", "outcome"],
)  # fmt: skip
RETRIES = Counter("refrain_notify_retries_total", "Messages that the same channel is to try again.", ["channel"])
SEND_SECONDS = Histogram(
    "refrain_notify_send_seconds", "How long a channel took to take or refuse a message.", ["channel"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60),
)  # fmt: skip
DISPATCH_FAILURES = Counter("refrain_notify_dispatch_failures_total", "Messages met by a defect of ours.")
CONTEXTS = Counter("refrain_notify_contexts_total", "Alerts that chart was asked about, by answer.", ["outcome"])
CDS_CARDS = Counter("refrain_notify_cds_cards_total", "CDS Hooks cards sent, by indicator.", ["kind"])
CDS_PATIENTS = Counter(
    "refrain_notify_cds_patients_total", "Patients that an EHR asked about: found, unknown, ambiguous or not sent.",
    ["outcome"],
)  # fmt: skip
CDS_FEEDBACK = Counter(
    "refrain_notify_cds_feedback_total", "What EHRs said of cards, by what came of it and its reason.",
    ["outcome", "reason"],
)  # fmt: skip
CDS_REFUSED = Counter("refrain_notify_cds_refused_total", "Calls of CDS Hooks that were refused.", ["reason"])
UNPUBLISHED = Gauge("refrain_notify_unpublished_records", "Actions that Kafka has not acknowledged.")


def initialise() -> None:
    """Show labels from the start, so that a rate over them is defined."""
    CONSUMER.initialise(inputs_of("notify"))
    for tier in TIERS:
        for per_tier in (SNOOZED, REASSIGNED, REOPENED, RESULT_TO_DELIVERY, DELIVERY, ACKNOWLEDGEMENT):
            per_tier.labels(tier)
        UNTOLD.labels(tier)
        for reason in ("unanswered", "undeliverable", "nobody_on_duty"):
            ESCALATED.labels(tier, reason)
        for age, _ in AGES:
            OPEN.labels(tier, age)


def show_channels(names: Iterable[str]) -> None:
    """The same for the channels of the roster; each counts as ready until it is seen to be down."""
    for name in names:
        CHANNEL_READY.labels(name).set(1)
        for per_channel in (RETRIES, SEND_SECONDS):
            per_channel.labels(name)
        for outcome in ("taken", "unreachable", "refused", "timeout", "auth", "tls", "misconfigured"):
            TRIES.labels(name, outcome)


def count(steps: Iterable[Step]) -> None:
    """Count what was committed."""
    for step in steps:
        before, thread = step.before, step.outcome.thread
        kind = kind_label(thread.kind)
        if before is None and thread.processing == "live":
            ALERTS.labels(kind, thread.tier).inc()
        if thread.fact_state == "retracted" and (before is None or before.fact_state != "retracted"):
            RETRACTED.labels(kind, thread.tier).inc()
        first = before is None or not any(entry.sure for entry in before.told)
        for action in step.outcome.actions:
            _count(action, thread, kind, first)
            first = first and action.body.type != "told"


def kind_label(kind: str) -> str:
    """A kind of the closed list, else ``other``."""
    return kind if kind in KINDS else "other"


def _count(action: AlertAction, thread: Thread, kind: str, first: bool) -> None:
    tier, body = action.tier, action.body
    match body.type:
        case "told":
            TOLD.labels(kind, tier).inc()
            if first:
                RESULT_TO_DELIVERY.labels(tier).observe(_seconds(thread.recorded_at, action.at))
                DELIVERY.labels(tier).observe(_seconds(thread.raised_at, action.at))
        case "acknowledged":
            reason = body.reason if body.reason in REASON_BY_CODE else "other"
            ACKNOWLEDGED.labels(kind, tier, reason).inc()
            ACKNOWLEDGEMENT.labels(tier).observe(_seconds(_waits_since(thread), action.at))
            if body.override:
                OVERRIDDEN.labels(kind, tier).inc()
        case "read_back":
            READ_BACK.observe(_seconds(_waits_since(thread), action.at))
        case "escalated":
            ESCALATED.labels(tier, body.reason).inc()
        case "undelivered":
            UNDELIVERED.labels(tier, body.reason).inc()
        case "snoozed":
            SNOOZED.labels(tier).inc()
        case "reassigned":
            REASSIGNED.labels(tier).inc()
        case "reopened":
            REOPENED.labels(tier).inc()


def _waits_since(thread: Thread) -> datetime:
    """When it was raised, opened again or became more urgent; what it was snoozed counts."""
    return thread.clock_from - thread.snoozed_for


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())


def show_untold(counts: Mapping[Tier, int]) -> None:
    for tier in TIERS:
        UNTOLD.labels(tier).set(counts.get(tier, 0))


def show_open(counts: Mapping[Tier, Sequence[int]]) -> None:
    """``counts``: by tier, how many open alerts are at least as old as the beginning of each of :data:`AGES`."""
    for tier in TIERS:
        older = [*counts.get(tier, [0] * len(AGES)), 0]
        for place, (age, _) in enumerate(AGES):
            OPEN.labels(tier, age).set(older[place] - older[place + 1])
