"""What Prometheus is told equals what was asked and answered."""

from __future__ import annotations

import json

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from fathom.engine.engine import Engine
from fathom.errors import FathomError
from fathom.llm import LLM
from fathom.server import create_app
from serving import Slow, running, wait_for

PROMPT = [(7 * i) % 300 + 20 for i in range(150)]  # two pages of the cache and more
REASONS = ("stop", "length", "abort", "error")


@pytest.fixture(scope="module")
def llm(checkpoint) -> LLM:
    return LLM(checkpoint)


@pytest.fixture
def url(llm):
    llm.engine = Engine(llm.model, 200)
    with running(create_app(llm, model_name="tiny")) as url:
        yield url


@pytest.fixture
def slow(llm):
    """A server whose model is so slow that an endless answer does not end within a test."""
    llm.engine = Engine(Slow(llm.model), 200, max_running=2)
    with running(create_app(llm, model_name="tiny")) as url:
        yield url


class Scrape:
    def __init__(self, url: str) -> None:
        reply = httpx.get(url + "/metrics")
        assert reply.headers["content-type"].startswith("text/plain; version=")
        self.families = {family.name: family for family in parse(reply.text)}
        self.values = {}
        for sample in (sample for family in self.families.values() for sample in family.samples):
            assert sample.labels["model_name"] == "tiny"
            if "le" not in sample.labels:
                self.values[sample.name, sample.labels.get("finished_reason")] = sample.value

    def __getitem__(self, name: str) -> float:
        return self.values[f"vllm:{name}", None]

    def ends(self, *reasons: str) -> tuple[float, ...]:
        return tuple(self.values["vllm:request_success_total", reason] for reason in reasons or REASONS)


def complete(url: str, **body) -> dict:
    reply = httpx.post(
        url + "/v1/completions", json={"prompt": PROMPT, "temperature": 0, "ignore_eos": True, **body}, timeout=30
    )
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_names_and_types_are_those_of_vllm(url) -> None:
    kinds = {name: family.type for name, family in Scrape(url).families.items() if not name.endswith("_created")}
    assert kinds == {
        **{f"vllm:{name}": "gauge" for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")},
        **{f"vllm:{name}_tokens": "counter" for name in ("prompt", "generation")},
        **{f"vllm:prefix_cache_{name}": "counter" for name in ("queries", "hits")},
        **{f"vllm:{name}": "counter" for name in ("num_preemptions", "request_success")},
        **{f"vllm:request_{name}_tokens": "histogram" for name in ("prompt", "generation")},
        **{f"vllm:request_{name}_time_seconds": "histogram" for name in ("queue", "prefill", "decode")},
        "vllm:time_to_first_token_seconds": "histogram",
        "vllm:inter_token_latency_seconds": "histogram",
        "vllm:e2e_request_latency_seconds": "histogram",
    }


def test_tokens_hits_and_histograms_are_exact(url) -> None:
    complete(url, max_tokens=5)
    scrape = Scrape(url)
    assert (scrape["prompt_tokens_total"], scrape["generation_tokens_total"]) == (150, 5)
    assert (scrape["prefix_cache_queries_total"], scrape["prefix_cache_hits_total"]) == (150, 0)
    complete(url, max_tokens=7, n=2)
    scrape = Scrape(url)
    assert (scrape["prompt_tokens_total"], scrape["generation_tokens_total"]) == (450, 19)
    assert (scrape["prefix_cache_queries_total"], scrape["prefix_cache_hits_total"]) == (450, 256)
    assert scrape.ends() == (0, 3, 0, 0)
    for name in ("request_queue_time", "request_prefill_time", "request_decode_time", "e2e_request_latency"):
        assert scrape[f"{name}_seconds_count"] == 3
    assert (scrape["time_to_first_token_seconds_count"], scrape["inter_token_latency_seconds_count"]) == (3, 16)
    assert (scrape["request_prompt_tokens_sum"], scrape["request_generation_tokens_sum"]) == (450, 19)
    parts = sum(scrape[f"request_{part}_time_seconds_sum"] for part in ("queue", "prefill", "decode"))
    assert 0 < parts <= scrape["e2e_request_latency_seconds_sum"]
    assert (scrape["num_requests_running"], scrape["num_requests_waiting"]) == (0, 0)
    assert scrape["kv_cache_usage_perc"] == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_and_an_end_token_are_stop_in_either_way_of_answering(url, stream) -> None:
    first = complete(url, prompt="the cat", max_tokens=12)["choices"][0]["text"]
    asked = {"prompt": "the cat", "max_tokens": 300, "temperature": 0, "ignore_eos": True}
    stop = {"stop": [first[3:6]]}
    ends = {"logit_bias": {"1": 100}, "ignore_eos": False}  # likeliest is the end token: nothing of the text
    for more in (stop, ends):
        reply = httpx.post(url + "/v1/completions", json={**asked, **more, "stream": stream}, timeout=30)
        assert '"finish_reason":"stop"' in reply.text
    scrape = Scrape(url)
    assert scrape.ends() == (2, 1, 0, 0)
    assert scrape["time_to_first_token_seconds_count"] == 3
    assert scrape["generation_tokens_total"] == scrape["request_generation_tokens_sum"]
    assert 12 < scrape["generation_tokens_total"] < 312


def test_a_prompt_without_an_answer_counts(url) -> None:
    complete(url, max_tokens=0, echo=True, logprobs=1)  # its logits are all wanted: no cache is asked
    scrape = Scrape(url)
    assert (scrape["prompt_tokens_total"], scrape["generation_tokens_total"]) == (150, 0)
    assert (scrape["prefix_cache_queries_total"], scrape["time_to_first_token_seconds_count"]) == (0, 0)
    assert scrape.ends() == (0, 1, 0, 0)


def test_a_client_that_leaves_is_an_abort_and_a_scrape_amid_streams_sees_them(slow) -> None:
    body = {"prompt": PROMPT, "max_tokens": 1500, "ignore_eos": True, "stream": True}
    with httpx.Client(base_url=slow, timeout=30) as client:
        with client.stream("POST", "/v1/completions", json={**body, "n": 3}) as reply:
            lines = reply.iter_lines()  # which ends the reply when it is forgotten
            next(lines)
            wait_for(lambda: Scrape(slow)["prompt_tokens_total"] == 300)
            scrape = Scrape(slow)
            assert (scrape["num_requests_running"], scrape["num_requests_waiting"]) == (2, 1)
            assert 5 / 200 <= scrape["kv_cache_usage_perc"] < 1
            assert scrape["generation_tokens_total"] > 0
            assert scrape.ends() == (0, 0, 0, 0)
        wait_for(lambda: Scrape(slow).ends("abort") == (3,))
    scrape = Scrape(slow)
    assert scrape["num_requests_running"] == 0
    assert scrape["e2e_request_latency_seconds_count"] == 3
    assert scrape["request_queue_time_seconds_count"] == 2  # the third never had a place
    assert scrape["request_generation_tokens_sum"] == scrape["generation_tokens_total"]


def test_what_fails_is_an_error_and_what_is_refused_is_not_counted(slow, llm) -> None:
    body = {"prompt": "the cat", "max_tokens": 1500, "ignore_eos": True, "stream": True}
    with httpx.stream("POST", slow + "/v1/completions", json=body, timeout=30) as reply:
        lines = reply.iter_lines()
        next(lines)
        llm.engine.stop(FathomError("shutting_down"))
        assert json.loads([line for line in lines if line][-2].removeprefix("data: "))["error"]
    assert httpx.post(slow + "/v1/completions", json=body).status_code == 503
    assert Scrape(slow).ends() == (0, 0, 0, 1)


def test_preemptions_are_counted(llm) -> None:
    llm.engine = Engine(llm.model, 6)
    with running(create_app(llm, model_name="tiny")) as url:
        complete(url, prompt=[PROMPT[:60], PROMPT[60:120]], max_tokens=250)  # five pages each
        scrape = Scrape(url)
    assert scrape["num_preemptions_total"] == 1
    assert (scrape["prompt_tokens_total"], scrape["generation_tokens_total"]) == (120, 500)


def test_it_answers_while_the_model_loads_and_needs_the_key_like_the_others() -> None:
    with running(create_app(None, model_name="tiny", api_key="k")) as url:
        assert httpx.get(url + "/metrics").status_code == 401
        reply = httpx.get(url + "/metrics", headers={"authorization": "Bearer k"})
    assert reply.status_code == 200
    gauges = {f.name: f.samples[0].value for f in parse(reply.text) if f.name.startswith(("vllm:num_", "vllm:kv_"))}
    assert set(gauges.values()) == {0}
    assert len(gauges) == 4
