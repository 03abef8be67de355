"""How rows are written: in bulk, so that repeats and another order of arrival leave the same table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, tuple_

from services.chart.adapters.tables import insert

Row = Mapping[str, Any]
T = TypeVar("T")

IDS = 900
"""Most ids in one statement: below what every SQLite allows."""


def chunks(ids: Iterable[T]) -> Iterator[list[T]]:
    """Each id once, sorted, in portions for ``in (...)``."""
    distinct = sorted(set(ids), key=str)
    for start in range(0, len(distinct), IDS):
        yield distinct[start : start + IDS]


def put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Write rows that were decided already: by primary key, the given one stays."""
    if not rows:
        return
    statement = insert(connection, table)
    own = [column.name for column in table.columns if not column.primary_key]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key), set_={name: statement.excluded[name] for name in own}
        ),
        [storable(row) for row in rows],
    )


def add(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Write rows that say nothing beside their key: what is there stays."""
    if rows:
        statement = insert(connection, table).on_conflict_do_nothing(index_elements=list(table.primary_key))
        connection.execute(statement, [storable(row) for row in rows])


def keep_first(
    connection: Connection, table: Table, rows: Sequence[Row], order: Sequence[str] = ("recorded_at", "payload")
) -> None:
    """Write events under their id. Of two records of one event, which may differ in how they travelled (recording
    time, trace), the one that is first by ``order`` stays, whichever came first."""
    if not rows:
        return
    statement = insert(connection, table)
    own = [column.name for column in table.columns if not column.primary_key]
    named = [name for name in order if name in table.columns]
    earlier = tuple_(*[statement.excluded[name] for name in named]) < tuple_(*[table.columns[name] for name in named])
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: statement.excluded[name] for name in own},
            where=earlier,
        ),
        [storable(row) for row in rows],
    )


def storable(row: Row) -> dict[str, Any]:
    """PostgreSQL keeps no NUL in a text; a laboratory may send one."""
    return {
        name: value.replace("\x00", "�") if isinstance(value, str) and "\x00" in value else value
        for name, value in row.items()
    }


def lines(codes: Iterable[str]) -> str:
    """A list of codes as one text."""
    return "\n".join(codes)


def codes(text: str) -> tuple[str, ...]:
    """The inverse of :func:`lines`."""
    return tuple(text.split("\n")) if text else ()
