"""All that flagging exports. Labels come from closed lists; nothing here names a patient."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from refrain.runtime.worker_metrics import END_TO_END_BUCKETS, STEP_BUCKETS, WorkerMetrics

METRICS = WorkerMetrics(
    reports=Counter("refrain_flagging_reports_total", "Records read, by topic and outcome.", ["topic", "outcome"]),
    observations=Counter("refrain_flagging_observations_total", "Observations in reports, by outcome.", ["outcome"]),
    step_seconds=Histogram("refrain_flagging_step_seconds", "The pure step for one patient.", buckets=STEP_BUCKETS),
    end_to_end_seconds=Histogram(
        "refrain_flagging_end_to_end_seconds",
        "From intake's record of the newest cause to Kafka's acknowledgement of the output.",
        buckets=END_TO_END_BUCKETS,
    ),
    outputs=Counter("refrain_flagging_outputs_total", "Events put on Kafka, by topic.", ["topic"]),
    dead_letters=Counter(
        "refrain_flagging_dead_letters_total", "Records put aside, by topic and by what failed.", ["topic", "cause"]
    ),
    lag=Gauge("refrain_flagging_lag_records", "Records that wait on this worker's partitions, by topic.", ["topic"]),
    newest_fact=Gauge("refrain_flagging_newest_fact_timestamp_seconds", "When intake had the newest fact read."),
    holes=Counter("refrain_flagging_offset_holes_total", "Offsets the consumer skipped: an alarm.", ["topic"]),
    refused=Counter("refrain_flagging_outputs_refused_total", "Outputs too large for Kafka, still unsent.", ["topic"]),
)
