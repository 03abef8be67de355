"""Watches the course for relapse:

    responses.v1 ───┐
    care-events.v1 ─┴▶ load ledgers ─▶ advance ─▶ commit ─▶ alerts.v1 ─▶ acknowledge

A crash anywhere repeats the batch, which is harmless: what is in the ledger is not decided again, and what is unsent
in its outbox is sent.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import faust

from refrain.api.relapse.v1.relapse_pb2_grpc import add_RelapseServiceServicer_to_server
from refrain.contracts.topics import inputs_of
from refrain.runtime.deciding import Decider
from refrain.runtime.engine import attach, open_ledger
from refrain.runtime.stream import stream_app
from refrain.runtime.worker import Worker
from services.relapse.adapters.grpc_api import SERVICE_NAME, RelapseApi
from services.relapse.domain.judgement import RelapseIssued, advance
from services.relapse.metrics import METRICS
from services.relapse.settings import Settings

SERVICE = "relapse"
INPUTS = inputs_of(SERVICE)


def build_app(settings: Settings) -> faust.App:
    """Wire the stream. Nothing is built when this module is imported."""
    site = settings.site()
    ledger = open_ledger(SERVICE, settings, RelapseIssued)
    METRICS.initialise(SERVICE, ledger.holes().items())
    app = stream_app(SERVICE, settings)
    decider = Decider(SERVICE, ledger, METRICS.timed(partial(advance, site=site)))
    worker = Worker(INPUTS, decider, METRICS, lambda: app.producer, settings.patience_seconds)
    source = app.topic(*(topic.name for topic in INPUTS), key_type=bytes, value_type=bytes)

    @app.agent(source, name=SERVICE)  # concurrency stays 1: order per patient
    async def relapse(stream: Any) -> None:
        async for batch in stream.noack_take(settings.batch, within=settings.within_seconds):
            for part in worker.parts(batch):
                async with worker.batch():  # whatever raises in here ends the process, nothing acknowledged
                    facts, poison = await worker.read(part)  # poison is a value; a hole in the offsets ends the process
                    settled = await worker.settle(facts, poison)  # 1. facts, issued and outbox: one transaction
                    await worker.publish(settled)  # 2. on Kafka, acks=all; then marked sent
                    await worker.acknowledge(stream, part)  # 3. only now may the offsets be committed

    servicer = RelapseApi(site, ledger)
    attach(app, worker, settings, [(add_RelapseServiceServicer_to_server, servicer)], [SERVICE_NAME])
    return app
