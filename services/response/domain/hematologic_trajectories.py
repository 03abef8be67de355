"""The series of the hematologic axis as they travel in the snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from refrain.clinical.poems import RESPONSE_LEVELS
from refrain.contracts.events import Assessment, Trajectory
from services.response.domain.components import Track
from services.response.domain.confirmation import PROGRESSION, Graded, confirmer
from services.response.domain.m_protein import MSample
from services.response.domain.series import Series, Window, successor
from services.response.domain.trajectories import trajectory
from services.response.domain.verdict import truth_of_p

Levels = dict[UUID, str]
"""Result to the level proven at it."""
CONFIRMABLE = RESPONSE_LEVELS["HEMATOLOGIC"]


def m_trajectory(
    series: Series,
    others: Sequence[Series],
    samples: Sequence[MSample],
    chain: Sequence[Graded],
    levels: Levels,
    window: Window,
) -> Trajectory:
    """An M-protein series: condition P against the nadir before, the level and what confirmed it."""
    mine = {each.sample.id: each for each in samples if each.series.key == series.key}
    rises = [
        Graded(each.sample, PROGRESSION if each.p else 0) for each in mine.values() if each.p is not None
    ]  # fmt: skip

    def judged(entry: Assessment) -> Assessment:
        one = mine.get(entry.result)
        if one is None:
            return entry
        level = levels.get(entry.result)
        by = _confirmed_by(entry.result, rises if level == "PDH" else chain) if level in CONFIRMABLE else None
        update = {
            "p": truth_of_p(one.p), "nadir": one.nadir.point() if one.nadir else None,
            "level": level, "level_confirmed_by": by,
        }  # fmt: skip
        return entry.model_copy(update=update)

    return trajectory("HEMATOLOGIC", series, window, judged, successor(series, others))


def _confirmed_by(result: UUID, chain: Sequence[Graded]) -> UUID | None:
    at = next((i for i, graded in enumerate(chain) if graded.sample.id == result), None)
    sample = confirmer(chain, at) if at is not None else None
    return sample.id if sample else None


def component_trajectory(
    series: Series, others: Sequence[Series], track: Track, levels: Levels, window: Window
) -> Trajectory:
    """An immunofixation or marrow: the component state, and whether the clone's band is back (HEM-6)."""

    def judged(entry: Assessment) -> Assessment:
        step = track.steps.get(entry.result)
        if step is None:
            before = next((result for result in series.before if result.id == entry.result), None)
            return entry.model_copy(update={"state": track.reader.read(before).state}) if before else entry
        update = {
            "p": None if track.single else truth_of_p(step.p), "state": step.reading.state,
            "level": levels.get(entry.result),
        }  # fmt: skip
        return entry.model_copy(update=update)

    return trajectory("HEMATOLOGIC", series, window, judged, successor(series, others))
