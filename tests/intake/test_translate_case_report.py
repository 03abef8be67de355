"""The case report's results, sent as the demo sends them, come back as received and read as meant."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files

import pytest

from refrain.cli.demo.case import case
from refrain.cli.demo.messages import messages
from refrain.contracts.events import Observation
from services.intake.domain.profile import load_profile
from services.intake.domain.translate import translate

RECEIVED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def received() -> list[Observation]:
    text = files("services.intake").joinpath("profiles/case-report.yaml").read_text(encoding="utf-8")
    profile = load_profile(text)
    found = []
    for moment in case().moments:
        for raw in messages(case(), moment):
            translation = translate(raw, profile, RECEIVED_AT)
            assert (translation.outcome, translation.quarantined) == ("published", ())
            found += [observation for report in translation.reports for observation in report.observations]
    return found


def test_every_result_arrives_mapped_and_character_for_character(received: list[Observation]) -> None:
    sent = sorted((record["collected_at"][:10], record["code"]) for record in case().records())
    assert sorted((str(one.collected_at.date()), one.analyte) for one in received) == sent
    texts = {(one.analyte, one.value.text, one.value.unit_raw, one.range.text) for one in received}
    for record in case().records():
        if record["code"] not in ("IFE_S", "IFE_U"):
            text, unit, limits = (record["received"][part] or "" for part in ("value", "unit", "range"))
            assert (record["code"], text, unit, limits) in texts


def test_only_the_two_damaged_results_are_repaired(received: list[Observation]) -> None:
    repaired = {one.analyte: one.repaired for one in received if one.repaired}
    assert {analyte: (repair.repair_rule_id, str(repair.number)) for analyte, repair in repaired.items()} == {
        "IGG": ("DQ-01", "11.29"),
        "CSF_PROT": ("DQ-06", "2.09"),
    }
    (literal,) = [one for one in received if one.analyte == "IGG" and one.repaired]
    assert literal.canonical is not None
    assert literal.canonical.number == Decimal("0.01129")


def test_bands_scans_and_marrow(received: list[Observation]) -> None:
    bands = [one.isotype.heavy if one.isotype else None for one in received if one.analyte == "IFE_S"]
    assert bands == ["IgG", "IgG", None, None, None]
    scans = [one.attributes for one in received if one.analyte == "PET_LESION"]
    assert [scan["liver_suvmax"] for scan in scans] == ["3.11", "2.85"]
    assert {scan["lesion"] for scan in scans} == {"T11"}
    assert [one.attributes["clonal"] for one in received if one.analyte == "BM_FLOW"] == ["Y", "N"]
