"""The parts of a complete hematologic response, followed sample by sample: immunofixations and marrow (HEM-5 to 8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from refrain.clinical.threevalued import Truth
from refrain.contracts.events import Component
from services.response.domain.bands import BandReader, Reading
from services.response.domain.confirmation import PROGRESSION, Confirmed, Graded, pair, shown
from services.response.domain.facts import Result

DRUG_BANDS = frozenset({"POS_DRUG_SUSPECTED", "POS_INDISTINGUISHABLE"})


@dataclass(frozen=True, slots=True)
class Step:
    """One sample of a component with what it means at its place in the course."""

    sample: Result
    reading: Reading
    p: Truth
    """HEM-6: the clone's band is back after a confirmed negative."""
    withdraws: bool
    """HEM-7: the clone's band after a single unconfirmed negative."""


@dataclass(slots=True)
class Track:
    """One component of one line, fed with its samples in order of collection."""

    reader: BandReader
    single: bool
    """One result is enough (marrow, CONF-2)."""
    late_days: int
    current: Step | None = None
    steps: dict[UUID, Step] = field(default_factory=dict)
    _runs: dict[str, list[Result]] = field(default_factory=dict)
    """Unbroken negatives of each series."""
    _rises: dict[str, list[Graded]] = field(default_factory=dict)
    _was_confirmed: bool = False
    _last_negative: Truth = None
    """Of the last sample that decided."""

    def add(self, sample: Result) -> Step:
        reading = self.reader.read(sample)
        run = self._runs.setdefault(sample.series, [])
        back = self._back(reading)
        once_negative = not self.single and not self._was_confirmed and any(len(r) == 1 for r in self._runs.values())
        if reading.negative:
            run.append(sample)
            self._was_confirmed = self._was_confirmed or len(run) > 1
        elif reading.negative is False:
            run.clear()
        if reading.clonal:
            self._runs.clear()
        if reading.negative is not None:
            self._last_negative = reading.negative
        if back is not None:
            self._rises.setdefault(sample.series, []).append(Graded(sample, PROGRESSION if back else 0))
        self.current = step = Step(sample, reading, back, withdraws=once_negative and reading.clonal is True)
        self.steps[sample.id] = step
        return step

    def _back(self, reading: Reading) -> Truth:
        if self.single:
            return None
        if reading.clonal is None:
            return None
        return reading.clonal and self._was_confirmed

    @property
    def negative_or_masked(self) -> bool:
        """Negative now, or negative before a band that may be the drug's (answers 27)."""
        if self.current is None:
            return False
        if self.current.reading.negative:
            return True
        return self.current.reading.state in DRUG_BANDS and self._last_negative is True

    def negative_since(self) -> Confirmed | None:
        """The confirmed negative that the current sample belongs to (CONF-1, CONF-8)."""
        if self.current is None or not self.current.reading.negative:
            return None
        run = self._runs.get(self.current.sample.series, [])
        if self.single:
            return Confirmed(0, self.current.sample, self.current.sample, late=False)
        if len(run) < 2:
            return None
        return pair(Graded(run[0], 0), Graded(run[1], 0), 0, self.late_days)

    def progression(self) -> Confirmed | None:
        """The confirmed return of the band, if the current sample is one (CONF-4)."""
        if self.current is None or self.current.p is not True:
            return None
        chain = self._rises[self.current.sample.series]
        return shown(chain, len(chain) - 1, self.late_days)

    def rises(self) -> Iterable[list[Graded]]:
        """The samples that HEM-6 decides, by series."""
        return self._rises.values()

    def component(self, stale: bool) -> Component:
        """As shown in the axis; ``stale`` when the newest sample is too old to pair with the others."""
        if self.current is None or stale:
            return Component(state="MISSING")
        state, sample = self.current.reading.state, self.current.sample
        if state != "NEG" or self.single:
            return Component(state=state, result=sample.id)
        since = self.negative_since()
        return Component(
            state=state, confirmation="confirmed" if since else "unconfirmed",
            confirmed_as_of=since.sample.id if since else None, result=sample.id,
        )  # fmt: skip
