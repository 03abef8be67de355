"""How far the read model is: offsets beside the rows, the log they are of, a rebuild's goal, and what changed last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, select, text, tuple_, update

from refrain.runtime.consume import Batch, MovedElsewhere, Partition
from services.chart.adapters.storing import chunks, put
from services.chart.adapters.tables import CHANGES, GOALS, LOG, OFFSETS, READ_MODEL
from services.chart.domain.views import Changed, Progress

KEPT_CHANGES = 10_000
"""Of which somebody who watches may still hear; older ones are gone, and the pages are fetched anew anyway."""


def stands(connection: Connection, places: Sequence[Partition], *, lock: bool = False) -> dict[Partition, int]:
    """The next offset of each partition; 0 where nothing was read."""
    found = dict.fromkeys(places, 0)
    query = select(OFFSETS).order_by(OFFSETS.c.topic, OFFSETS.c.partition)
    for some in chunks(places):
        wanted = query.where(tuple_(OFFSETS.c.topic, OFFSETS.c.partition).in_(some))
        for row in connection.execute(wanted.with_for_update() if lock else wanted):
            found[row.topic, row.partition] = row.next
    return found


def check(connection: Connection, batch: Batch) -> None:
    """MovedElsewhere unless the database stands where the batch begins."""
    if stands(connection, list(batch.first), lock=True) != dict(batch.first):
        raise MovedElsewhere


def move(connection: Connection, batch: Batch) -> None:
    """Stand behind the batch."""
    put(
        connection,
        OFFSETS,
        [
            {"topic": topic, "partition": partition, "next": after, "end": max(after, batch.ends.get(place, 0))}
            for place in sorted(batch.after)
            for (topic, partition), after in [(place, batch.after[place])]
        ],
    )


def note(connection: Connection, changes: Sequence[tuple[str, str, str]]) -> None:
    """Number what changed: patient, what, event. Its row is locked last, so that numbers are committed in order."""
    if not changes:
        return
    connection.execute(update(LOG).values(change=LOG.c.change + len(changes)))
    newest = newest_change(connection)
    first = newest - len(changes) + 1
    connection.execute(
        CHANGES.insert(),
        [
            {"number": first + index, "patient_key": key, "what": what, "event": event}
            for index, (key, what, event) in enumerate(changes)
        ],
    )
    connection.execute(delete(CHANGES).where(CHANGES.c.number <= newest - KEPT_CHANGES))


def newest_change(connection: Connection) -> int:
    """Number of the newest change."""
    return int(connection.scalar(select(LOG.c.change)) or 0)


def changes(connection: Connection, after: int, key: str, limit: int) -> list[Changed]:
    """What changed after a number, oldest first."""
    query = select(CHANGES).where(CHANGES.c.number > after).order_by(CHANGES.c.number).limit(limit)
    if key:
        query = query.where(CHANGES.c.patient_key == key)
    return [Changed(row.number, row.patient_key, row.what, row.event) for row in connection.execute(query)]


def log_name(connection: Connection) -> str:
    """The Kafka log that everything was read from; empty before the first one."""
    return str(connection.scalar(select(LOG.c.name)) or "")


def empty(connection: Connection, log: str, goals: Mapping[Partition, int]) -> None:
    """Forget everything that was read, and where; pages show a rebuild until the goals are reached.

    In PostgreSQL it waits for batches that are being taken, and those that follow find the offsets gone.
    """
    tables = (*READ_MODEL, OFFSETS, GOALS, CHANGES)
    if connection.dialect.name == "postgresql":
        connection.execute(text("lock table offsets in exclusive mode"))
        connection.execute(text(f"truncate {', '.join(table.name for table in tables)}"))
    else:
        for table in tables:
            connection.execute(delete(table))
    connection.execute(update(LOG).values(change=LOG.c.change + 1, name=log))
    put(
        connection,
        GOALS,
        [{"topic": topic, "partition": partition, "end": end} for (topic, partition), end in goals.items() if end],
    )


def progress(connection: Connection) -> Progress:
    """Records read of those that are there, as far as workers have told.

    A read model that knows no log yet, since Kafka was never reached, is not the whole either.
    """
    offsets = {(row.topic, row.partition): row for row in connection.execute(select(OFFSETS))}
    goals = {(row.topic, row.partition): row.end for row in connection.execute(select(GOALS))}
    read = {place: offsets[place].next if place in offsets else 0 for place in {*offsets, *goals}}
    ends = {
        place: max(goals.get(place, 0), offsets[place].end if place in offsets else 0) for place in {*offsets, *goals}
    }
    return Progress(
        read=sum(read.values()),
        end=sum(max(ends[place], read[place]) for place in ends),
        rebuilding=any(read[place] < end for place, end in goals.items()) or not (offsets or log_name(connection)),
    )
