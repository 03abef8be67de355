"""The calls of IntakeService about codes: which lead nowhere, and what a person says they mean."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from sqlalchemy.exc import SQLAlchemyError

from refrain.api.intake.v1 import intake_pb2, intake_pb2_grpc
from services.intake import metrics
from services.intake.adapters import code_maps, unmapped
from services.intake.adapters.code_keeper import CodeKeeper
from services.intake.adapters.code_maps import CodeMaps, Contradicted, Mapping
from services.intake.adapters.grpc_answers import in_sql, refuse, timestamp, who, words
from services.intake.adapters.tables import Act
from services.intake.adapters.unmapped import UnmappedCode, UnmappedCodes
from services.intake.domain.code_map import faults, mapped_without_people, translation_number
from services.intake.domain.profile import Profile, is_target

log = logging.getLogger(__name__)


class CodeCalls(intake_pb2_grpc.IntakeServiceServicer):
    """What codes mean. ``_written`` finds a profile as its file says it, ``_reading`` as it is read now."""

    _unmapped: UnmappedCodes
    _code_maps: CodeMaps
    _written: Callable[[str], Profile | None]
    _reading: Callable[[str], Profile | None]
    _keeper: CodeKeeper
    _now: Callable[[], datetime]

    async def ListUnmappedCodes(
        self, request: intake_pb2.ListUnmappedCodesRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.ListUnmappedCodesResponse:
        codes = [one for one in await in_sql(context, self._unmapped.all, request.sender) if not self._leads(one)]
        return intake_pb2.ListUnmappedCodesResponse(
            codes=[_code(one) for one in codes[: unmapped.MOST]], truncated=len(codes) > unmapped.MOST
        )

    async def MapCode(
        self, request: intake_pb2.MapCodeRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.MapCodeResponse:
        profile = self._written(request.sender)
        wrong = [*faults(profile, request.code, request.system), *who(request.actor, request.request_id)]
        wrong += words("reason", request.reason, required=True)
        if not request.withdrawn and not is_target(request.analyte):
            wrong.append(("analyte", "no analyte of the catalogue"))
        if wrong or profile is None:
            await refuse(context, wrong)
        sentence = None if request.withdrawn else mapped_without_people(profile, request.code, request.system)
        if sentence:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, sentence)
        act = Act(request.actor, self._now(), request.request_id)
        try:
            mapping = await in_sql(context, self._change, request, act)
        except Contradicted as problem:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
        with contextlib.suppress(SQLAlchemyError):  # it stands; the keeper reads it when the database is back
            await self._keeper.refresh()
        metrics.MAPPINGS.labels("withdrawn" if request.withdrawn else "mapped").inc()
        log.info("a code map changed", extra={"sender": request.sender})
        return intake_pb2.MapCodeResponse(
            mapping=_mapping(mapping), translation=translation_number(profile, mapping.revision)
        )

    async def ListMappings(
        self, request: intake_pb2.ListMappingsRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.ListMappingsResponse:
        most = code_maps.MOST
        said = await in_sql(
            context,
            lambda: self._code_maps.said(request.sender, with_withdrawn=request.with_withdrawn, limit=most + 1),
        )
        return intake_pb2.ListMappingsResponse(
            mappings=[_mapping(one) for one in said[:most]], truncated=len(said) > most
        )

    def _change(self, request: intake_pb2.MapCodeRequest, act: Act) -> Mapping:
        code = request.sender, request.code, request.system
        if request.withdrawn:
            return self._code_maps.withdraw(*code, act, request.reason)
        return self._code_maps.add(*code, request.analyte, act, request.reason)

    def _leads(self, one: UnmappedCode) -> bool:
        """Whether the code leads somewhere by now."""
        profile = self._reading(one.sender)
        return profile is not None and (
            f"{one.code}|{one.system}" in profile.codes
            or mapped_without_people(profile, one.code, one.system) is not None
        )


def _code(one: UnmappedCode) -> Any:
    return intake_pb2.UnmappedCode(
        sender=one.sender, code=one.code, system=one.system, name=one.name, count=one.count,
        first_seen_at=timestamp(one.first_seen_at), last_seen_at=timestamp(one.last_seen_at),
    )  # fmt: skip


def _mapping(one: Mapping) -> Any:
    mapping = intake_pb2.CodeMapping(
        sender=one.sender, code=one.code, system=one.system, analyte=one.analyte, mapped_by=one.mapped_by,
        mapped_at=timestamp(one.mapped_at), reason=one.reason, withdrawn=one.withdrawn_at is not None,
        withdrawn_by=one.withdrawn_by, withdrawn_reason=one.withdrawn_reason,
    )  # fmt: skip
    if one.withdrawn_at is not None:
        mapping.withdrawn_at.CopyFrom(timestamp(one.withdrawn_at))
    return mapping
