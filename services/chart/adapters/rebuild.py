"""``python -m services.chart rebuild``: the read model emptied in one transaction, and read again from Kafka.

Workers that run find the offsets gone and read again by themselves. The command joins them as one more of their group
until what was there at its start is read, so that it needs no worker, and leaves when the end is reached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from refrain.runtime.database import check, open_database
from refrain.runtime.leaving import Leave, leave
from services.chart import metrics
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.reading import Reader, look_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from refrain.runtime.settings import WorkerSettings

SERVICE = "chart"
MIGRATIONS = "services.chart.adapters:migrations"
SAY_SECONDS = 1.0


class Unfinished(Exception):
    """The read model is not whole yet. The text is a sentence for the operator."""


def rebuild(
    settings: WorkerSettings, say: Callable[[str], None], *, every: float = SAY_SECONDS, leave: Leave = leave
) -> str:
    """Rebuild and return the digest; ``say`` gets sentences for the operator. Users, sessions and the audit stay.

    WrongRevision, KafkaError or TopicMissing before anything was emptied. Interrupted afterwards, the pages show that
    a rebuild is under way until workers have done it; doing it again is harmless.
    """
    engine = open_database(settings.ledger, SERVICE)
    try:
        check(engine, SERVICE, MIGRATIONS)
        there = look_at(settings.kafka_broker)
        projection, read_model = Projection(engine, metrics.BATCH), ReadModel(engine)
        projection.empty(there.name, there.goals)
        metrics.EMPTIED.inc()
        records = sum(end - there.begins[place] for place, end in there.goals.items())
        say(f"The read model is empty; {records:,} records are read again.")
        reader = Reader(
            projection, settings.kafka_broker, group=settings.group, patience_seconds=settings.patience_seconds,
            leave=leave,
        )  # fmt: skip
        with _reading(reader) as thread:
            while (progress := read_model.progress()).rebuilding and thread.is_alive():
                say(f"Read {progress.read:,} of {progress.end:,} records.")
                thread.join(every)
        if progress.rebuilding:
            raise Unfinished("The rebuild did not come to its end: start a worker, which goes on, or rebuild again.")
        digest = projection.digest()
        say(f"Done: {projection.rows():,} rows, digest {digest[:16]}.")
        return digest
    finally:
        engine.dispose()


@contextmanager
def _reading(reader: Reader) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=reader.run, args=(stop,), name="rebuild", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()
