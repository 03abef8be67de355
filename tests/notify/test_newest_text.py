"""A message says what its alert says when a channel is tried with it; what was corrected later is told besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from uuid import UUID

from refrain.contracts.events import AlertAmended
from services.notify.adapters.channels import Route
from services.notify.adapters.channels.settings import SmtpSettings
from services.notify.adapters.chart_context import NoContexts
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.dispatch import Dispatcher
from services.notify.adapters.store import Store
from services.notify.domain.thread import Message, Thread
from tests.notify.fakes import FakeChannel
from tests.notify.keeping import Clock, a_store, issued, roster, take
from tests.notify.telling import change

CORRECTED = {
    "text": "VEGF 87.15 pg/mL", "values": (change("871.5 pg/mL", "87.15 pg/mL"),), "what_changed": "corrected",
}  # fmt: skip


class Overtaken(DeliveryLog):
    """The laboratory corrects the value after the loan, before the first try."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.mine = store

    def bundle(self, key: UUID, messages: Sequence[Message], now: datetime) -> Mapping[UUID, Thread] | None:
        take(self.mine, issued(fact=AlertAmended, sequence=1, **CORRECTED))
        return super().bundle(key, messages, now)


async def test_a_value_that_was_corrected_between_the_loan_and_the_first_try_is_told_as_it_is(database: str) -> None:
    store, clock = a_store(database), Clock()
    take(store, issued(), now=clock)
    clock.passes(seconds=2)
    pager = FakeChannel("pager", detail="clinical")
    routes = {"pager": Route(pager, SmtpSettings(host="h", sender="a@b.example"))}
    dispatcher = Dispatcher(
        Overtaken(store), routes, roster(), NoContexts(), clock, console_url="https://r.example", random=Random(1)
    )
    await dispatcher.turn()
    await dispatcher.settled()
    [(_, _, text)] = pager.taken
    assert "VEGF 87.15 pg/mL" in text.body
    store.close()
