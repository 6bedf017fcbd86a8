"""The process: binding, loading, signals, exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from fathom.errors import FathomError
from fathom.server.process import read_api_key
from fathom.server.serve import serve
from serving import wait_for

SOURCE = Path(__file__).resolve().parents[2] / "src"
PROGRAM = """
import sys, time
from fathom.errors import FathomError
from fathom.server.serve import serve

def load():
    time.sleep({load_s})
    {load}

try:
    sys.exit(serve(load, model_name="tiny", port=0, announce=lambda url: print(url, flush=True)))
except FathomError as error:
    sys.exit(str(error))
"""


@contextmanager
def process(load: str, load_s: float = 0.0):
    """A serving process and its URL."""
    program = PROGRAM.format(load=load, load_s=load_s)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as child:
        try:
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def load_line(checkpoint: Path) -> str:
    return f"from fathom.llm import LLM; return LLM({str(checkpoint)!r})"


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_lets_the_running_answer_end_and_the_process_exit_with_its_code(checkpoint, sent, code) -> None:
    with process(load_line(checkpoint)) as (child, url), httpx.Client(base_url=url) as client:
        wait_for(lambda: client.get("/health").status_code == 200, 30)
        body = {"prompt": "the cat", "max_tokens": 300, "ignore_eos": True, "stream": True}
        with client.stream("POST", "/v1/completions", json=body) as reply:
            lines = reply.iter_lines()
            next(lines)
            child.send_signal(sent)
            *_, finish, end, done, _ = [*lines]  # drained: the running answer is finished
        assert '"finish_reason":"length"' in finish
        assert (end, done) == ("", "data: [DONE]")
        assert child.wait(20) == code
        assert "Traceback" not in child.stderr.read()


def test_a_second_interrupt_ends_the_process_in_the_midst_of_an_answer(checkpoint) -> None:
    with process(load_line(checkpoint)) as (child, url), httpx.Client(base_url=url) as client:
        wait_for(lambda: client.get("/health").status_code == 200, 30)
        body = {"prompt": "the cat", "max_tokens": 2000, "ignore_eos": True, "stream": True, "n": 32}
        with client.stream("POST", "/v1/completions", json=body) as reply:
            lines = reply.iter_lines()
            next(lines)
            child.send_signal(signal.SIGINT)
            time.sleep(0.5)
            child.send_signal(signal.SIGINT)
            assert child.wait(5) == 130
        assert "Traceback" not in child.stderr.read()


def test_health_answers_503_while_loading_and_a_signal_ends_that_too(checkpoint) -> None:
    with process(load_line(checkpoint), load_s=60) as (child, url):
        assert httpx.get(url + "/health").status_code == 503
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0


def test_a_model_that_does_not_load_ends_the_process_with_its_error() -> None:
    with process('raise FathomError("config_missing", path="here")') as (child, _):
        assert child.wait(20) == 1
        assert child.stderr.read().strip().endswith("no config.json in here")


def test_the_log_names_no_prompt(checkpoint) -> None:
    with process(load_line(checkpoint)) as (child, url), httpx.Client(base_url=url) as client:
        wait_for(lambda: client.get("/health").status_code == 200, 30)
        for body in ({"prompt": "sesame"}, {"prompt": "sesame", "temperature": -1}, {"prompt": ["sesame", 1]}):
            client.post("/v1/completions", content=json.dumps(body), headers={"content-type": "application/json"})
        child.send_signal(signal.SIGTERM)
        child.wait(20)
        log = child.stderr.read()
    assert "'/v1/completions' 200" in log
    assert "sesame" not in log


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.168.0.1", "example.org"])
def test_other_machines_are_served_only_with_a_key(host) -> None:
    with pytest.raises(FathomError) as caught:
        serve(lambda: None, model_name="tiny", host=host, port=0)
    assert caught.value.code == "api_key_needed"


def test_a_taken_port_is_an_error_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(FathomError) as caught:
        serve(lambda: None, model_name="tiny", port=taken.getsockname()[1])
    assert caught.value.code == "port_taken"


def test_the_key_comes_from_a_file_or_the_environment(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("FATHOM_API_KEY", raising=False)
    assert read_api_key() is None
    monkeypatch.setenv("FATHOM_API_KEY", "a")
    assert read_api_key() == "a"
    file = tmp_path / "key"
    file.write_text("b\n", "utf-8")
    assert read_api_key(file) == "b"
    for content in (b"", b"\xff"):
        file.write_bytes(content)
        with pytest.raises(FathomError):
            read_api_key(file)
    with pytest.raises(FathomError):
        read_api_key(tmp_path / "none")
