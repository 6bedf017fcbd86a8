"""``fathom serve`` as a process: it says where it is, answers, and ends by signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_serves_until_a_signal(mini, end, code) -> None:
    command = [sys.executable, "-m", "fathom.cli", "serve", "-m", mini, "--port", "0", "--context", "256"]
    command += ["--limit", "run=9", "--limit", "characters=100"]
    env = {**os.environ, "FATHOM_LANG": "en"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as server:
        try:
            lines = iter(server.stderr.readline, "")
            url = next(found[0] for line in lines if (found := re.search(r"http://[\d.:]+", line)))
            with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=5), timeout=20) as client:
                assert client.get("/v1/models").json()["data"][0]["id"]
                reply = client.post("/v1/completions", json={"prompt": "a" * 10})
                assert "more than 9 times" in reply.json()["error"]["message"]
        finally:
            server.send_signal(end)
        assert server.wait(timeout=20) == code
        assert server.stdout.read() == ""


def test_model_that_does_not_exist_is_not_announced(fathom) -> None:
    done = fathom("serve", "-m", "no/such-model", "--port", "0")
    assert (done.code, done.out) == (1, "")
    assert "http" not in done.err


def test_other_machines_need_a_key(fathom) -> None:
    done = fathom("serve", "--host", "0.0.0.0", "--port", "0")
    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1


def test_unreadable_key_file_is_named(fathom, tmp_path) -> None:
    done = fathom("serve", "--api-key-file", tmp_path / "absent", "--port", "0")
    assert done.code == 1
    assert "absent" in done.err


def test_limits_are_set_by_name_and_another_name_is_refused(fathom) -> None:
    done = fathom("serve", "--limit", "run=9", "--limit", "speed=1", "--port", "0")
    assert done.code == 2
    assert "speed" in done.err
    assert "body_bytes" in done.err
