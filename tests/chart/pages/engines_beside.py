"""The three engines beside a console under test: their steps, their ledgers on SQLite, their gRPC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from refrain.api.flagging.v1.flagging_pb2_grpc import add_FlaggingServiceServicer_to_server
from refrain.api.relapse.v1.relapse_pb2_grpc import add_RelapseServiceServicer_to_server
from refrain.api.response.v1.response_pb2_grpc import add_ResponseServiceServicer_to_server
from refrain.contracts.events import ResponseAssessed
from refrain.contracts.topics import TOPICS
from refrain.runtime.database import open_database, upgrade
from refrain.runtime.deciding import Decider
from refrain.runtime.facts import Fact
from refrain.runtime.incoming import Arrived, Record
from refrain.runtime.ledger import Ledger
from services.flagging.adapters import grpc_api as flagging
from services.flagging.domain.judgement import FlaggingIssued, place
from services.relapse.adapters import grpc_api as relapse
from services.relapse.domain.judgement import RelapseIssued, advance
from services.response.adapters import grpc_api as response
from services.response.domain.judgement import ResponseIssued, classify
from tests.chart.pages.served import served
from tests.chart.pages.stories import Case, Published

ENGINES: dict[str, tuple[Any, ...]] = {
    "flagging": (FlaggingIssued, place, flagging.FlaggingApi, add_FlaggingServiceServicer_to_server),
    "response": (ResponseIssued, classify, response.ResponseApi, add_ResponseServiceServicer_to_server),
    "relapse": (RelapseIssued, advance, relapse.RelapseApi, add_RelapseServiceServicer_to_server),
}  # fmt: skip
NAMES = {
    "flagging": flagging.SERVICE_NAME, "response": response.SERVICE_NAME, "relapse": relapse.SERVICE_NAME,
}  # fmt: skip


@contextmanager
def engines(folder: Path, case: Case) -> Iterator[dict[str, str]]:
    """Addresses by name, for the console's settings. Each ledger holds what the engine made of the story."""
    with ExitStack() as stack:
        addresses = {}
        for name, (issued, step, api, add) in ENGINES.items():
            url = f"sqlite:///{folder}/{name}.db"
            upgrade(url, name)
            database = open_database(url, name)
            stack.callback(database.dispose)
            topics = [topic for topic in TOPICS if name in (*topic.read_by, *topic.written_by)]
            ledger: Ledger[Any] = Ledger(database, "cluster", topics, issued)
            decider: Decider[Any] = Decider(name, ledger, partial(step, site=case.timeline.site))
            for moment in _moments(case.published):
                decider.settle([_arrived(at, one) for at, one in moment if name in one[0].read_by], ())
            addresses[name] = stack.enter_context(served(partial(api, case.timeline.site, ledger), add, NAMES[name]))
        yield addresses


def _moments(published: Sequence[Published]) -> Iterator[list[tuple[int, Published]]]:
    """As the pipeline took them in, numbered: an assessment ends what became known together."""
    moment: list[tuple[int, Published]] = []
    for at, one in enumerate(published):
        moment.append((at, one))
        if isinstance(one[1], ResponseAssessed):
            yield moment
            moment = []
    yield moment


def _arrived(offset: int, published: Published) -> Arrived:
    topic, event = published
    value = topic.encode(event)
    record = Record(topic, 0, offset, event.patient.key.encode(), value)
    return Arrived(record, Fact(topic, topic.decode(value), len(value)))
