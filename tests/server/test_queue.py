"""Many clients, one model: order, bounds, and no work for those who left."""

from __future__ import annotations

import json
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from fathom.llm import LLM
from fathom.server import create_app
from serving import running, wait_for

ENDLESS = {"prompt": "the cat", "max_tokens": 1500, "ignore_eos": True, "n": 128}  # minutes of work


@pytest.fixture(scope="module")
def llm(checkpoint) -> LLM:
    return LLM(checkpoint)


@pytest.fixture
def served(llm):
    app = create_app(llm, model_name="tiny", max_queue=1)
    with running(app) as url:
        yield url, app.state.service.line


def post(url: str, body: dict) -> socket.socket:
    """A request whose answer nobody has read yet."""
    parts, raw = urlsplit(url), json.dumps(body).encode()
    link = socket.create_connection((parts.hostname, parts.port), timeout=30)
    lines = ["POST /v1/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    head = "\r\n".join([*lines, f"Content-Length: {len(raw)}", "", ""])
    link.sendall(head.encode() + raw)
    return link


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_its_generation_streamed_or_not(served, stream) -> None:
    url, line = served
    link = post(url, {**ENDLESS, "stream": stream})
    wait_for(lambda: len(line) == 1)
    time.sleep(0.2)  # in the midst of it
    link.close()
    start_s = time.monotonic()
    wait_for(lambda: len(line) == 0)
    assert time.monotonic() - start_s < 5
    assert httpx.post(url + "/v1/completions", json={"prompt": "a", "max_tokens": 1}, timeout=5).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_who_waits_and_leaves_gives_up_the_place_and_beyond_the_bound_is_429(served, stream) -> None:
    url, line = served
    running_link = post(url, ENDLESS)
    wait_for(lambda: len(line) == 1)
    waiting_link = post(url, {**ENDLESS, "stream": stream})
    wait_for(lambda: len(line) == 2)
    refused = httpx.post(url + "/v1/completions", json={"prompt": "a", "stream": stream})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert int(refused.headers["retry-after"]) > 0
    waiting_link.close()
    wait_for(lambda: len(line) == 1)
    answers = []
    last = threading.Thread(
        target=lambda: answers.append(
            httpx.post(url + "/v1/completions", json={"prompt": "a", "max_tokens": 1}, timeout=30)
        )
    )
    last.start()
    wait_for(lambda: len(line) == 2)
    running_link.close()
    last.join(10)
    assert answers[0].status_code == 200


def test_other_routes_answer_while_the_model_works(served) -> None:
    url, line = served
    link = post(url, ENDLESS)
    wait_for(lambda: len(line) == 1)
    for _ in range(5):
        start_s = time.monotonic()
        assert httpx.get(url + "/health").json() == {"status": "ok", "waiting": 0}
        assert httpx.post(url + "/tokenize", json={"content": "the cat"}).status_code == 200
        assert time.monotonic() - start_s < 2
    assert len(line) == 1
    link.close()
    wait_for(lambda: len(line) == 0)
