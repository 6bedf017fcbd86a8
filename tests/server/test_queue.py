"""Many clients, one model: order, bounds, and no work for those who left."""

from __future__ import annotations

import json
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from fathom.engine.engine import Engine
from fathom.errors import FathomError
from fathom.llm import LLM
from fathom.server import create_app
from serving import Slow, running, wait_for

ENDLESS = {"prompt": "the cat", "max_tokens": 2000, "ignore_eos": True}
PLACES = 4  # that run at once


@pytest.fixture(scope="module")
def llm(checkpoint) -> LLM:
    return LLM(checkpoint)


@pytest.fixture
def served(llm):
    """A server whose model is so slow that an endless answer does not end within a test."""
    llm.engine = Engine(Slow(llm.model), 200, max_running=PLACES)
    app = create_app(llm, model_name="tiny", max_queue=1)
    with running(app) as url:
        yield url, llm.engine.scheduler


def post(url: str, body: dict) -> socket.socket:
    """A request whose answer nobody has read yet."""
    parts, raw = urlsplit(url), json.dumps(body).encode()
    link = socket.create_connection((parts.hostname, parts.port), timeout=30)
    lines = ["POST /v1/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    head = "\r\n".join([*lines, f"Content-Length: {len(raw)}", "", ""])
    link.sendall(head.encode() + raw)
    return link


def complete(url: str, **body) -> httpx.Response:
    return httpx.post(url + "/v1/completions", json={"prompt": "a", "max_tokens": 1, **body}, timeout=30)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_its_generation_streamed_or_not(served, stream) -> None:
    url, scheduler = served
    link = post(url, {**ENDLESS, "n": 3, "stream": stream})
    wait_for(lambda: len(scheduler.running) == 3)
    time.sleep(0.1)  # in the midst of it
    link.close()
    wait_for(lambda: len(scheduler) == 0, 2)
    assert complete(url).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_answers_run_side_by_side_some_wait_and_beyond_the_bound_is_429(served, stream) -> None:
    url, scheduler = served
    links = [post(url, ENDLESS) for _ in range(PLACES)]
    wait_for(lambda: len(scheduler.running) == PLACES)
    waiting = post(url, {**ENDLESS, "stream": stream})
    wait_for(lambda: len(scheduler.waiting) == 1)
    refused = complete(url, stream=stream)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "queue_full")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert int(refused.headers["retry-after"]) > 0
    waiting.close()
    wait_for(lambda: len(scheduler.waiting) == 0)
    answers = []
    last = threading.Thread(target=lambda: answers.append(complete(url)))
    last.start()
    wait_for(lambda: len(scheduler.waiting) == 1)
    links.pop().close()
    last.join(10)
    assert answers[0].status_code == 200
    for link in links:
        link.close()
    wait_for(lambda: len(scheduler) == 0)


def test_a_newcomer_is_answered_while_others_run(served) -> None:
    url, scheduler = served
    links = [post(url, ENDLESS) for _ in range(PLACES - 1)]
    wait_for(lambda: len(scheduler.running) == PLACES - 1)
    assert complete(url, max_tokens=20, ignore_eos=True).json()["usage"]["completion_tokens"] == 20
    assert len(scheduler.running) == PLACES - 1
    for link in links:
        link.close()


def test_an_answer_ends_at_its_deadline_with_what_there_is(served) -> None:
    url, _ = served
    choice = complete(url, max_tokens=2000, ignore_eos=True, max_seconds=0.3).json()["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["text"]


def test_other_routes_answer_while_the_model_works(served) -> None:
    url, scheduler = served
    link = post(url, ENDLESS)
    wait_for(lambda: len(scheduler.running) == 1)
    for _ in range(5):
        start_s = time.monotonic()
        assert httpx.get(url + "/health").json() == {"status": "ok", "running": 1, "waiting": 0}
        assert httpx.post(url + "/tokenize", json={"content": "the cat"}).status_code == 200
        assert time.monotonic() - start_s < 2
    link.close()
    wait_for(lambda: len(scheduler) == 0)


@pytest.mark.parametrize("stream", [False, True])
def test_draining_turns_newcomers_away_and_ends_what_runs_with_an_error(served, llm, stream) -> None:
    url, scheduler = served
    answers = []
    client = threading.Thread(target=lambda: answers.append(complete(url, **{**ENDLESS, "stream": stream})))
    client.start()
    wait_for(lambda: len(scheduler.running) == 1)
    error = FathomError("shutting_down")
    llm.engine.drain(error)
    assert (complete(url).status_code, complete(url).json()["error"]["code"]) == (503, "shutting_down")
    llm.engine.stop(error)
    client.join(10)
    assert "shutting_down" in answers[0].text
    assert answers[0].text.endswith("data: [DONE]\n\n" if stream else "}")
