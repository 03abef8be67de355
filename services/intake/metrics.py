"""All that intake exports. Labels come from closed sets: known senders, outcomes, reasons, quality codes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("refrain_intake_messages_total", "Messages received, by what became of them.", ["sender", "outcome"])
QUARANTINED = Counter(
    "refrain_intake_quarantined_total", "Messages and single results that could not be used.", ["sender", "reason"]
)
RANGES = Counter("refrain_intake_ranges_total", "Reference ranges, by how they were read.", ["sender", "kind"])
QUALITY = Counter("refrain_intake_quality_total", "Quality codes on published results.", ["sender", "code"])
FLAGS = Counter(
    "refrain_intake_flags_total",
    "Laboratory flags against value and range as they were read, where the two can be compared.",
    ["sender", "outcome"],
)
ACK_SECONDS = Histogram(
    "refrain_intake_ack_seconds",
    "From the last byte of a message to its answer.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
)
LAST_MESSAGE = Gauge(
    "refrain_intake_last_message_timestamp_seconds", "When a sender's newest message came.", ["sender"]
)
FRAMING = Counter("refrain_intake_framing_total", "What was odd on the wire (feeds.md 4).", ["kind"])
CARE_EVENTS = Counter("refrain_intake_care_events_total", "Care events that people recorded.", ["outcome"])
FILES = Counter("refrain_intake_files_total", "Files of the watched folder.", ["outcome"])
MEMORY_FAILURES = Counter(
    "refrain_intake_memory_failures_total", "Times the duplicate memory or the work list could not be used.", ["kind"]
)
SLOW_TRANSLATIONS = Counter(
    "refrain_intake_slow_translations_total", "Messages whose translation took longer than the limit."
)
RESOLVED = Counter("refrain_intake_resolved_total", "Entries that a person took off the work list.", ["reason"])
REDRIVEN = Counter("refrain_intake_redriven_total", "Messages that a person drove again.", ["outcome"])
MAPPINGS = Counter("refrain_intake_mappings_total", "Mappings of codes that people made or withdrew.", ["kind"])
CODE_MAP_FAILURES = Counter(
    "refrain_intake_code_map_failures_total", "Times what people mapped could not be read; the last known is used."
)
CONNECTIONS = Gauge("refrain_intake_open_connections", "Open MLLP connections.")
STORING = Gauge("refrain_intake_ready", "1 while Kafka takes what arrives and the listeners are open.")
