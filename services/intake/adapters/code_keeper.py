"""Keeps what people mapped in force: read at the start, after a change here, and every few seconds for others'."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from services.intake import metrics
from services.intake.adapters.code_maps import CodeMaps
from services.intake.domain.code_map import CodeMap, leading_nowhere

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 2.0
"""How often another process's changes are looked for (our choice)."""


class CodeKeeper:
    """``apply`` hears of the mappings whenever they are others than before; it is called in the event loop."""

    def __init__(
        self,
        code_maps: CodeMaps,
        apply: Callable[[Mapping[str, CodeMap]], None],
        *,
        follow_seconds: float = FOLLOW_SECONDS,
    ) -> None:
        self._code_maps = code_maps
        self._apply = apply
        self._seconds = follow_seconds
        self._known: dict[str, CodeMap] = {}
        self._one_by_one = asyncio.Lock()

    async def refresh(self) -> None:
        """Reads them now. SQLAlchemyError when the database is away: what was known stays in force."""
        async with self._one_by_one:  # else an older reading might overtake a newer one
            found = await asyncio.to_thread(self._code_maps.current)
            if found == self._known:
                return
            self._known = found
            self._apply(found)
        for sender, one in found.items():
            log.info("a code map is in force", extra={"sender": sender, "count": len(one.codes)})
            if lost := leading_nowhere(one):
                log.error("mappings lead to analytes that are no more", extra={"sender": sender, "count": lost})

    async def follow(self) -> None:
        """Never ends; a database that is away is tried again."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.refresh()
            except SQLAlchemyError as error:
                metrics.CODE_MAP_FAILURES.inc()
                log.warning("what people mapped could not be read", extra={"reason": type(error).__name__})
