"""Classifies the response to treatment:

    flagged-reports.v1 ─┐
    care-events.v1 ─────┴▶ load ledgers ─▶ classify ─▶ commit ─▶ responses.v1 ─▶ acknowledge

A crash anywhere repeats the batch, which is harmless: what is in the ledger is not decided again, and what is unsent
in its outbox is sent.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import faust

from refrain.api.response.v1.response_pb2_grpc import add_ResponseServiceServicer_to_server
from refrain.contracts.topics import inputs_of
from refrain.runtime.deciding import Decider
from refrain.runtime.engine import attach, open_ledger
from refrain.runtime.stream import stream_app
from refrain.runtime.worker import Worker
from services.response.adapters.grpc_api import SERVICE_NAME, ResponseApi
from services.response.adapters.unreadable import mark_unreadable
from services.response.domain.facts import whole
from services.response.domain.judgement import ResponseIssued, classify
from services.response.metrics import METRICS
from services.response.settings import Settings

SERVICE = "response"
INPUTS = inputs_of(SERVICE)


def build_app(settings: Settings) -> faust.App:
    """Wire the stream. Nothing is built when this module is imported."""
    site = settings.site()
    ledger = open_ledger(SERVICE, settings, ResponseIssued)
    METRICS.initialise(SERVICE, ledger.holes().items())
    app = stream_app(SERVICE, settings)
    decider = Decider(SERVICE, ledger, METRICS.timed(partial(classify, site=site)), mark_unreadable, whole)
    worker = Worker(INPUTS, decider, METRICS, lambda: app.producer, settings.patience_seconds)
    source = app.topic(*(topic.name for topic in INPUTS), key_type=bytes, value_type=bytes)

    @app.agent(source, name=SERVICE)  # concurrency stays 1: order per patient
    async def response(stream: Any) -> None:
        async for batch in stream.noack_take(settings.batch, within=settings.within_seconds):
            for part in worker.parts(batch):
                async with worker.batch():  # whatever raises in here ends the process, nothing acknowledged
                    facts, poison = await worker.read(part)  # poison is a value; a hole in the offsets ends the process
                    settled = await worker.settle(facts, poison)  # 1. facts, issued and outbox: one transaction
                    await worker.publish(settled)  # 2. on Kafka, acks=all; then marked sent
                    await worker.acknowledge(stream, part)  # 3. only now may the offsets be committed

    servicer = ResponseApi(site, ledger)
    attach(app, worker, settings, [(add_ResponseServiceServicer_to_server, servicer)], [SERVICE_NAME])
    return app
