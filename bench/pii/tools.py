"""Who is compared: the program that finds spans, and how its types are called here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from scoring import Found
from sentences import Sentence

HERE = Path(__file__).parent
PEERS = HERE.parents[1] / "build" / "pii-peers"  # where peers.sh makes an environment for each


class Tool(NamedTuple):
    name: str
    title: str
    types: Mapping[str, str]  # theirs to ours; with ``~``: a wider notion, never a false alarm; the rest is left out


FATHOM = Tool("fathom", "fathom", {})
# Presidio's LOCATION is any place and its DATE_TIME any date: they count where they hit, and nowhere as false alarms.
PRESIDIO = Tool(
    "presidio",
    "Presidio",
    {
        "PERSON": "PERSON",
        "ORGANIZATION": "ORGANISATION",
        "LOCATION": "~ADDRESS",
        "DATE_TIME": "~BIRTH_DATE",
        "NRP": "~ORGANISATION",
        "PHONE_NUMBER": "PHONE",
        "EMAIL_ADDRESS": "EMAIL",
        "URL": "~URL",
        "IP_ADDRESS": "IP",
        "MAC_ADDRESS": "MAC",
        "CREDIT_CARD": "BANK_CARD",
        "IBAN_CODE": "IBAN",
        "CRYPTO": "CRYPTO",
        "MEDICAL_LICENSE": "~MEDICAL_RECORD",
        "US_BANK_NUMBER": "BANK_ACCOUNT",
        "US_DRIVER_LICENSE": "DRIVER_LICENCE",
        "UK_DRIVING_LICENCE": "DRIVER_LICENCE",
        "US_ITIN": "US_ITIN",
        "US_PASSPORT": "PASSPORT",
        "UK_PASSPORT": "PASSPORT",
        "US_SSN": "US_SSN",
        "US_NPI": "US_NPI",
        "US_MBI": "~MEDICAL_RECORD",
        "ABA_ROUTING_NUMBER": "US_ROUTING",
        "UK_NHS": "UK_NHS",
        "UK_NINO": "UK_NINO",
        "VIN": "VIN",
        "IMEI": "IMEI",
        "AU_ABN": "TAX_ID",
        "AU_TFN": "TAX_ID",
        "AU_ACN": "TAX_ID",
        "ES_NIF": "TAX_ID",
        "IT_VAT_CODE": "TAX_ID",
        "DE_TAX_ID": "TAX_ID",
        "DE_VAT_ID": "TAX_ID",
    },
)
LLM_GUARD = Tool(
    "llm-guard",
    "LLM Guard",
    {
        "PERSON": "PERSON",
        "PHONE_NUMBER": "PHONE",
        "PHONE_NUMBER_ZH": "PHONE",
        "PHONE_NUMBER_WITH_EXT": "PHONE",
        "EMAIL_ADDRESS": "EMAIL",
        "EMAIL_ADDRESS_RE": "EMAIL",
        "IP_ADDRESS": "IP",
        "CREDIT_CARD": "BANK_CARD",
        "CREDIT_CARD_RE": "BANK_CARD",
        "IBAN_CODE": "IBAN",
        "CRYPTO": "CRYPTO",
        "BTC_ADDRESS": "CRYPTO",
        "US_SSN": "US_SSN",
        "US_SSN_RE": "US_SSN",
        "UUID": "~ACCOUNT",
        "URL_RE": "~URL",
        "DATE_RE": "~BIRTH_DATE",
        "PO_BOX_RE": "ADDRESS",
    },
)


def renamed(tool: Tool, spans: Iterable[tuple[int, int, str]]) -> list[Found]:
    """Types of ours; what the table lacks gets a name that is nobody's and no false alarm."""
    if not tool.types:
        return [Found(*span) for span in spans]
    return [Found(start, end, tool.types.get(type, f"~{type}")) for start, end, type in spans]


def run(tool: Tool, sentences: Iterable[Sentence], peers: Path = PEERS) -> dict[str, list[Found]]:
    """Spans of each sentence, by its id; a program that fails ends the run with its own message."""
    python = sys.executable if tool is FATHOM else str(peers / tool.name / "bin" / "python")
    lines = (json.dumps({"id": s.id, "language": s.language, "text": s.text}) for s in sentences)
    program = HERE / f"spans_{tool.name.replace('-', '_')}.py"
    done = subprocess.run([python, program], input="\n".join(lines), stdout=subprocess.PIPE, text=True, check=True)
    answers = map(json.loads, done.stdout.splitlines())
    return {answer["id"]: renamed(tool, answer["spans"]) for answer in answers}
