"""The gateway as a process: what it imports, says, logs and leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from scripted_upstream import Upstream, event, stream, whole
from serving import running, wait_for

SOURCE = Path(__file__).resolve().parents[3] / "src"
SAID = "我叫张伟，手机号13800138000。"
KEY = "ab" * 32
HEAVY = ("torch", "fathom._native", "fathom.engine", "fathom.llm", "fathom.model", "tokenizers", "safetensors")


@contextmanager
def process(*options: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """A gateway's process, its URL and the lines that it announced."""
    command = [sys.executable, "-m", "fathom.cli", "serve", "--port", "0", *options]
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "FATHOM_LANG": "en", "FATHOM_VAULT_KEY": KEY, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=folder
    ) as it:
        try:
            lines = []
            while not (lines and "ANTHROPIC" in lines[-1]):
                line = it.stderr.readline()
                assert line, "it did not start"
                lines.append(line)
            if "--privacy-page" in options:
                lines.append(it.stderr.readline())
            url = re.search(r"http://[\d.:]+", lines[0])[0]
            wait_for(lambda: httpx.get(url + "/health").status_code == 200)
            yield it, url, lines
        finally:
            it.kill()


def answer(_: str, body: dict):
    if not body:
        return whole({"data": []})
    text = body["messages"][-1]["content"]
    return whole({"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]})


def endless(_: str, body: dict):
    events = [event({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "output": []}})]
    events += [event({"type": "response.output_text.delta", "item_id": "m", "delta": body["input"]})]
    return stream([events[0]], pause_s=0.01) if body.get("short") else _slow(events)


def _slow(events: list[str]):
    chunks = [each.encode() for each in [*events, *[events[1]] * 2000]]
    it = stream([], pause_s=0.02)
    it.chunks = chunks
    return it


def test_it_imports_neither_the_engine_nor_torch() -> None:
    code = f"import sys, fathom.server.gateway.serve; print([name for name in {HEAVY!r} if name in sys.modules])"
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[]"


def test_it_says_how_to_use_it_and_logs_no_content(tmp_path) -> None:
    upstream = Upstream(answer)
    with running(upstream) as there, process("--upstream", there, folder=tmp_path) as (it, url, lines):
        assert f"OPENAI_BASE_URL={url}/v1" in lines[1]
        body = {"model": "m", "messages": [{"role": "user", "content": SAID}]}
        reply = httpx.post(url + "/v1/chat/completions", json=body)
        assert reply.json()["choices"][0]["message"]["content"] == SAID
        httpx.post(url + "/v1/chat/completions", json={**body, "messages": [{"content": {"x": [SAID]}}]})
        httpx.get(url + "/v1/13800138000")
        httpx.get(url + "/v1/models?user=13800138000")
        metrics = httpx.get(url + "/metrics").text
        assert 'fathom_gateway_masked_entities_total{type="PERSON"} ' in metrics
        it.send_signal(signal.SIGTERM)
        assert it.wait(20) == 0
        log = it.stderr.read()
    line, *_ = (line for line in log.splitlines() if "POST '/v1/chat/completions' 200" in line)
    assert line.endswith(" s, masked PERSON=1, PHONE=1")
    for text in (upstream.bodies[0].decode(), log, metrics):
        assert "张伟" not in text
        assert "13800138000" not in text
    assert "Traceback" not in log
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_kill_in_mid_stream_leaves_nothing_on_disk_or_only_sealed_files(tmp_path, kept) -> None:
    folder = tmp_path / "vaults"
    options = ["--vault-dir", str(folder)] if kept else []
    with running(Upstream(endless)) as there, process("--upstream", there, *options, folder=tmp_path) as (it, url, _):
        body = {"input": SAID, "stream": True}
        client = httpx.Client(timeout=20)
        with client, client.stream("POST", url + "/v1/responses", json=body) as reply:
            lines = reply.iter_lines()
            while SAID not in next(lines):
                pass
            it.kill()
            it.wait(10)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == int(kept)
    for path in files:
        content = path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
        assert all(value.encode() not in content for value in ("张伟", "13800138000", json.dumps("张伟")[1:-1]))
