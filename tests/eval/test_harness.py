"""lm-evaluation-harness: the adapter, a server of ours and the harness' own ``hf`` adapter give equal scores."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import fastapi
import pytest

from fathom.errors import FathomError
from fathom.llm import LLM
from fathom.server import create_app
from serving import running, write_checkpoint

TASKS = Path(__file__).parent / "tasks"
CHOICES, ANSWERS, TEXTS = NAMES = ["fathom_choices", "fathom_answers", "fathom_texts"]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module, with everything the harness would fetch or keep in a folder of the test."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("hf")
        patch.setenv("HF_HOME", str(home))
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TQDM_DISABLE"):
            patch.setenv(name, "1")
        datasets = pytest.importorskip("datasets")
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")  # also where it was imported before
        pytest.importorskip("lm_eval")
        from fathom.eval import harness

        patch.chdir(TASKS)  # paths in task files count from there
        yield harness


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tiny(checkpoint: Path) -> LLM:
    return LLM(checkpoint)


def scores(result: dict[str, Any]) -> dict[str, list[Any]]:
    """What the model answered to each item of each task."""
    return {name: [item["resps"] for item in result["samples"][name]] for name in result["samples"]}


def assert_equal(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> None:
    """Log-likelihoods in nats and greediness, answers, sums over texts; and what the harness makes of them."""
    for name, items in scores(one).items():
        for mine, theirs in zip(items, scores(other)[name], strict=True):
            if name == ANSWERS:
                assert mine == theirs
                continue
            for (a,), (b,) in zip(mine, theirs, strict=True):
                (a, greedy), (b, theirs_greedy) = (a, b) if name == CHOICES else ((a, None), (b, None))
                assert a == pytest.approx(b, abs=tolerance)
                assert greedy == theirs_greedy
        for metric, value in one["results"][name].items():
            assert value == pytest.approx(other["results"][name][metric], abs=tolerance) or isinstance(value, str)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"shots": 2}, {"limit": 3}, {"chat": True}])
def test_the_adapter_and_a_server_give_equal_scores(harness: ModuleType, options: dict[str, Any]) -> None:
    names = [CHOICES, ANSWERS] if options.get("chat") else NAMES
    llm = LLM()
    local = harness.evaluate(harness.FathomLM(llm), names, include=TASKS, **options)
    with running(create_app(llm, model_name="mini", max_queue=64)) as url:
        served = harness.evaluate(harness.connect(f"{url}/v1", "mini"), names, include=TASKS, **options)
    assert_equal(local, served, 1e-4)
    if not options:
        found = harness.summary(local)["tasks"]
        assert (found[CHOICES]["n"], found[CHOICES]["shots"]) == (12, 0)
        assert found[CHOICES]["metrics"]["acc"]["score"] > 0.5  # chance is 0.25
        assert json.loads(json.dumps(harness.summary(local), allow_nan=False))["harness"]


@pytest.mark.slow
@pytest.mark.parametrize("context", [2048, 64, 40])
def test_all_ways_cut_what_is_too_long_alike(harness: ModuleType, checkpoint: Path, context: int) -> None:
    llm = LLM(checkpoint, max_context=context)
    adapter = harness.FathomLM(llm)
    local = harness.evaluate(adapter, NAMES, include=TASKS)
    assert (adapter.cut > 0) == (context < 100)
    with running(create_app(llm, model_name="tiny", max_queue=64)) as url:
        assert_equal(local, harness.evaluate(harness.connect(url, str(checkpoint)), NAMES, include=TASKS), 1e-4)


@pytest.mark.slow
def test_whoever_uses_the_command_of_the_harness_gets_equal_scores(harness: ModuleType, checkpoint: Path) -> None:
    import transformers
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    llm = LLM(checkpoint)
    local = harness.evaluate(harness.FathomLM(llm), NAMES, include=TASKS)
    with running(create_app(llm, model_name="tiny", max_queue=64)) as url:  # its end is the end of the engine
        plain = {"base_url": f"{url}/v1/completions", "tokenizer": str(checkpoint), "max_length": llm.context_length}
        client = LocalCompletionsAPI(model="tiny", tokenizer_backend="huggingface", add_bos_token=True, **plain)
        client.tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint, add_bos_token=True)
        served = harness.evaluate(client, NAMES, include=TASKS)
    assert_equal(local, served, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("context", [2048, 64])
def test_scores_are_those_of_transformers_in_float32(harness: ModuleType, checkpoint: Path, context: int) -> None:
    pytest.importorskip("accelerate")
    from lm_eval.models.huggingface import HFLM

    adapter = harness.FathomLM(LLM(checkpoint, max_context=context))
    names = NAMES if context == 2048 else [CHOICES, TEXTS]  # answers: hf leaves them one token less
    options = {"dtype": "float32", "device": "cpu", "add_bos_token": True, "batch_size": 8}
    theirs = HFLM(pretrained=str(checkpoint), max_length=adapter.max_length - 1, **options)
    mine = harness.evaluate(adapter, names, include=TASKS)
    assert_equal(mine, harness.evaluate(theirs, names, include=TASKS), 1e-3)


@pytest.mark.slow
def test_the_chat_template_is_written_as_transformers_writes_it(harness: ModuleType) -> None:
    import transformers

    adapter, path = harness.FathomLM("mini"), Path(LLM().path)
    theirs = transformers.AutoTokenizer.from_pretrained(path)
    talk = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "Hello"}]
    for messages, asks in ((talk[:1], True), (talk + talk[:1], True), (talk, False)):
        expected = theirs.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=asks, continue_final_message=not asks
        )
        text = adapter.apply_chat_template(messages, add_generation_prompt=asks)
        assert text == expected
        assert adapter.tok_encode(text) == theirs.encode(text, add_special_tokens=False)


def asked(*arguments: Any) -> SimpleNamespace:
    return SimpleNamespace(args=arguments)


@pytest.mark.slow
def test_answers_end_at_stop_strings_and_lengths_and_samples_repeat(harness: ModuleType, tiny: LLM) -> None:
    adapter = harness.FathomLM(tiny)
    whole, cut, short, empty = adapter.generate_until(
        [
            asked("the cat", {"max_gen_toks": 12, "until": []}),
            asked("the cat", {"max_gen_toks": 12, "until": [tiny.generate("the cat", temperature=0)[0].text[3:5]]}),
            asked("the cat", {"max_tokens": 4}),
            asked("", {"max_gen_toks": 1, "until": None}),
        ]
    )
    assert whole.startswith(cut)
    assert len(cut) < len(whole)
    assert whole.startswith(short)
    assert isinstance(empty, str)
    sampling = {"max_gen_toks": 12, "do_sample": True, "temperature": 2.0}
    first, second = (adapter.generate_until([asked("the cat", sampling)]) for _ in range(2))
    assert first == second != [whole]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "arguments", "code", "param"),
    [
        ("loglikelihood", ("", ""), "parameter_invalid", "continuation"),
        ("loglikelihood", ("the cat", ""), "parameter_invalid", "continuation"),
        ("loglikelihood", ("the cat", " at" * 3000), "context_length_exceeded", "continuation"),
        ("generate_until", ("the cat", {"max_gen_toks": 2048}), "context_length_exceeded", "max_gen_toks"),
        ("generate_until", ("the cat", {"num_beams": 4}), "parameter_unsupported", "num_beams"),
        ("generate_until", ("the cat", {"temperature": -1.0}), "parameter_invalid", "temperature"),
        ("generate_until", ("the cat", {"until": ["a"] * 17}), "parameter_invalid", "stop"),
    ],
)
def test_what_cannot_be_asked_is_an_error(
    harness: ModuleType, tiny: LLM, kind: str, arguments: tuple[Any, ...], code: str, param: str
) -> None:
    with pytest.raises(FathomError) as caught:
        getattr(harness.FathomLM(tiny), kind)([asked(*arguments)])
    assert (caught.value.code, caught.value.param) == (code, param)


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(FathomError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value.code, str(caught.value)


@pytest.mark.slow
def test_bad_tasks_are_named(harness: ModuleType, tiny: LLM, tmp_path: Path) -> None:
    adapter = harness.FathomLM(tiny)

    def run(name: str, folder: Path | None = tmp_path) -> tuple[str, str]:
        return refused(lambda: harness.evaluate(adapter, [name], include=folder))

    assert run("x", tmp_path / "none")[0] == "file_unreadable"
    head = "dataset_path: json\ntest_split: train\noutput_type: loglikelihood\ndoc_to_text: a\ndoc_to_target: b\n"
    (tmp_path / "a.yaml").write_text(f"task: no_data\n{head}dataset_kwargs: {{data_files: none.jsonl}}\n")
    (tmp_path / "b.yaml").write_text("task: [broken\n")
    code, told = run("no_data")
    assert code == "harness_failed"
    assert "none.jsonl" in told
    code, told = run("arc_eazy")
    assert code == "choice_unknown"
    assert "arc_easy" in told


@pytest.mark.slow
def test_a_task_file_is_code_that_runs_only_where_its_task_is_asked_for(
    harness: ModuleType, tiny: LLM, tmp_path: Path
) -> None:
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\ndef text(doc): return 'a'\n")
    (tmp_path / "evil.yaml").write_text("task: evil\ndataset_path: json\ndoc_to_text: !function evil.text\n")
    (tmp_path / "choices.yaml").write_text((TASKS / "choices.yaml").read_text())
    (tmp_path / "choices.jsonl").write_text((TASKS / "choices.jsonl").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        harness.evaluate(harness.FathomLM(tiny), [CHOICES], include=tmp_path, limit=1)
        assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_server_that_goes_or_does_not_score_prompts_is_an_error(harness: ModuleType, checkpoint: Path) -> None:
    app = fastapi.FastAPI()
    answered = 0

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"data": [{"id": "other"}]}

    @app.post("/v1/completions")
    def completions(body: dict[str, Any]) -> Any:
        nonlocal answered
        answered += 1
        if answered > 1:
            return fastapi.responses.JSONResponse({"error": {"message": "the oven is cold"}}, 500)
        one = {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [{"a": -1.0}], "text_offset": [0]}
        return {"choices": [{"index": 0, "text": "a", "logprobs": one, "finish_reason": "length"}]}

    with running(app) as url:
        client = harness.connect(url, str(checkpoint))
        code, told = refused(lambda: harness.evaluate(client, [CHOICES], include=TASKS))
        assert code == "bench_server"
        assert "echo" in told
        code, told = refused(lambda: harness.evaluate(client, [ANSWERS], include=TASKS))
        assert code == "bench_server"
        assert "the oven is cold" in told
    code, told = refused(lambda: harness.evaluate(client, [ANSWERS], include=TASKS))
    assert code == "bench_server"
    for address in (url, "http://", "nonsense", f"{url}/elsewhere"):
        assert refused(lambda address=address: harness.connect(address, "mini"))[0] == "bench_server"


def test_without_the_extra_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.delitem(sys.modules, "fathom.eval.harness", raising=False)
    code, told = refused(lambda: importlib.import_module("fathom.eval.harness"))
    assert code == "extra_missing"
    assert "`make eval`" in told
