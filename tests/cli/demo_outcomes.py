"""What the three steps make of the demo's patients, from their own messages and without Kafka."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from refrain.cli.demo.case import Case, case, synthetic
from refrain.cli.demo.messages import messages
from refrain.cli.demo.outcome import Outcome, name_results
from refrain.cli.pipeline import Pipeline
from refrain.contracts.events import LabReport, ResponseAssessed
from refrain.contracts.site import SiteSettings
from services.intake.domain.profile import Profile, load_profile
from services.intake.domain.translate import translate
from services.intake.domain.translation import Translation

PATIENTS = {"the case report": case, "the synthetic patient": synthetic}
RECEIVED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def profile(sender: str) -> Profile:
    return load_profile(files("services.intake").joinpath("profiles", f"{sender}.yaml").read_text(encoding="utf-8"))


@cache
def translations(patient: Case) -> list[tuple[int, Translation]]:
    return [
        (number, translate(message, profile(patient.sender.profile), RECEIVED_AT))
        for number, moment in enumerate(patient.moments)
        for message in messages(patient, moment)
    ]


@cache
def through_the_steps(patient: Case) -> Outcome:
    """What the services would make of a patient's own messages, moment by moment."""
    pipeline, reports, flagged, snapshots = Pipeline(SiteSettings()), [], {}, []
    pipeline.add(patient.standing)
    care = list(patient.standing)
    for number, moment in enumerate(patient.moments):
        new: list[LabReport] = [r for at, one in translations(patient) if at == number for r in one.reports]
        pipeline.add([*moment.care_events, *new])
        care += moment.care_events
        reports += new
        flagged |= {report.event_id: report for report in pipeline.flagged.values()}
        if isinstance(pipeline.assessed, ResponseAssessed):
            snapshots.append(pipeline.assessed)
    return Outcome(
        tuple(reports), tuple(care), tuple(flagged.values()), tuple(snapshots), tuple(pipeline.alerts),
        name_results(reports, patient.records()),
    )  # fmt: skip
