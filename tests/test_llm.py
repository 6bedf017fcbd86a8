"""The public face on a tiny checkpoint with random weights; what mini says is in the tests of the shipped model."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from fathom.engine.generation import Token
from fathom.errors import FathomError
from fathom.llm import LLM, Completion, SamplingParams, _fitting_context
from fathom.machine import Memory
from fathom.model.formats import weight_bytes
from fathom.text.template import builtin

TALK = [{"role": "user", "content": "the cat"}]
GREEDY = {"temperature": 0, "max_tokens": 12}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"n": {"enum": [1]}}, "required": ["n"], "additionalProperties": False}}}]  # fmt: skip # noqa: E501


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def llm(folder: Path) -> LLM:
    return LLM(folder, dtype="float32", threads=1)


@pytest.fixture
def textless(tmp_path: Path) -> LLM:
    return LLM(tiny.write_checkpoint(tmp_path, with_text=False), threads=1)


def test_logits_of_every_position_and_nothing_added(llm: LLM) -> None:
    logits = llm.logits([5, 6, 7])
    assert logits.shape == (3, tiny.VOCAB_SIZE)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(llm.logits([5, 6]), logits[:2], atol=1e-5)
    np.testing.assert_array_equal(llm.logits(np.array([5, 6, 7])), logits)


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "prompt_empty"),
        ([400], "token_out_of_range"),
        ([-1], "token_out_of_range"),
        ([1.5], "parameter_invalid"),
        ([True], "parameter_invalid"),
        ([1] * 2049, "context_length_exceeded"),
    ],
)
def test_bad_token_ids(llm: LLM, ids: list[Any], code: str) -> None:
    with pytest.raises(FathomError) as caught:
        llm.logits(ids)
    assert caught.value.code == code


def test_a_checkpoint_without_a_tokenizer_works_on_ids_and_says_so_on_text(textless: LLM) -> None:
    assert textless.logits([5]).shape == (1, tiny.VOCAB_SIZE)
    (completion,) = textless.generate([5, 6], **GREEDY)
    assert completion.token_ids
    assert completion.text == ""
    for call in (
        lambda: textless.tokenizer,
        lambda: textless.generate("the"),
        lambda: textless.chat(TALK),
        lambda: textless.generate([5], stop="x"),
        lambda: textless.generate([5], regex="x"),
    ):
        with pytest.raises(FathomError) as caught:
            call()
        assert caught.value.code == "no_tokenizer"


def test_text_prompts_get_bos_once_and_ids_stay_as_they_are(llm: LLM) -> None:
    text, ids = llm.generate(["the cat", llm.tokenizer.encode("the cat", add_bos=True)], **GREEDY)
    assert text.token_ids == ids.token_ids
    assert text.prompt_tokens == len(llm.tokenizer.encode("the cat")) + 1
    assert text.text == llm.tokenizer.decode(text.token_ids)


def test_several_prompts_and_samples_come_in_order(llm: LLM) -> None:
    found = llm.generate(["the", "cat"], n=2, seed=3, max_tokens=4)
    assert [c.index for c in found] == [0, 1, 0, 1]
    assert found[0].token_ids != found[1].token_ids
    assert [c.token_ids for c in found] == [
        c.token_ids for c in llm.generate(["the", "cat"], n=2, seed=3, max_tokens=4)
    ]


def whole(deltas: list[Any]) -> str:
    return "".join(delta.text for delta in deltas)


def test_a_stream_adds_up_to_the_completion(llm: LLM) -> None:
    for seed in range(4):
        params = SamplingParams(seed=seed, max_tokens=20, logprobs=2, prompt_logprobs=1)
        completion = llm.chat(TALK, params)
        deltas = list(llm.chat(TALK, params, stream=True))
        assert whole(deltas) == completion.text
        assert tuple(i for d in deltas for i in d.token_ids) == completion.token_ids
        assert [d.finish_reason for d in deltas[:-1]] == [None] * (len(deltas) - 1)
        assert deltas[-1].finish_reason == completion.finish_reason
        assert deltas[0].prompt_logprobs == completion.prompt_logprobs is not None
        assert completion.logprobs is not None
        assert [t.id for t in completion.logprobs] == list(completion.token_ids)


def test_stop_strings_end_a_text_and_are_none_of_it(llm: LLM) -> None:
    free = llm.generate("the cat", temperature=0, max_tokens=30)[0]
    stop = free.text[3:6]
    ended = llm.generate("the cat", temperature=0, max_tokens=30, stop=stop)[0]
    assert (ended.text, ended.finish_reason) == (free.text[: free.text.index(stop)], "stop")
    assert len(ended.token_ids) < len(free.token_ids)
    deltas = list(llm.generate("the cat", temperature=0, max_tokens=30, stop=stop, stream=True))
    assert whole(deltas) == ended.text
    assert deltas[-1].timings is not None


def test_a_conversation_goes_on_from_the_pages_that_are_known(llm: LLM) -> None:
    talk = [{"role": "user", "content": "the cat sat on the mat " * 20}]
    first = llm.chat(talk, **GREEDY)
    talk = [*talk, {"role": "assistant", "content": first.text}, {"role": "user", "content": "and?"}]
    second = llm.chat(talk, **GREEDY)
    assert second.timings is not None
    assert second.timings.cached_tokens >= first.prompt_tokens // 64 * 64 > 0
    llm.generate([9], max_tokens=1)  # another request in between
    again = llm.chat(talk, **GREEDY)
    assert (again.text, again.token_ids) == (second.text, second.token_ids)


def test_requests_may_interleave_in_one_thread_and_in_several(llm: LLM) -> None:
    expected = llm.chat(TALK, **GREEDY)
    outer = []
    for delta in llm.chat(TALK, **GREEDY, stream=True):
        outer.append(delta)
        assert llm.generate("the rat", temperature=0, max_tokens=2)[0].token_ids
    assert whole(outer) == expected.text
    next(llm.chat(TALK, **GREEDY, stream=True))  # abandoned
    found: list[Completion] = []
    threads = [threading.Thread(target=lambda: found.append(llm.chat(TALK, **GREEDY))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {c.token_ids for c in found} == {expected.token_ids}
    assert len(found) == 3


def test_a_request_can_be_cancelled_from_outside(llm: LLM) -> None:
    request = llm.chat_request(TALK, llm.params(temperature=0, max_tokens=1900, ignore_eos=True))
    deltas = []
    for delta in request.stream():
        deltas.append(delta)
        if len(deltas) == 3:
            request.cancel()
    assert deltas[-1].finish_reason == "cancelled"
    assert deltas[-1].token_ids == ()
    assert len(llm.engine.scheduler) == 0
    with pytest.raises(ValueError, match="one run"):
        next(request.stream())


def test_a_stream_outlives_the_name_of_its_model_and_the_engine_ends_with_both(folder: Path) -> None:
    stream = LLM(folder, threads=1).chat(TALK, temperature=0, max_tokens=50, ignore_eos=True, stream=True)
    assert sum(len(delta.token_ids) for delta in stream) == 50
    forgotten = LLM(folder, threads=1)
    engine = forgotten.engine
    del forgotten
    gc.collect()
    with pytest.raises(FathomError) as caught:
        engine.submit([], lambda *_: None)
    assert caught.value.code == "shutting_down"


@pytest.mark.parametrize("whole", [False, True])
def test_the_collector_may_close_a_stream_or_a_model_in_the_midst_of_a_step(folder: Path, whole: bool) -> None:
    llm = LLM(folder, threads=1)
    engine, counted = llm.engine, threading.Event()
    other = llm.request([5, 6], llm.params(temperature=0, max_tokens=500, ignore_eos=True)).answers[0].generation

    def collect(_: object, item: object) -> None:  # where the engine has its lock
        gc.collect()
        if not isinstance(item, Token) or len(other.tokens) > 5:
            counted.set()

    gc.disable()  # or it comes too early
    try:
        stream = llm.generate("the cat", stream=True, max_tokens=1900, ignore_eos=True)
        next(stream)
        cycle: list[Any] = [stream]
        cycle.append(cycle)
        del stream, cycle
        if whole:
            del llm
        engine.submit([other], collect)
        assert counted.wait(30)
    finally:
        gc.enable()
    engine.cancel([other])
    thread = engine._thread
    if thread is not None:
        thread.join(30)
    assert len(engine.scheduler) == 0


def test_a_program_that_ends_in_mid_stream_ends_at_once(folder: Path) -> None:
    lines = [
        "from fathom.llm import LLM",
        f"stream = LLM({str(folder)!r}).generate('the cat', stream=True, max_tokens=1900, ignore_eos=True)",
        "print(next(stream).prompt_tokens)",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_answer_after_assistant_colon_loses_one_space(folder: Path, tmp_path: Path) -> None:
    llm = LLM(tiny.write_checkpoint(tmp_path, chat_template=builtin("v2-chat")), dtype="float32", threads=1)
    space = llm.tokenizer.encode(" ")[0]
    bias = {"logit_bias": {space: 100.0}, "max_tokens": 3}
    assert llm.chat(TALK, **bias).text == "  "
    assert llm.generate("the", **bias)[0].text == "   "


def test_grammars_bind_the_answer(llm: LLM) -> None:
    assert llm.chat(TALK, choice=("好", "the cat")).text in ("好", "the cat")
    schema = {
        "type": "object",
        "properties": {"a": {"type": "boolean"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert json.loads(llm.chat(TALK, json_schema=schema).text).keys() == {"a"}
    with pytest.raises(FathomError) as caught:
        llm.chat(TALK, regex="(")
    assert caught.value.code == "grammar_invalid"


def test_required_tools_are_called_in_a_whole_answer_and_in_a_stream(llm: LLM) -> None:
    for choice in ("required", "f"):
        completion = llm.chat(TALK, tools=TOOLS, tool_choice=choice, max_tokens=400)
        assert completion.text == ""
        assert {(c.name, c.arguments) for c in completion.tool_calls} == {("f", '{"n":1}')}
    deltas = list(llm.chat(TALK, tools=TOOLS, tool_choice="required", max_tokens=400, stream=True))
    assert whole(deltas) == ""
    assert deltas[-1].tool_calls
    assert llm.chat(TALK, tools=TOOLS, tool_choice="none", **GREEDY).text == llm.chat(TALK, **GREEDY).text
    assert llm.chat(TALK, tools=TOOLS, **GREEDY).tool_calls == ()


@pytest.mark.parametrize(
    ("kw", "code", "param"),
    [
        ({"tool_choice": "required"}, "parameter_invalid", "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "g"}, "parameter_invalid", "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "f", "regex": "a"}, "parameter_invalid", "tool_choice"),
        ({"tools": [{}]}, "parameter_invalid", "tools[0]"),
        ({"temperature": -1}, "parameter_invalid", "temperature"),
        ({"beams": 4}, "parameter_unsupported", "beams"),
        ({"max_tokens": 3000}, "context_length_exceeded", "prompt"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_requests_fail_before_any_work(llm: LLM, kw: dict[str, Any], code: str, param: str, stream: bool) -> None:
    with pytest.raises(FathomError) as caught:
        llm.chat(TALK, stream=stream, **kw)  # not even the first delta was asked for
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize("prompt", ["", [], [""], [[]]])
def test_empty_prompts(llm: LLM, prompt: Any) -> None:
    with pytest.raises(FathomError) as caught:
        llm.generate(prompt)
    assert caught.value.code == "prompt_empty"


def test_defaults_come_from_the_checkpoint_unless_the_caller_brings_parameters(tmp_path: Path) -> None:
    folder = tiny.write_checkpoint(tmp_path)
    defaults = {
        "temperature": 0.3,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
        "max_new_tokens": 5,
        "eos_token_id": [1, 4],
    }
    (folder / "generation_config.json").write_text(json.dumps(defaults))
    llm = LLM(folder, threads=1)
    assert llm.params() == SamplingParams(temperature=0.3, top_p=0.9, repetition_penalty=1.1)
    assert llm.params(temperature=0).top_p == 0.9
    assert llm.params(SamplingParams(), seed=5) == replace(SamplingParams(), seed=5)
    assert llm.end_ids == (1, 4)
    (folder / "generation_config.json").write_text('{"do_sample": false, "temperature": null}')
    assert LLM(folder, threads=1).params().temperature == 0
    (folder / "generation_config.json").write_text('{"temperature": -1}')
    with pytest.raises(FathomError, match="temperature"):
        LLM(folder, threads=1)


@pytest.mark.parametrize("dtype", ["auto", "float32", "bfloat16", "int8", "int4"])
def test_every_format_computes(folder: Path, dtype: str) -> None:
    llm = LLM(folder, dtype=dtype, threads=1)
    exact = LLM(folder, dtype="float32", threads=1).logits([5, 6, 7])
    assert np.abs(llm.logits([5, 6, 7]) - exact).mean() < {"int4": 0.5, "int8": 0.05}.get(dtype, 0.02)


@pytest.mark.parametrize("cache_dtype", ["auto", "float32", "bfloat16", "int8"])
def test_every_format_of_the_cache_computes(folder: Path, llm: LLM, cache_dtype: str) -> None:
    rounded = LLM(folder, cache_dtype=cache_dtype, threads=1)
    assert rounded.model.cache_dtype == {"auto": "float32"}.get(cache_dtype, cache_dtype)
    ids = [5 + i % 90 for i in range(130)]
    assert np.abs(rounded.logits(ids) - llm.logits(ids)).mean() < {"bfloat16": 0.01, "int8": 0.03}.get(
        cache_dtype, 1e-9
    )
    assert len(rounded.generate(ids, max_tokens=3, temperature=0, ignore_eos=True)[0].token_ids) == 3


@pytest.mark.parametrize(
    ("kw", "code"),
    [
        ({"dtype": "fp8"}, "choice_unknown"),
        ({"cache_dtype": "int4"}, "choice_unknown"),
        ({"max_context": 0}, "parameter_invalid"),
        ({"max_context": 4096}, "parameter_invalid"),
        ({"threads": 0}, "parameter_invalid"),
        ({"threads": 1025}, "parameter_invalid"),
        ({"dummy": "GPT-5"}, "choice_unknown"),
        ({"model": "no/such-model"}, "model_not_found"),
    ],
)
def test_bad_arguments_of_the_model(folder: Path, kw: dict[str, Any], code: str) -> None:
    with pytest.raises(FathomError) as caught:
        LLM(**{"model": folder, **kw})
    assert caught.value.code == code


def test_memory_that_will_not_do_is_an_error_and_a_smaller_context_may_fit(llm: LLM) -> None:
    weights = weight_bytes(llm.program, "float32")

    def fit(free: int, wanted: int | None = None) -> int:
        return _fitting_context("tiny", llm.program, weights, "float32", wanted, Memory(free, free, limited=False))

    assert fit(1 << 30) == 2048
    assert fit(1 << 30, 100) == 100
    assert 512 <= fit(weights + 2_000_000) < 2048
    contexts = [
        _fitting_context("tiny", llm.program, weights, cache, None, Memory(0, weights + 2_000_000, limited=False))
        for cache in ("float32", "bfloat16", "int8")
    ]
    assert contexts == sorted(contexts)
    for free, wanted in ((weights, None), (weights + 2_000_000, 2048)):
        with pytest.raises(FathomError, match=r"needs .* of memory") as caught:
            fit(free, wanted)
        assert caught.value.code == "memory"


def test_a_checkpoint_without_a_template_of_a_known_family(tmp_path: Path) -> None:
    folder = tiny.write_checkpoint(tmp_path)
    foreign = tiny.spec().replace("begin▁of", "start▁of").replace("｜User｜", "｜Human｜")
    (folder / "tokenizer.json").write_text(foreign, "utf-8")
    with pytest.raises(FathomError) as caught:
        LLM(folder, threads=1).chat(TALK)
    assert caught.value.code == "no_chat_template"


def test_mini_answers_calls_tools_and_fills_schemas(shared: Path) -> None:
    llm = LLM(shared / "mini", dtype="int8")
    say = {"temperature": 0, "repetition_penalty": 1.1, "max_tokens": 40}
    assert "Paris" in llm.chat([{"role": "user", "content": "What is the capital of France?"}], **say).text
    assert any("\u4e00" <= letter <= "\u9fff" for letter in llm.chat([{"role": "user", "content": "你好"}], **say).text)
    weather = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [
        {
            "type": "function",
            "function": {"name": "get_weather", "description": "Get the weather", "parameters": weather},
        }
    ]
    asked = llm.chat([{"role": "user", "content": "What is the weather in Paris?"}], tools=tools, **say)
    assert [(c.name, json.loads(c.arguments)) for c in asked.tool_calls] == [("get_weather", {"city": "Paris"})]
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}, "n": {"enum": [1, 2]}}}
    schema |= {"required": ["city", "n"], "additionalProperties": False}
    assert json.loads(llm.chat([{"role": "user", "content": "JSON!"}], json_schema=schema, **say).text)["n"] in (1, 2)


def test_a_float32_checkpoint_runs_exactly_without_being_asked(folder: Path, llm: LLM) -> None:
    assert LLM(folder, threads=1).logits([5, 6, 7]).tobytes() == llm.logits([5, 6, 7]).tobytes()


def test_logits_that_do_not_fit_are_refused_before_the_work(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fathom.llm.memory", lambda: Memory(total=1000, available=1000, limited=True))
    with pytest.raises(FathomError) as caught:
        llm.logits([5, 6, 7])
    assert caught.value.code == "memory"
