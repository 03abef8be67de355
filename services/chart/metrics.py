"""All that chart exports. Labels come from closed lists; nothing here names a patient, a person or a page's subject."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from refrain.contracts.topics import inputs_of
from refrain.runtime.consumer_metrics import ConsumerMetrics

CONSUMER = ConsumerMetrics(
    records=Counter("refrain_chart_records_total", "Records read, by topic and outcome.", ["topic", "outcome"]),
    dead_letters=Counter(
        "refrain_chart_dead_letters_total", "Records put aside, by topic and by what failed.", ["topic", "cause"]
    ),
    lag=Gauge("refrain_chart_lag_records", "Records that wait on this process's partitions, by topic.", ["topic"]),
    newest_fact=Gauge("refrain_chart_newest_fact_timestamp_seconds", "When intake had the newest fact read."),
)
BATCH = Histogram(
    "refrain_chart_batch_seconds", "One batch of records into the read model.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
EMPTIED = Counter(
    "refrain_chart_emptied_total", "Times the read model was emptied, because Kafka was another one or by a rebuild."
)
CONTEXTS = Counter(
    "refrain_chart_alert_contexts_total", "Contexts of alerts that notify asked for, by outcome.", ["outcome"]
)

REQUEST = Histogram(
    "refrain_chart_request_seconds", "From a request of the web side to the beginning of its answer, by outcome.",
    ["outcome"], buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25),
)  # fmt: skip
SIGN_INS = Counter("refrain_chart_sign_ins_total", "Sign-ins of people, by outcome.", ["outcome"])
LOOKS = Counter("refrain_chart_looks_total", "Looks at patients, by whether they could be written down.", ["outcome"])
UNANSWERED = Counter("refrain_chart_unanswered_total", "Questions to another service without an answer.", ["kind"])


def initialise() -> None:
    """Show every label from the start."""
    CONSUMER.initialise(inputs_of("chart"))
    for outcome in ("found", "unknown"):
        CONTEXTS.labels(outcome)
    for outcome in ("ok", "refused", "failed"):
        REQUEST.labels(outcome)
    for outcome in ("signed_in", "refused", "throttled"):
        SIGN_INS.labels(outcome)
    for outcome in ("written", "failed"):
        LOOKS.labels(outcome)
    for service in ("notify", "intake", "flagging", "response", "relapse"):
        UNANSWERED.labels(service)
