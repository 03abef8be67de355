"""Which Kafka cluster the threads belong to; while Kafka is away, the one of the last time: people go on with it."""

from __future__ import annotations

import logging
from datetime import datetime
from threading import Event

from kafka.errors import KafkaError
from sqlalchemy import Engine, select

from refrain.runtime.cluster import cluster_id
from refrain.runtime.database import READING
from refrain.runtime.leaving import ExitCode, Leave
from services.notify.adapters.desk import inserting
from services.notify.adapters.tables import CHANGES, microseconds

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""How long a start waits for Kafka before it goes on without."""


def find_cluster(engine: Engine, broker: str, now: datetime, patience_seconds: float = PATIENCE_SECONDS) -> str:
    """The id of the cluster at ``broker``; of the last one seen while none answers. Waits where there was none yet."""
    try:
        return _seen(engine, cluster_id(broker, patience_seconds), now)
    except KafkaError:
        query = select(CHANGES.c.cluster).where(CHANGES.c.seen_at > 0).order_by(CHANGES.c.seen_at.desc()).limit(1)
        with engine.connect().execution_options(**{READING: True}) as sql:
            last: str | None = sql.scalar(query)
        if last is None:
            return _seen(engine, cluster_id(broker), now)
        log.warning("Kafka does not answer: going on with the alerts that are known", extra={"cluster": last})
        return last


def confirm_cluster(cluster: str, broker: str, stop: Event, leave: Leave) -> None:
    """Before anything is read: return when the Kafka at ``broker`` is this one, or at the stop; another one ends it."""
    while not stop.is_set():
        try:
            if cluster_id(broker, PATIENCE_SECONDS) != cluster:
                leave(ExitCode.KAFKA_AWAY, "another cluster answers")
            return
        except KafkaError as error:
            log.warning("waiting for Kafka", extra={"reason": type(error).__name__})


def _seen(engine: Engine, cluster: str, now: datetime) -> str:
    with engine.begin() as sql:
        insert = inserting(sql)(CHANGES).values(cluster=cluster, newest=0, seen_at=microseconds(now))
        seen = {"seen_at": insert.excluded.seen_at}
        sql.execute(insert.on_conflict_do_update(index_elements=[CHANGES.c.cluster], set_=seen))
    log.info("alerts of this Kafka cluster", extra={"cluster": cluster})
    return cluster
