"""The suite on the shipped model: what is asked, how it is counted, what can't be asked."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import small_suite
import tiny
from fathom import LLM
from fathom.assets import ASSETS
from fathom.errors import FathomError
from fathom.eval import tasks
from fathom.eval.core import BITS, Evaluation, evaluate
from fathom.eval.scorers import score
from fathom.eval.stats import interval
from fathom.eval.tasks import TASKS


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = small_suite.write(tmp_path_factory.mktemp("suite") / "eval")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "ITEMS", folder)
        yield folder


@pytest.fixture(scope="module")
def llm() -> LLM:
    return LLM(max_context=600)


@pytest.fixture(scope="module")
def found(llm: LLM, suite: Path) -> Evaluation:
    return evaluate(llm, limit=2)


def test_every_task_has_n_score_interval_and_chance(found: Evaluation) -> None:
    rows = found.result["tasks"]
    assert set(rows) == {*TASKS, "repetition"}
    for name, languages in rows.items():
        assert set(languages) == {"zh", "en"}
        for modes in languages.values():
            likelihood = name in TASKS and TASKS[name].how == "likelihood"
            assert set(modes) == ({"likelihood"} if likelihood else {"greedy", "sampled"})
            for row in modes.values():
                assert 0 <= row["low"] <= row["score"] <= row["high"] <= 1
                assert 1 <= row["n"] <= 2
    chances = {name: rows[name]["en"] for name in ("minimal_pairs", "intents", "everyday", "extraction")}
    assert [next(iter(modes.values()))["chance"] for modes in chances.values()] == [0.5, 0.1667, None, 0.0]
    assert (found.result["skipped"], found.result["too_long"]) == ({}, {})
    assert found.result["limit"] == 2
    assert len(found.result["items_sha256"]) == 64


def test_scores_are_those_of_the_answers_as_they_came(found: Evaluation, suite: Path) -> None:
    for task in ("arithmetic", "constraints", "extraction", "intents"):
        of = [answer for answer in found.answers if (answer.task, answer.lang, answer.mode) == (task, "en", "greedy")]
        items = small_suite.ITEMS[task]
        assert [a.score for a in of] == [
            score(task, i | {"lang": "en"}, a.answer) for a, i in zip(of, items, strict=True)
        ]
        mean, low, high = (round(value, 4) for value in interval([answer.score for answer in of]))
        row = found.result["tasks"][task]["en"]["greedy"]
        assert (row["score"], row["low"], row["high"], row["n"]) == (mean, low, high, len(of))
    labels = {answer.answer for answer in found.answers if answer.task == "intents"}
    assert labels <= {"refund", "greeting"}


def test_parts_are_told_apart(found: Evaluation) -> None:
    rows = found.result["tasks"]
    assert set(rows["minimal_pairs"]["en"]["likelihood"]["parts"]) == {"agreement", "order"}
    assert set(rows["grounded"]["zh"]["greedy"]["parts"]) == {"in the text", "not in the text"}
    assert rows["needle"]["en"]["greedy"]["parts"].keys() == {"512"}  # the first two items


def test_what_is_too_long_for_the_context_fails_and_is_told(suite: Path) -> None:
    found = evaluate(LLM(max_context=160), [*TASKS], limit=2)
    assert found.result["context"] == 160
    assert set(found.result["too_long"]) == {"needle", "everyday", "extraction", "constraints", "tools"}
    assert found.result["too_long"]["needle"] == 4
    for answer in found.answers:
        fits = answer.task not in found.result["too_long"]
        assert (answer.finish_reason != "too_long") == fits
        assert fits or (answer.score, answer.answer, answer.tokens) == (0, "", 0)
    rows = found.result["tasks"]
    assert rows["tools"]["en"]["greedy"]["n"] == 1
    assert rows["repetition"]["en"]["greedy"]["score"] == 1
    tiny_context = evaluate(LLM(max_context=6), ["minimal_pairs", "options"])
    assert tiny_context.result["too_long"] == {"minimal_pairs": 2, "options": 4}
    assert tiny_context.result["tasks"]["options"]["zh"]["likelihood"]["score"] == 0


def test_chance_is_what_one_answer_to_all_would_score(found: Evaluation) -> None:
    chance = {task: of["en"]["greedy"]["chance"] for task, of in found.result["tasks"].items() if "greedy" in of["en"]}
    assert chance["grounded"] == 0.5  # one of the two is not answered by its text
    assert chance["constraints"] == 1  # "OK" is at most three words
    assert 0 < found.result["tasks"]["translation"]["en"]["greedy"]["chance"] < 0.2


def test_likelihoods_say_which_text_they_favour(found: Evaluation) -> None:
    for answer in (answer for answer in found.answers if answer.mode == "likelihood"):
        assert len(answer.nats) == (2 if answer.task == "minimal_pairs" else 4)
        if answer.task == "minimal_pairs":
            assert answer.answer == int(answer.nats[0] <= answer.nats[1])
            assert answer.score == float(answer.answer == 0)


def test_options_are_weighed_per_token(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "ITEMS", ASSETS / "eval")
    asked = {(item["lang"], item["id"]): item for item in tasks.items("options", llm)}
    space, by_sum = " " if llm.template().strips_space else "", 0
    for answer in evaluate(llm, ["options"], limit=10).answers:
        sizes = [len(llm.tokenizer.encode(space + option)) for option in asked[answer.lang, answer.id]["options"]]
        means = [nats / size for nats, size in zip(answer.nats, sizes, strict=True)]
        assert answer.answer == means.index(max(means))
        by_sum += answer.answer == answer.nats.index(max(answer.nats))
    assert by_sum < 20  # which is another way


def test_answers_are_those_of_a_chat_greedy_and_at_the_default_sampling(llm: LLM, found: Evaluation) -> None:
    of = [answer for answer in found.answers if answer.task == "everyday" and answer.lang == "en"]
    for answer, item in zip(of, [item for item in small_suite.ITEMS["everyday"] for _ in range(2)], strict=True):
        greedy = {"temperature": 0.0, "repetition_penalty": 1.0}
        sampled = {"seed": 1 + zlib.crc32(f"everyday {answer.id}".encode())}
        done = llm.chat(
            [{"role": "user", "content": item["prompt"]}],
            max_tokens=200,
            **(greedy if answer.mode == "greedy" else sampled),
        )
        assert answer.answer == done.text
    assert [answer.answer for answer in of[::2]] != [answer.answer for answer in of[1::2]]


def test_tools_are_called_and_translations_measured(found: Evaluation) -> None:
    calls = [answer.calls for answer in found.answers if (answer.task, answer.mode) == ("tools", "greedy")]
    assert all(name == "get_weather" for of in calls for name, _ in of)
    assert 0 <= found.result["tasks"]["translation"]["en"]["greedy"]["corpus_chrf"] <= 100


def test_bits_per_byte_stand_beside_xz(found: Evaluation) -> None:
    for lang, text in small_suite.PROSE.items():
        row = found.result[BITS][lang]
        assert row["bytes"] == len(text.encode())
        assert 0 < row["model"] < row["xz"]


def test_the_same_again_and_in_other_company(found: Evaluation, llm: LLM) -> None:
    alone = evaluate(llm, ["arithmetic", "minimal_pairs"], limit=2)
    assert alone.answers == [a for a in found.answers if a.task in ("arithmetic", "minimal_pairs")]
    assert BITS not in alone.result
    assert set(alone.result["tasks"]) == {"arithmetic", "minimal_pairs"}


def test_progress_of_every_stage_ends_at_its_whole(llm: LLM, suite: Path) -> None:
    from contextlib import contextmanager

    seen: dict[str, list[tuple[int, int]]] = {}

    @contextmanager
    def watch(stage: str) -> Iterator[Any]:
        yield lambda done, total: seen.setdefault(stage, []).append((done, total))

    evaluate(llm, ["minimal_pairs", "tables", BITS], watch=watch)
    assert set(seen) == {"weighing", "asking", "reading"}
    assert all(steps[-1][0] == steps[-1][1] and steps == sorted(steps) for steps in seen.values())


def test_unknown_tasks_are_named(llm: LLM) -> None:
    with pytest.raises(FathomError, match="'mmlu' is unknown; choose one of minimal_pairs"):
        evaluate(llm, ["mmlu"])


def test_what_a_model_cannot_be_asked_is_left_out_or_refused(tmp_path: Path, suite: Path) -> None:
    folder = tiny.write_checkpoint(tmp_path / "base")
    (folder / "tokenizer.json").write_text(
        tiny.spec().replace("begin▁of", "start▁of").replace("｜User", "｜Human"), "utf-8"
    )
    base = LLM(folder)
    base.name = "shop"
    found = evaluate(base)
    assert set(found.result["tasks"]) == {"minimal_pairs"}
    assert set(found.result["skipped"]) == set(TASKS) - {"minimal_pairs"}
    assert found.result["skipped"]["arithmetic"].startswith("shop has no chat template")
    assert str(tmp_path) not in json.dumps(found.result)
    with pytest.raises(FathomError, match="no chat template"):
        evaluate(base, ["arithmetic"])
    with pytest.raises(FathomError, match="no tokenizer"):
        evaluate(LLM(tiny.write_checkpoint(tmp_path / "ids", with_text=False)))


def test_without_sacrebleu_translation_is_left_out_or_refused(
    llm: LLM, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(FathomError, match="`make eval`"):
        evaluate(llm, ["translation"])
    monkeypatch.setattr("fathom.eval.core.TASKS", {name: TASKS[name] for name in ("tables", "translation")})
    found = evaluate(llm, limit=1)
    assert list(found.result["tasks"]) == ["tables"]
    assert "the extra [eval]" in found.result["skipped"]["translation"]


def test_needles_lie_at_all_depths_of_texts_of_the_length(llm: LLM, suite: Path) -> None:
    prose = "A quiet street with trees. " * 40
    items = tasks.needles(llm, "en", prose, 60)
    assert [item["length"] for item in items] == [512] * 8 + [1024] * 8 + [1536] * 8
    for item in items:
        tokens = len(llm.tokenizer.encode(item["prompt"]))
        assert item["length"] - 70 < tokens <= item["length"]
        assert item["prompt"].count(item["answer"]) == 1
    places = [item["prompt"].index(item["answer"]) / len(item["prompt"]) for item in items[:8]]
    assert places == sorted(places)
    assert (places[0] < 0.05, places[-1] > 0.9) == (True, True)
    assert tasks.needles(llm, "en", prose, 60) == items


def test_the_shipped_items_of_every_task_can_be_asked(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "ITEMS", ASSETS / "eval")
    found = evaluate(llm, list(TASKS), limit=1)
    rows = [row for of in found.result["tasks"].values() for modes in of.values() for row in modes.values()]
    assert len(rows) == 48
    assert all(row["n"] == 1 for row in rows)


def test_the_fingerprint_hangs_on_every_byte_and_name(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tasks.fingerprint()
    for name in tasks._RULES:
        (tmp_path / name).write_bytes(Path(tasks.__file__).with_name(name).read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "__file__", str(tmp_path / "tasks.py"))
        assert tasks.fingerprint() == before
        (tmp_path / "wording.py").write_text("")
        assert tasks.fingerprint() != before
    path = suite / "tables.jsonl"
    content = path.read_bytes()
    try:
        path.write_bytes(content + b"\n")
        assert tasks.fingerprint() != before
        path.write_bytes(content)
        path.rename(suite / "tablets.jsonl")  # in the same order
        assert tasks.fingerprint() != before
        (suite / "tablets.jsonl").rename(path)
    finally:
        path.write_bytes(content)
    assert tasks.fingerprint() == before
