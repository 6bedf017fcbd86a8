"""A load is what was asked for, its figures agree with the server's own, and what goes wrong is told."""

from __future__ import annotations

import json
import os
import signal
import threading

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from fathom.bench.serve import Load, Server, measure
from fathom.engine.engine import Engine
from fathom.errors import FathomError
from fathom.llm import LLM
from fathom.server import create_app, wire
from serving import running, wait_for, write_checkpoint

SMALL = Load(requests=4, concurrency=2, prompt_tokens=10, decode_tokens=3)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("serve") / "tiny")


@pytest.fixture(scope="module")
def llm(checkpoint) -> LLM:
    return LLM(checkpoint)


def fresh(llm: LLM, max_running: int = 32, **options):
    """A server of it with an empty cache."""
    llm.engine = Engine(llm.model, 200, max_running=max_running)
    return running(create_app(llm, model_name="tiny", **options))


def told(url: str) -> dict[str, float]:
    families = parse(httpx.get(url + "/metrics").text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_what_is_counted_is_what_the_server_counts(llm) -> None:
    load = Load(requests=12, concurrency=4, prompt_tokens=100, prefix_tokens=64, decode_tokens=8)
    reports = []
    with fresh(llm) as url:
        result = measure(url, load, report=lambda *pair: reports.append(pair))
        server = told(url)
    assert (result["model"], result["completed"], result["failed"], result["rejected"]) == ("tiny", 12, 0, 0)
    assert (result["total_input_tokens"], result["total_output_tokens"]) == (12 * 164, 12 * 8)
    assert server["vllm:generation_tokens_total"] == 13 * 8  # and one request that is not measured
    assert server["vllm:prefix_cache_hits_total"] == 12 * 64
    assert reports[-1] == (12, 12)
    assert result["request_throughput"] == pytest.approx(12 / result["duration"], rel=0.01)
    assert result["total_token_throughput"] == pytest.approx(12 * 172 / result["duration"], rel=0.01)
    assert 0 < result["fairness"] <= 1
    mean = {name: result[f"mean_{name}_ms"] for name in ("ttft", "tpot", "itl", "e2el")}
    assert mean["itl"] == pytest.approx(mean["tpot"], rel=0.01)
    assert mean["e2el"] == pytest.approx(mean["ttft"] + 7 * mean["tpot"], rel=0.01)
    assert result["median_itl_ms"] <= result["p99_itl_ms"]


def test_prompts_come_from_the_seed_and_share_their_prefix_alone() -> None:
    load = Load(prefix_tokens=5, prompt_tokens=20, seed=3)
    first, second = load.prompt(0, 300), load.prompt(1, 300)
    assert first == load.prompt(0, 300)
    assert first[:5] == second[:5]
    assert first[5:] != second[5:]
    assert first != Load(prefix_tokens=5, prompt_tokens=20, seed=4).prompt(0, 300)
    assert 0 <= min(first) <= max(first) < 300


def test_a_load_in_seconds_ends_in_time_and_leaves_no_work_behind(llm) -> None:
    with fresh(llm) as url:
        load = Load(requests=None, seconds=0.8, concurrency=3, prompt_tokens=20, decode_tokens=1500)
        result = measure(url, load)
        wait_for(lambda: len(llm.engine.scheduler) == 0)
    assert 0.8 <= result["duration"] < 3
    assert result["failed"] == 0
    assert result["total_output_tokens"] > 0
    assert 0 < result["fairness"] <= 1


def test_a_full_server_is_asked_again_after_the_time_it_names(llm, monkeypatch) -> None:
    monkeypatch.setitem(wire._RETRY_AFTER_S, 429, "0.05")
    with fresh(llm, max_running=2, max_queue=1) as url:
        result = measure(url, Load(requests=12, concurrency=12, prompt_tokens=20, decode_tokens=300))
    assert (result["completed"], result["failed"]) == (12, 0)
    assert result["rejected"] > 0


def test_an_own_server_tells_its_memory_and_a_dead_one_is_told_from_an_odd_answer(checkpoint) -> None:
    with pytest.raises(FathomError, match="exit code -9"), Server(["-m", str(checkpoint)]) as server:
        load_to_the_death(server)


def load_to_the_death(server: Server) -> None:
    assert measure(server.url, SMALL)["completed"] == 4
    assert server.rss_mib is None or server.rss_mib > 20
    threading.Timer(2.5, os.kill, (server.pid, signal.SIGKILL)).start()  # past the first question
    endless = Load(requests=None, seconds=20, concurrency=2, prompt_tokens=20, decode_tokens=1900)
    with pytest.raises(FathomError, match="did not answer any more") as seen:
        measure(server.url, endless)
    raise seen.value


def test_a_server_that_can_not_start_says_why() -> None:
    with pytest.raises(FathomError, match="no model 'nowhere/none'"), Server(["-m", "nowhere/none"]):
        pass


def test_what_can_not_be_asked_is_an_error_in_the_words_of_the_server(llm) -> None:
    with fresh(llm) as url, pytest.raises(FathomError, match="400: 3000 prompt tokens"):
        measure(url, Load(requests=1, prompt_tokens=3000))
    with fresh(llm, api_key="k") as url:
        with pytest.raises(FathomError, match="401: no valid API key"):
            measure(url, SMALL)
        assert measure(url, SMALL, api_key="k")["completed"] == 4
    with (
        running(create_app(None, model_name="tiny")) as url,
        pytest.raises(FathomError, match="503: the model is still loading"),
    ):
        measure(url, SMALL)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://host.invalid"])
def test_nobody_at_the_address_is_an_error(url) -> None:
    with pytest.raises(FathomError) as caught:
        measure(url, SMALL)
    assert str(caught.value).startswith(url + ": ")


def foreign(chunks: list[object], models: object = None):
    """A server of another make, which always streams the same."""
    lines = [b"data: " + (c.encode() if isinstance(c, str) else json.dumps(c).encode()) + b"\n\n" for c in chunks]

    async def complete(_):
        return StreamingResponse(iter(lines), media_type="text/event-stream")

    async def card(_):
        return JSONResponse(models or {"data": [{"id": "other"}]})

    return running(Starlette(routes=[Route("/v1/models", card), Route("/v1/completions", complete, methods=["POST"])]))


TEXT = [{"choices": [{"text": text}]} for text in ("a", "b", "")]


def test_other_servers_count_by_text_and_by_usage() -> None:
    with foreign([*TEXT, "[DONE]"]) as url:
        result = measure(url, SMALL)
    assert (result["completed"], result["total_output_tokens"]) == (4, 8)
    with foreign([*TEXT, {"choices": [], "usage": {"completion_tokens": 5}}, "[DONE]"]) as url:
        assert measure(url, SMALL)["total_output_tokens"] == 20


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        (TEXT, "ended too early"),
        (["[DONE]"], "no tokens"),
        ([{"error": {"message": "out of luck"}}, "[DONE]"], "out of luck"),
        (["{", "[DONE]"], "no chunk"),
    ],
)
def test_an_answer_that_is_none_is_no_figure(chunks, problem) -> None:
    with foreign(chunks) as url, pytest.raises(FathomError, match=problem):
        measure(url, SMALL)


def test_an_address_that_serves_something_else_is_an_error() -> None:
    with foreign([], models={"data": []}) as url, pytest.raises(FathomError, match="names no model"):
        measure(url, SMALL)
