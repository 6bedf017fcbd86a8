"""The walk-through as it is written: a file masked, messages through the gateway to our own server, what left."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pages import ROOT, blocks, fences, run_console, shell
from serving import running, wait_for

PAGES = {language: ROOT / "docs" / language / "walkthrough.md" for language in ("en", "zh")}
VALUES = ("张三", "李雷", "Ann Lee", "13812345678", "zhang@", "11010519491231002X", "4111 1111", "7911 123456")


class Recorder:
    """Stands before the upstream and keeps every byte that it is sent."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.received: list[bytes] = []

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        heads = (b": ".join(pair) for pair in scope["headers"])
        self.received += [scope["raw_path"], scope["query_string"], *heads, body]
        json = {"content-type": "application/json"}
        async with httpx.AsyncClient(timeout=60) as client:
            reply = await client.request(scope["method"], self.upstream + scope["path"], content=body, headers=json)
        head = [(b"content-type", reply.headers["content-type"].encode())]
        await send({"type": "http.response.start", "status": reply.status_code, "headers": head})
        await send({"type": "http.response.body", "body": reply.content})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen]]:
    processes: list[subprocess.Popen] = []
    yield processes
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(20)


def test_every_command_does_what_the_page_shows_and_no_value_leaves(tmp_path: Path, started) -> None:
    if not (ROOT / "src/fathom/assets/mini/config.json").exists() or shutil.which("curl") is None:
        pytest.skip("needs the shipped model and curl")
    upstream, gateway = free_port(), free_port()
    recorder = Recorder(f"http://127.0.0.1:{upstream}")
    with running(recorder) as recording:

        def here(text: str) -> str:
            """With the recorder before the upstream, and free ports."""
            text = text.replace("http://127.0.0.1:11436", recording)
            return text.replace("11436", str(upstream)).replace("11435", str(gateway))

        for kind, text in fences(PAGES["en"]):
            if kind == "console":
                run_console(here(text), tmp_path)
            elif kind == "python":
                (tmp_path / "ask.py").write_text(here(text), "utf-8")
            else:
                for line, port in zip(here(text).splitlines(), (upstream, gateway), strict=True):
                    started.append(subprocess.Popen(["sh", "-c", f"exec {line}"], cwd=tmp_path, env=shell(tmp_path)))
                    wait_for(lambda url=f"http://127.0.0.1:{port}/health": _is_there(url), 60)
    received = b"\n".join(recorder.received).decode("utf-8")
    assert received.count("⟦PERSON_1⟧") >= 3 or received.count("\\u27e6PERSON_1") >= 3
    assert not [value for value in VALUES if value in received]


def _is_there(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def test_both_languages_show_the_same() -> None:
    for kind in ("console", "python", "sh"):
        assert blocks(PAGES["en"], kind) == blocks(PAGES["zh"], kind)
    english, chinese = (page.read_text("utf-8") for page in PAGES.values())
    assert english.count("\n## ") == chinese.count("\n## ")
