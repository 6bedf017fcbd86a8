"""The suite: small tasks in Chinese and English, each with its number of items, chance and an interval.

Likelihood tasks are scored once; all others twice, greedy (temperature 0, no penalty) and at the model's default
sampling, whose seed for an item is made of its name. All answers run side by side on the engine. An item that does not
fit into the model's context counts as failed: scores are of the same items, whatever the model.
"""

from __future__ import annotations

import platform
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import __version__
from ..errors import Both, FathomError
from ..llm import LLM, SamplingParams
from ..request import Answer as Running
from ..request import Completion, Delta, Request, stream
from .bpb import bits_per_byte
from .likelihood import begin_token, loglikelihoods
from .scorers import loops, score
from .stats import interval
from .tasks import LANGUAGES, TASKS, Item, Task, fingerprint, items, prose

__all__ = ["BITS", "Answer", "Evaluation", "evaluate"]

BITS = "bits_per_byte"
SEED = 1
TOO_LONG = "too_long"
Report = Callable[[int, int], None]
Watch = Callable[[str], AbstractContextManager[Report]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model made of an item: an answer as it came (``calls``: of tools), or the texts' log-probabilities.

    ``finish_reason`` is ``too_long`` where nothing was asked as the item does not fit into the context.
    """

    task: str
    lang: str
    id: str
    mode: str  # likelihood, greedy or sampled
    score: float
    answer: str | int
    part: str | None = None
    calls: tuple[tuple[str, str], ...] = ()
    nats: tuple[float, ...] = ()
    loops: bool | None = None
    tokens: int = 0
    finish_reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """``result`` is what ``fathom eval core --json`` prints and ``fathom eval report`` reads."""

    result: dict[str, Any]
    answers: list[Answer] = field(default_factory=list)


def evaluate(
    llm: LLM,
    tasks: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    watch: Watch | None = None,
) -> Evaluation:
    """Runs the suite, or the ``tasks`` named, with at most ``limit`` items a language and task.

    A task that can't be run here (no chat template; no sacrebleu) is left out and the reason stands under ``skipped``;
    where it was named it is an error. ``watch`` gives each stage (``weighing``, ``asking``, ``reading``) its progress.
    Raises ``choice_unknown`` for an unknown task and ``no_tokenizer``.
    """
    began, watch = time.monotonic(), watch or _unwatched
    known = (*TASKS, BITS)
    if unknown := [name for name in tasks or () if name not in known]:
        raise FathomError("choice_unknown", what=Both("task", "任务"), found=unknown[0], known=", ".join(known))
    _ = llm.tokenizer
    chosen = [task for task in TASKS.values() if tasks is None or task.name in tasks]
    skipped = {task.name: error for task in chosen if (error := _obstacle(llm, task))}
    if tasks is not None and skipped:
        raise next(iter(skipped.values()))
    todo = [(task, items(task.name, llm, limit)) for task in chosen if task.name not in skipped]
    with watch("weighing") as report:
        answers = _weigh(llm, [(task, of) for task, of in todo if task.how == "likelihood"], report)
    asked = time.monotonic()
    with watch("asking") as report:
        answers += _ask(llm, [(task, of) for task, of in todo if task.how != "likelihood"], report)
    seconds = time.monotonic() - asked
    by_id = {(task.name, item["lang"], item["id"]): item for task, of in todo for item in of}
    too_long = {(answer.task, answer.lang, answer.id) for answer in answers if answer.finish_reason == TOO_LONG}
    result: dict[str, Any] = {
        "model": llm.name,
        "format": llm.format,
        "context": llm.context_length,
        "fathom": __version__,
        "items_sha256": fingerprint(),
        "limit": limit,
        "tasks": _summaries(answers, by_id),
        "skipped": {name: error.message() for name, error in skipped.items()},
        "too_long": dict(Counter(name for name, _, _ in sorted(too_long))),
    }
    if tasks is None or BITS in tasks:
        with watch("reading") as report:
            result[BITS] = _bits(llm, report)
    tokens = sum(answer.tokens for answer in answers)
    result["speed"] = {
        "seconds": round(time.monotonic() - began, 1),
        "answers": sum(answer.mode != "likelihood" for answer in answers),
        "tokens": tokens,
        "tokens_per_s": round(tokens / seconds, 1) if tokens else None,
        "threads": llm.model.threads,
        "machine": platform.machine(),
    }
    return Evaluation(result, answers)


def _unwatched(_: str) -> AbstractContextManager[Report]:
    return nullcontext(lambda *_: None)


def _obstacle(llm: LLM, task: Task) -> FathomError | None:
    """Why this model, or this installation, can't be asked."""
    try:
        if task.name != "minimal_pairs":
            llm.template(with_tools=task.how == "tools")
        if task.name == "translation":
            _chrf()
    except FathomError as error:  # which stands in the result: where the model lies here is nobody's business
        return FathomError(error.code, **error.fields | ({"path": llm.name} if "path" in error.fields else {}))
    return None


# likelihood


def _weigh(llm: LLM, todo: Sequence[tuple[Task, Sequence[Item]]], report: Report) -> list[Answer]:
    """Scores the texts of each item; all pairs of all tasks in one go."""
    asked = [(task, item, _pairs(llm, task, item)) for task, of in todo for item in of]
    found = iter(loglikelihoods(llm, [pair for _, _, pairs in asked for pair in pairs], report=report))
    answers = []
    for task, item, pairs in asked:
        if not pairs:
            answers.append(_answer(task, item, "likelihood", 0.0, "", finish_reason=TOO_LONG))
            continue
        nats = [next(found)[0] for _ in pairs]
        if task.name == "minimal_pairs":
            choice, right = int(nats[0] <= nats[1]), float(nats[0] > nats[1])
        else:
            a_token = [total / len(text) for total, (_, text) in zip(nats, pairs, strict=True)]
            choice = a_token.index(max(a_token))
            right = score(task.name, item, choice)
        answers.append(_answer(task, item, "likelihood", right, choice, nats=tuple(nats)))
    return answers


def _pairs(llm: LLM, task: Task, item: Item) -> list[tuple[list[int], list[int]]]:
    """Context and text of each candidate: whole sentences, or the answers of an assistant; none if one is too long."""
    if task.name == "minimal_pairs":
        context, texts = [begin_token(llm)], [item["good"], item["bad"]]
    else:
        template = llm.template()
        context = template.render([{"role": "user", "content": item["question"]}])
        space = " " if template.strips_space else ""  # which begins every answer in such a template
        texts = [space + option for option in item["options"]]
    pairs = [(context, llm.tokenizer.encode(text)) for text in texts]
    return pairs if all(len(context) + len(text) <= llm.context_length for _, text in pairs) else []


# answers


def _ask(llm: LLM, todo: Sequence[tuple[Task, Sequence[Item]]], report: Report) -> list[Answer]:
    """Both ways of each item behind one another: they share what was computed of the prompt."""
    asked = [
        (task, item, mode, _request(llm, task, item, params))
        for task, of in todo
        for item in of
        for mode, params in _modes(llm, task, item)
    ]
    done = iter(_completions(llm, [request for *_, request in asked if request], report))
    answers = []
    for task, item, mode, request in asked:
        if not request:
            endless = True if task.name == "everyday" else None
            answers.append(_answer(task, item, mode, 0.0, "", loops=endless, finish_reason=TOO_LONG))
            continue
        completion = next(done)
        calls = tuple((call.name, call.arguments) for call in completion.tool_calls)
        right = _score(task, item, calls if task.how == "tools" else completion.text)
        looped = loops(completion.token_ids, completion.finish_reason) if task.name == "everyday" else None
        answers.append(
            _answer(
                *(task, item, mode, right, completion.text),
                calls=calls,
                loops=looped,
                tokens=completion.completion_tokens,
                finish_reason=completion.finish_reason,
            )
        )
    return answers


def _modes(llm: LLM, task: Task, item: Item) -> Iterable[tuple[str, SamplingParams]]:
    yield "greedy", SamplingParams(temperature=0.0, max_tokens=task.tokens)
    seed = SEED + zlib.crc32(f"{task.name} {item['id']}".encode())  # one seed for all would give all the same luck
    yield "sampled", llm.params(seed=seed, max_tokens=task.tokens)


def _request(llm: LLM, task: Task, item: Item, params: SamplingParams) -> Request | None:
    """None where the prompt and the longest answer exceed the model's context."""
    messages = item["messages"] if task.how == "tools" else [{"role": "user", "content": item["prompt"]}]
    if task.how == "choice":
        params = llm.params(params, choice=tuple(item["options"]))
    try:
        return llm.chat_request(messages, params, tools=item.get("tools"))
    except FathomError as error:
        if error.code != "context_length_exceeded":
            raise
        return None


def _completions(llm: LLM, requests: Sequence[Request], report: Report) -> list[Completion]:
    running = [answer for request in requests for answer in request.answers]
    deltas: dict[Running, list[Delta]] = {answer: [] for answer in running}
    done: dict[Running, Completion] = {}
    for answer, delta in stream(llm.engine, running):
        deltas[answer].append(delta)
        if answer.finished:
            done[answer] = answer.join(deltas.pop(answer))
            report(len(done), len(running))
    return [done[answer] for answer in running]


def _score(task: Task, item: Item, answer: Any) -> float:
    if task.name == "translation":
        return float(_chrf().sentence_score(answer, [item["reference"]]).score) / 100
    return score(task.name, item, answer)


def _answer(task: Task, item: Item, mode: str, right: float, answer: str | int, **more: Any) -> Answer:
    part = str(item[task.parts]) if task.parts else None
    return Answer(task.name, item["lang"], item["id"], mode, right, answer, part, **more)


# what it comes to


def _summaries(answers: Sequence[Answer], by_id: dict[tuple[str, str, str], Item]) -> dict[str, Any]:
    """Task -> language -> mode -> n, score, low, high, chance."""
    groups: dict[tuple[str, str, str], list[Answer]] = {}
    for answer in answers:
        groups.setdefault((answer.task, answer.lang, answer.mode), []).append(answer)
    tasks: dict[str, Any] = {}
    for (name, lang, mode), of in groups.items():
        row = _row([answer.score for answer in of], _chance(TASKS[name], [by_id[name, lang, a.id] for a in of]))
        if TASKS[name].parts:
            parts: dict[str, list[float]] = {}
            for answer in of:
                parts.setdefault(answer.part or "", []).append(answer.score)
            row["parts"] = {part: {"n": len(s), "score": round(sum(s) / len(s), 4)} for part, s in parts.items()}
        if name == "translation":
            references = [[by_id[name, lang, answer.id]["reference"] for answer in of]]
            row["corpus_chrf"] = round(_chrf().corpus_score([str(answer.answer) for answer in of], references).score, 2)
        tasks.setdefault(name, {}).setdefault(lang, {})[mode] = row
        if name == "everyday":
            looped = _row([float(bool(answer.loops)) for answer in of], None)
            tasks.setdefault("repetition", {}).setdefault(lang, {})[mode] = looped
    return tasks


def _chance(task: Task, of: Sequence[Item]) -> float | None:
    if task.blind is None:
        return task.chance
    return sum(_score(task, item, task.blind[item["lang"]]) for item in of) / len(of)


def _row(scores: Sequence[float], chance: float | None) -> dict[str, Any]:
    mean, low, high = (round(value, 4) for value in interval(scores))
    return {"n": len(scores), "score": mean, "low": low, "high": high, "chance": chance and round(chance, 4)}


def _bits(llm: LLM, report: Report) -> dict[str, Any]:
    total = sum(prose(lang).stat().st_size for lang in LANGUAGES)
    before, found = 0, {}
    for lang in LANGUAGES:

        def shown(done: int, _: int, before: int = before) -> None:
            report(before + done, total)

        of = bits_per_byte(llm, prose(lang), report=shown)
        figures = {"model": round(of.bits_per_byte, 4), "xz": round(of.xz, 4)}
        found[lang] = {**figures, "bytes": of.bytes, "context": of.context}
        before += of.bytes
    return found


def _chrf() -> Any:
    """chrF (Popovic, 2015) as sacrebleu computes it: character n-grams up to 6."""
    try:
        from sacrebleu.metrics import CHRF
    except ModuleNotFoundError:
        raise FathomError("extra_missing", feature=Both("the task translation", "翻译任务"), extra="eval") from None
    return CHRF()
