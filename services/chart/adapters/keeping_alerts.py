"""Alert events and actions into the rows of the alerts that they touch, inside the transaction of one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection, select

from refrain.contracts.events import Alert, AlertAction, AlertEvent, AlertRetracted
from refrain.contracts.topics import ALERT_ACTIONS, ALERTS
from services.chart.adapters.keeping import event_row
from services.chart.adapters.rows import row_of_alert
from services.chart.adapters.storing import add, chunks, keep_first, put
from services.chart.adapters.tables import ACTIONS, ALERT_EVENTS, ALERT_ROWS, RETRACTED_WITH
from services.chart.domain.alerts import alert_of, urgency


def keep_alerts(connection: Connection, known: Sequence[tuple[Alert | AlertAction, str]]) -> None:
    """Events and actions as they came, and the row of each alert that they touch."""
    events = [(event, payload) for event, payload in known if isinstance(event, Alert)]
    actions = [(event, payload) for event, payload in known if isinstance(event, AlertAction)]
    keep_first(
        connection, ALERT_EVENTS,
        [event_row(event, payload) | {"alert": str(event.alert)} for event, payload in events],
    )  # fmt: skip
    keep_first(
        connection, ACTIONS,
        [event_row(event, payload) | {"alert": str(event.alert)} for event, payload in actions],
    )  # fmt: skip
    with_others = [
        (str(other), str(event.event_id))
        for event, _ in events
        if isinstance(event, AlertRetracted)
        for other in event.with_alerts
    ]
    add(connection, RETRACTED_WITH, [{"alert": alert, "event": event} for alert, event in with_others])
    _fold_alerts(connection, {str(event.alert) for event, _ in known} | {alert for alert, _ in with_others})


def _fold_alerts(connection: Connection, alerts: set[str]) -> None:
    rows = []
    for ids in chunks(alerts):
        events: Mapping[str, list[AlertEvent]] = {alert: [] for alert in ids}
        actions: Mapping[str, list[AlertAction]] = {alert: [] for alert in ids}
        retractions: Mapping[str, list[UUID]] = {alert: [] for alert in ids}
        for row in connection.execute(select(ALERT_EVENTS).where(ALERT_EVENTS.c.alert.in_(ids))):
            events[row.alert].append(ALERTS.decode(row.payload.encode()))
        for row in connection.execute(select(ACTIONS).where(ACTIONS.c.alert.in_(ids))):
            actions[row.alert].append(ALERT_ACTIONS.decode(row.payload.encode()))
        for row in connection.execute(select(RETRACTED_WITH).where(RETRACTED_WITH.c.alert.in_(ids))):
            retractions[row.alert].append(UUID(row.event))
        rows += [alert_of(events[alert], retractions[alert], actions[alert]) for alert in ids if events[alert]]
    put(connection, ALERT_ROWS, [row_of_alert(row, urgency(row.tier, row.due_hours)) for row in rows])
