"""Reports into the versions and results that they touch, inside the transaction of one batch."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from refrain.contracts.events import FlaggedReport, LabReport
from services.chart.adapters.rows import row_of_result, row_of_version, version_of_row
from services.chart.adapters.storing import chunks, keep_first, lines, put
from services.chart.adapters.tables import REPORTS, RESULTS, VERSIONS, microseconds
from services.chart.domain.apply import KnownVersion, merged, result_of, versions_in

Place = tuple[str, str, str]
"""Version or result, patient, processing."""


def keep_results(connection: Connection, reports: Sequence[LabReport | FlaggedReport]) -> None:
    """Merge what is known of each version, and say anew what counts for each result that was touched."""
    keep_first(connection, REPORTS, [_report(one) for one in reports if isinstance(one, LabReport)])
    incoming: dict[Place, KnownVersion] = {}
    for report in reports:
        for version in versions_in(report):
            place: Place = str(version.id), version.key, version.processing
            incoming[place] = merged(incoming[place], version) if place in incoming else version
    chains = _stored_chains(connection, {str(version.received.result) for version in incoming.values()})
    changed: dict[Place, KnownVersion] = {}
    touched: set[Place] = set()
    for place, version in incoming.items():
        result = str(version.received.result), *place[1:]
        chain = chains.setdefault(result, {})
        before = chain.get(place)
        after = merged(before, version) if before else version
        if after != before:
            chain[place] = changed[place] = after
            touched.add(result)
    put(connection, VERSIONS, [row_of_version(version) for version in changed.values()])
    put(connection, RESULTS, [row_of_result(result_of(list(chains[result].values()))) for result in sorted(touched)])


def _stored_chains(connection: Connection, results: set[str]) -> dict[Place, dict[Place, KnownVersion]]:
    """All stored versions of some results."""
    chains: dict[Place, dict[Place, KnownVersion]] = {}
    for ids in chunks(results):
        for row in connection.execute(select(VERSIONS).where(VERSIONS.c.result.in_(ids))):
            chain = chains.setdefault((row.result, row.patient_key, row.processing), {})
            chain[row.version, row.patient_key, row.processing] = version_of_row(row)
    return chains


def _report(event: LabReport) -> dict[str, object]:
    return {
        "report": str(event.event_id), "patient_key": event.patient.key, "processing": event.processing,
        "sender": event.sender, "placer": event.order.placer, "filler": event.order.filler,
        "code": event.order.code, "status": event.order.status, "occurred_at": microseconds(event.occurred_at),
        "recorded_at": microseconds(event.recorded_at), "translation": event.translation, "sex": event.sex,
        "versions": lines(str(one.version) for one in event.observations),
        "results": lines(str(one.result) for one in event.observations),
    }  # fmt: skip
