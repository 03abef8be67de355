"""The patient's results as a laboratory would send them: HL7 v2.5.1 ORU, one message per order and specimen.

The received text comes back character for character: ``^`` is escaped as ``\\S\\``, and MSH-18 says UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from refrain.cli.demo.case import Case, Moment

Json = Mapping[str, Any]

LOCAL_CODES = {
    "UFLC_L": "UFLCL", "UFLC_K": "UFLCK", "UFLC_R": "UFLCR", "CSF_PANDY": "PANDY", "BM_FLOW": "BMFLOW",
    "PET_LESION": "PETLES",
}  # fmt: skip
"""For what has no LOINC; the profile ``case-report`` declares them."""
SPECIMENS = {
    "SERUM": "SER^Serum^HL70487", "URINE": "UR^Urine^HL70487", "CSF": "CSF^Cerebral spinal fluid^HL70487",
    "MARROW": "MAR^Bone marrow^HL70487", "IMAGE": "IMAGE^Imaging^L", "BLOOD": "BLD^Whole blood^HL70487",
    "PLASMA_EDTA": "PLAS^Plasma^HL70487",
}  # fmt: skip
STATEMENTS = {
    "liver_suvmax": ("PETLIV", "NM"), "new_lesion": ("PETNEW", "ST"), "statement": ("PETTXT", "TX"),
    "clonal": ("BMCLON", "ST"), "light_chain": ("BMLC", "ST"),
}  # fmt: skip
"""What stands beside a scan or a marrow (answers 24): code and value type."""
ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}


def messages(case: Case, moment: Moment) -> list[bytes]:
    """The messages of one moment, one for each specimen, in the order of the document. Always the same bytes.

    A corrected result comes under the order of the first, which is how intake knows it again.
    """
    by_specimen: dict[str, list[Json]] = {}
    for record in moment.records:
        by_specimen.setdefault(record["specimen"], []).append(record)
    return [_message(case, moment, specimen, records) for specimen, records in by_specimen.items()]


def without_a_number(case: Case) -> bytes:
    """A message as of a machine that lost the patient's number: intake must keep it for a person."""
    patient, first = case.patient, case.moments[0]
    [message, *_] = messages(case, first)
    number = f"|{patient.id}^^^{patient.authority}^{patient.type}|".encode()
    control = f"{case.sender.control_prefix}-{first.at:%Y%m%d}".encode()
    return message.replace(number, b"||").replace(control, f"{case.sender.control_prefix}-NO-NUMBER".encode())


def escape(text: str) -> str:
    """Text with HL7's delimiters escaped, one pass."""
    return "".join(ESCAPES.get(character, character) for character in text)


def _message(case: Case, moment: Moment, specimen: str, records: Sequence[Json]) -> bytes:
    subject, sender, patient = case.document["subject"], case.sender, case.patient
    taken = _when(records[0]["collected_at"])
    order, control = f"{taken:%Y%m%d}-{specimen}", f"{sender.control_prefix}-{moment.at:%Y%m%d}-{specimen}"
    issued, collected = _time(moment.at), _time(taken)
    born = str(subject["synthetic_birth_date"]).replace("-", "")
    lines = [
        rf"MSH|^~\&|{sender.application}|{sender.facility}|REFRAIN||{issued}||ORU^R01^ORU_R01|{control}|P|2.5.1"
        "||||||UNICODE UTF-8",
        f"PID|1||{patient.id}^^^{patient.authority}^{patient.type}||{sender.patient_name}||{born}|{subject['sex']}",
        f"OBR|1||{order}^{sender.application}|{specimen}^{sender.order_name}^L|||{collected}|||||||||||||||{issued}"
        "|||F",
        *_observations(records),
    ]
    if specimen in SPECIMENS:
        lines.append(f"SPM|1|||{SPECIMENS[specimen]}")
    return ("\r".join(lines) + "\r").encode()


def _observations(records: Iterable[Json]) -> Iterator[str]:
    """One OBX each; what is stated of a whole scan or marrow stands once."""
    rows: dict[str, None] = {}
    for record in records:
        flags = "~".join(record.get("lab_interpretation", ()))
        method = f"||{escape(record['method'])}" if record["method"] != "UNKNOWN" else ""
        for kind, code, sub_id, value, unit, limits in _rows(record):
            body = f"{kind}|{code}|{sub_id}|{value}|{unit}|{limits}|{flags}|||{record['status']}||||{record['lab']}"
            rows[body + method] = None
            flags = ""
    yield from (f"OBX|{number}|{row}" for number, row in enumerate(rows, 1))


def _rows(record: Json) -> Iterator[tuple[str, str, str, str, str, str]]:
    received, sub_id = record["received"], escape(record.get("lesion", ""))
    kind, value = _value(record)
    unit, limits = (escape(received[part] or "") for part in ("unit", "range"))
    yield kind, _code(record), sub_id, value, unit, limits
    for name, (code, value_type) in STATEMENTS.items():
        if record.get(name) is not None:
            yield value_type, f"{code}^{name}^L", "", escape(_plain(record[name])), "", ""


def _value(record: Json) -> tuple[str, str]:
    """OBX-2 and OBX-5. Immunofixation is coded, with the heavy and light chain as repetitions (answers 23)."""
    text = record["received"]["value"]
    if record["code"] in ("IFE_S", "IFE_U"):
        band = [text, *(chain.upper() for chain in record.get("isotype", {}).values() if chain)]
        return "CWE", "~".join(f"{part}^^L" for part in band)
    return ("NM" if text.replace(".", "").isdigit() else "ST"), escape(text)


def _code(record: Json) -> str:
    name = escape(record["name"])
    local = LOCAL_CODES.get(record["code"], record["code"])
    return f"{record['loinc']}^{name}^LN" if record["loinc"] else f"{local}^{name}^L"


def _plain(value: Any) -> str:
    return ("Y" if value else "N") if isinstance(value, bool) else str(value)


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
