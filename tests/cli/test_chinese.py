"""In a Chinese locale masking, the gateway, training and evaluation speak Chinese, to the reason of an error."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from fathom.cli.messages_guard import GUARD
from fathom.cli.messages_train import TRAINING
from fathom.errors import CODES
from fathom.guard import Vault

ENGLISH = re.compile(r"[a-z]{2,}(?: [a-z]{2,}){2,}")  # three words in a row
KEPT = re.compile(r"`[^`]*`|--[a-z-]+|[a-zA-Z]+=[^ ]+|/[^ ，：]*|placeholder|surrogate")  # names of things


def english(text: str) -> list[str]:
    return ENGLISH.findall(KEPT.sub("", text))


@pytest.fixture(autouse=True)
def chinese(monkeypatch, tmp_path):
    monkeypatch.delenv("FATHOM_VAULT_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("电话13812345678\n[1]\n", "utf-8")
    (tmp_path / "table").write_text('a,b\n1,"2\n3,4', "utf-8")
    (tmp_path / "ragged").write_text("a,b\n1,2,3\n", "utf-8")
    (tmp_path / "gbk").write_bytes("电话".encode("gbk"))
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "empty").write_text("")
    (tmp_path / "recipe").write_text('model = {folder="m"}\ndata = {root="s"}\nrun = {steps=1}\nphase = []\n')
    (tmp_path / "novault").write_text("x" * 100)
    (tmp_path / "twice").write_text('{"text": "", "text": ""}')
    (tmp_path / "list").write_text("[1]")
    (tmp_path / "deep").write_text("[" * 100_000)
    (tmp_path / "broken").write_text("{")
    (tmp_path / "long").write_text("x" * 5000)
    Vault().save("old", b"k" * 32, expires=datetime.now(UTC) - timedelta(1))


MASK = """
mask|mask --types|mask text text|mask text --bad|mask missing|mask .|mask text -o no/out|mask text -o text
mask text --jsonl|mask text --jsonl --csv 1|mask text --fields a|mask twice --jsonl|mask list --jsonl
mask deep --jsonl|mask broken --jsonl|mask empty --jsonl --fields a|mask table --csv 1|mask ragged --csv a
mask ragged --csv x|mask text --restore|mask text --expires 3|mask text --vault v --expires 0
mask text --threshold 2|mask text --threshold x|mask text --encoding x|mask gbk|mask bytes|mask bytes --encoding gbk
mask text --types NAME|mask text --operator hide|mask text --operator NAME=hash|mask text --operator surrogate --vault v
mask text --pattern x|mask text --pattern CUSTOM=(|mask text --dictionary missing|mask text --dictionary bytes
mask text --dictionary long|mask text --vault novault|mask text --restore --vault old|mask text --vault .
"""
SERVE = """
serve --port x|serve --port 99999999|serve --port -1|serve --leaks mask|serve --upstream x|serve --upstream http://a:b@c
serve --upstream http://c/v1/chat/completions|serve --upstream http://c --dtype int8|serve --upstream http://c --leaks x
serve --upstream http://c --attachments x|serve --upstream http://c --operator hash
serve --upstream http://c --vault-ttl 5|serve --upstream http://c --upstream-key-file missing
serve --upstream http://c --api-key-file empty|serve --upstream http://c --api-key-file bytes
serve --upstream http://c --host 0.0.0.0|serve --limit x=1|serve --limit run=x|serve --upstream http://c --threshold 7
serve --upstream http://c --host 203.0.113.7 --api-key-file text|frobnicate
"""
TRAIN = """
eval bpb|eval bpb --text missing|eval bpb --text .|eval bpb --text empty|eval bpb --text bytes
eval bpb --text text --context 999999|eval bpb --text text -m none|eval core --tasks x|eval core --out .
train sft missing|train sft text|train sft recipe|train sft recipe --set a|train sft recipe --set run.steps=x
train sft recipe --set run.stepz=1|train sft recipe --set run.steps=0|train plot missing|train plot .
eval core --out no/r.json|eval core --limit 0|eval report|eval report .|eval report missing|eval report text --out r.pdf
"""


@pytest.mark.parametrize(
    "call", [call for line in (MASK + SERVE + TRAIN).split("\n") for call in line.split("|") if call]
)
def test_wrong_calls_are_told_in_chinese(fathom, call, monkeypatch):
    monkeypatch.setenv("FATHOM_LANG", "zh")
    done = fathom(*call.split())
    assert done.code or call.startswith("mask empty")
    if done.code:
        assert re.search("[\u4e00-\u9fff]", done.err)
        assert english(done.err) == []


SAID = GUARD | TRAINING


@pytest.mark.parametrize("key", [*SAID, *CODES])
def test_the_catalogues_hold_no_english_sentences(key):
    text = SAID[key][1] if key in SAID else CODES[key].zh
    assert english(text) == []
