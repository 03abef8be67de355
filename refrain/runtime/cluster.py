"""Which Kafka this is: what a service keeps belongs to the cluster that its facts came from."""

from __future__ import annotations

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, stop_never, wait_exponential_jitter

BOOTSTRAP_MILLISECONDS = 3_000
"""One attempt to reach Kafka. The client's own pauses grow to half a minute, long after Kafka is back."""


def cluster_id(broker: str, patience_seconds: float | None = None) -> str:
    """The id of the cluster at ``broker``. Waits until it answers, or for so long and then raises KafkaError."""
    retrying = Retrying(
        retry=retry_if_exception_type(KafkaError),
        wait=wait_exponential_jitter(multiplier=0.2, max=5.0),
        stop=stop_never if patience_seconds is None else stop_after_delay(patience_seconds),
        reraise=True,
    )
    found: str = retrying(_ask, broker)
    return found


def _ask(broker: str) -> str:
    admin = KafkaAdminClient(bootstrap_servers=broker.split(","), bootstrap_timeout_ms=BOOTSTRAP_MILLISECONDS)
    try:
        return str(admin.describe_cluster()["cluster_id"])
    finally:
        admin.close()
