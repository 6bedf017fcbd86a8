"""lm-evaluation-harness on fathom: the way to public benchmarks, and to task files in its format.

:class:`FathomLM` puts its questions to an :class:`~fathom.llm.LLM` in this process, :func:`connect` to a server's
/v1/completions through the harness' own client; :func:`evaluate` runs tasks with either. Both ways cut what is too long
alike, so they give equal scores. Needs the extra ``[eval]``.

A task file is code: ``!function`` in it runs Python, and its data set may come from the network.

>>> summary(evaluate(FathomLM("mini"), ["arc_easy"], limit=100))["tasks"]["arc_easy"]["metrics"]["acc"]["score"]
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from ..errors import Both, FathomError
from ..hub.store import resolve
from ..llm import LLM, SamplingParams
from ..text.template import ChatTemplate
from ..text.tokenizer import Tokenizer
from ..weights.checkpoint import open_checkpoint
from .likelihood import first_token, loglikelihoods

try:
    import lm_eval
    from lm_eval.api.model import TemplateLM
    from lm_eval.api.registry import register_model
    from lm_eval.models.openai_completions import LocalCompletionsAPI
    from lm_eval.models.utils import normalize_gen_kwargs
    from lm_eval.tasks import TaskManager
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
    from requests import RequestException
    from tqdm import tqdm
except ModuleNotFoundError:
    raise FathomError("extra_missing", feature="fathom eval harness", extra="eval") from None

__all__ = ["FathomLM", "connect", "evaluate", "summary"]

SEED = 1234  # of tasks that sample and of few-shot examples: the harness' own
ANSWER = 256  # tokens of an answer where a task doesn't say, as in the harness
BATCH = 64  # prompts at once
SERVER_BATCH = 16  # prompts of one HTTP request
RESAMPLES = 1000  # of the bootstrap, for metrics that have no formula of their standard error
UNTOLD_CONTEXT = 2048  # tokens, of a server that doesn't say
SAMPLING = frozenset(
    (
        *("temperature", "top_k", "top_p", "min_p", "seed"),
        *("repetition_penalty", "presence_penalty", "frequency_penalty"),
    )
)
Scored = tuple[tuple[str, str] | None, list[int], list[int]]  # texts unless rolling; context, continuation


class _Texts:
    """How both adapters read texts: as the harness' ``hf`` adapter, with the tokenizer of a checkpoint.

    Control tokens spelled in a text count, and BOS stands before it where the tokenizer puts it, unless the text begins
    with it. So a text to be scored as a whole (rolling) has BOS twice, as in published figures.
    """

    tokenizer: Tokenizer
    ends: tuple[int, ...]  # tokens that end a text

    @property
    def eot_token_id(self) -> int:
        return self.ends[0] if self.ends else self.prefix_token_id

    @property
    def prefix_token_id(self) -> int:
        return first_token(self.tokenizer, self.ends, self.tokenizer_name)

    @property
    def tokenizer_name(self) -> str:
        raise NotImplementedError

    @cached_property
    def _template(self) -> ChatTemplate:
        if (template := ChatTemplate.of(self.tokenizer)) is None:
            raise FathomError("no_chat_template", path=self.tokenizer_name)
        return template

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        return self._template.source if chat_template else None

    def apply_chat_template(self, chat_history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
        """The conversation as text; without ``add_generation_prompt`` it ends in its last message, to be continued."""
        ids = self._template.render(chat_history, add_generation_prompt=add_generation_prompt)
        text = self.tokenizer.decode(ids, skip_special=False)
        if add_generation_prompt:
            return text
        last = chat_history[-1]["content"].strip()
        return text[: text.rindex(last) + len(last)]

    @cached_property
    def _begin(self) -> str:
        return self.tokenizer.decode([self.prefix_token_id], skip_special=False)

    def tok_encode(self, string: str | Sequence[str], add_special_tokens: bool | None = None, **_: Any) -> Any:
        """Token ids of a text; of several a list for each."""
        if not isinstance(string, str):
            return [self.tok_encode(text) for text in string]
        begins = self._begin != "" and string.startswith(self._begin)
        wanted = not begins if add_special_tokens is None else add_special_tokens
        return self.tokenizer.encode(string, add_bos=wanted, allow_special=True)


@register_model("fathom")
class FathomLM(_Texts, TemplateLM):
    """The harness' questions to a model in this process; the engine batches by itself.

    ``model`` is a loaded LLM, or what :class:`~fathom.llm.LLM` takes with ``options``. What is too long loses its first
    tokens, as in the harness' ``hf`` adapter; a sequence has :attr:`max_length` tokens with its continuation or its
    answer. Answers are greedy unless a task says otherwise; other defaults of the checkpoint's generation_config.json
    hold, as in ``hf``.
    """

    def __init__(self, model: LLM | str | Path = "mini", *, batch_size: object = None, **options: Any) -> None:
        del batch_size  # lm_eval's command line always gives one
        super().__init__()
        self.llm = model if isinstance(model, LLM) else LLM(model, **options)
        self.tokenizer, self.ends = self.llm.tokenizer, self.llm.end_ids
        self.cut = 0  # contexts that lost their first tokens, so far

    @property
    def tokenizer_name(self) -> str:
        return f"fathom__{self.llm.name}".replace("/", "__")

    @property
    def max_length(self) -> int:
        """The model's context but for the token that /v1/completions writes after every prompt it scores."""
        return self.llm.context_length - 1

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """For each (context, continuation): log p in nats, and whether greedy decoding would have written it."""
        for request in requests:
            context, continuation = request.args
            _check_continuation(context, continuation, continuation)
        return list(super().loglikelihood(requests, disable_tqdm))

    def _loglikelihood_tokens(
        self, requests: Sequence[Scored], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        pairs = []
        for texts, context, continuation in requests:
            before, text = texts or ("", "")
            _check_continuation(before, text, continuation)
            if len(continuation) >= self.max_length:
                sizes = {"prompt": len(continuation) + 1, "wanted": 1, "context": self.llm.context_length}
                raise FathomError("context_length_exceeded", param="continuation", **sizes)
            pairs.append((self._last(context, self.max_length - len(continuation)), continuation))
        with tqdm(desc="scoring", unit=" tokens", disable=disable_tqdm) as bar:

            def report(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            results = loglikelihoods(self.llm, pairs, report=report)
        for (texts, *_ids), result in zip(requests, results, strict=True):
            if texts is not None:
                self.cache_hook.add_partial("loglikelihood", texts, result)
        return results

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """For each text: log p in nats, in windows that predict every token once."""
        windows: list[Scored] = []
        counts = []
        for request in requests:
            ids = self.tok_encode(request.args[0])
            pairs = get_rolling_token_windows(
                token_list=ids, prefix_token=self.prefix_token_id, max_seq_len=self.max_length - 1, context_len=1
            )
            found = [(None, *make_disjoint_window(pair)) for pair in pairs]
            windows += found
            counts.append(len(found))
        scores = iter(self._loglikelihood_tokens(windows, disable_tqdm))
        totals = []
        for request, count in zip(requests, counts, strict=True):
            totals.append(sum(next(scores)[0] for _ in range(count)))
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, totals[-1])
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """For each (context, options of generation): the answer, without the stop string that ended it."""
        answers = [""] * len(requests)
        groups: dict[str, list[int]] = {}  # places of requests with the same options
        for place, request in enumerate(requests):
            groups.setdefault(json.dumps(request.args[1], sort_keys=True), []).append(place)
        with tqdm(desc="answering", total=len(requests), disable=disable_tqdm) as bar:
            for places in groups.values():
                params = self._params(requests[places[0]].args[1])
                for at in range(0, len(places), BATCH):
                    batch = places[at : at + BATCH]
                    prompts = [self._prompt(requests[place].args[0], params) for place in batch]
                    for place, completion in zip(batch, self.llm.generate(prompts, params), strict=True):
                        answers[place] = completion.text
                        self.cache_hook.add_partial("generate_until", requests[place].args, completion.text)
                    bar.update(len(batch))
        return answers

    def _params(self, options: Mapping[str, Any]) -> SamplingParams:
        asked = normalize_gen_kwargs(dict(options), ANSWER)
        most, stops = asked.pop("max_gen_toks"), asked.pop("until")
        del asked["do_sample"]  # says no more than the temperature, now
        if unknown := next((name for name in asked if name not in SAMPLING), None):
            raise FathomError("parameter_unsupported", param=unknown)
        sampling = {"temperature": 0.0, "seed": SEED, **asked}
        return self.llm.params(**sampling, max_tokens=most, stop=tuple(stop for stop in stops or () if stop))

    def _prompt(self, context: str, params: SamplingParams) -> list[int]:
        wanted = params.max_tokens or 0
        room = self.max_length - wanted
        if room < 1:
            sizes = {"prompt": 1, "wanted": wanted, "context": self.llm.context_length}
            raise FathomError("context_length_exceeded", param="max_gen_toks", **sizes)
        return self._last(self.tok_encode(context) or [self.prefix_token_id], room)

    def _last(self, ids: list[int], room: int) -> list[int]:
        self.cut += len(ids) > room
        return ids[-room:]


def _check_continuation(context: str, continuation: str, tokens: Sequence[object]) -> None:
    """A continuation of no tokens would be certain: always the best choice."""
    if not tokens:
        problem = Both(
            f"{continuation!r:.60} adds no token to {context[-40:]!r}",
            f"{continuation!r:.60} 没有给 {context[-40:]!r} 增加 token",
        )
        raise FathomError("parameter_invalid", param="continuation", problem=problem)


class _Server(_Texts, LocalCompletionsAPI):
    """The harness' ``local-completions`` with our tokenizer: it sends token ids."""

    def __init__(self, tokenizer: Tokenizer, **options: Any) -> None:
        super().__init__(tokenizer_backend=None, batch_size=SERVER_BATCH, seed=SEED, **options)
        self.tokenizer, self.ends, self.tokenized_requests = tokenizer, tokenizer.eos_ids, True

    @property
    def tokenizer_name(self) -> str:
        return f"fathom__{self.model}".replace("/", "__")

    @property
    def eos_string(self) -> str:
        return self.tokenizer.decode([self.eot_token_id], skip_special=False)


def connect(url: str, model: str) -> LocalCompletionsAPI:
    """The harness' ``local-completions`` for a server, ours or another with OpenAI's /v1/completions.

    ``model`` names the model on the server, unless that serves one only, and here the folder or file with its
    tokenizer. The key comes from FATHOM_API_KEY or OPENAI_API_KEY. Raises ``bench_server`` where no such server
    answers.
    """
    base = url.rstrip("/").removesuffix("/completions").removesuffix("/v1")
    key = os.environ.get("FATHOM_API_KEY") or os.environ.get("OPENAI_API_KEY")
    header = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        reply = httpx.get(f"{base}/v1/models", headers=header).raise_for_status()
        cards = {str(card["id"]): card for card in reply.json()["data"]}
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FathomError("bench_server", url=base, problem=error) from None
    except (ValueError, LookupError, TypeError):
        raise FathomError(
            "bench_server", url=base, problem=Both("GET /v1/models names no model", "GET /v1/models 没有给出模型")
        ) from None
    name = model if model in cards or len(cards) != 1 else next(iter(cards))
    if name not in cards:
        raise FathomError("choice_unknown", what=Both("model", "模型"), found=model, known=", ".join(cards))
    context = cards[name].get("context_length") or cards[name].get("max_model_len") or UNTOLD_CONTEXT
    path = resolve(model)
    tokenizer = Tokenizer.load(path if path.is_dir() else open_checkpoint(path).tokenizer_files, name=path)
    return _Server(tokenizer, model=name, base_url=f"{base}/v1/completions", max_length=context, header=header)


def evaluate(
    lm: TemplateLM,
    tasks: Sequence[str],
    *,
    include: Path | None = None,
    limit: int | None = None,
    shots: int | None = None,
    chat: bool = False,
) -> dict[str, Any]:
    """Runs tasks, groups or patterns (``mmlu_*``) of the harness, and of the folder ``include``; its own result.

    The first ``limit`` items of each task, with ``shots`` examples before each question, in the chat template with
    ``chat``. Raises ``choice_unknown`` for a task, ``bench_server`` where a server fails or doesn't score prompts,
    ``harness_failed`` for what else the harness meets: a broken task file, a data set that can't be had.
    """
    with _failures(getattr(lm, "base_url", None)):
        loaded = _load(tasks, include)
        for task in loaded["tasks"].values():
            if shots is not None or task.get_config("num_fewshot") is None:
                task.set_config(key="num_fewshot", value=shots or 0)
            task.set_fewshot_seed(seed=SEED)
        if isinstance(lm, LocalCompletionsAPI) and any(
            task.OUTPUT_TYPE != "generate_until" for task in loaded["tasks"].values()
        ):
            _check_that_prompts_are_scored(lm)
        result: dict[str, Any] = lm_eval.evaluate(
            lm, loaded, limit=limit, bootstrap_iters=RESAMPLES, apply_chat_template=chat, fewshot_as_multiturn=chat
        )
    return result


def summary(result: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth keeping: {"harness": version, "tasks": {name: {"n", "shots", "version", "metrics"}}}.

    A metric has its ``score`` and ``stderr`` (None where unknown); its name has the filter's where there is one.
    """
    tasks = {}
    for name, row in result["results"].items():
        metrics: dict[str, dict[str, float | None]] = {}
        for key, value in row.items():
            metric, comma, kept = key.partition(",")
            if comma and not metric.endswith("_stderr"):
                stderr = row.get(f"{metric}_stderr,{kept}")
                label = metric if kept == "none" else key
                metrics[label] = {"score": _number(value), "stderr": _number(stderr)}
        n = result["n-samples"].get(name, {}).get("effective")
        shots, version = result["n-shot"].get(name), result["versions"].get(name)
        tasks[name] = {"n": n, "shots": shots, "version": version, "metrics": metrics}
    return {"harness": lm_eval.__version__, "tasks": tasks}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _load(names: Sequence[str], include: Path | None) -> dict[str, Any]:
    """The tasks; those of the package, whose index takes 10 seconds, only if the folder hasn't all of the names."""
    if include is not None and not include.is_dir():
        raise FathomError(
            "file_unreadable", path=include, problem=Both("it is no folder of task files", "不是任务文件所在的文件夹")
        )
    manager = TaskManager(include_path=include, include_defaults=False) if include else None
    if manager is None or any(not manager.match_tasks([name]) for name in names):
        manager = TaskManager(include_path=include)
    for name in names:
        if not manager.match_tasks([name]):
            near = difflib.get_close_matches(name, manager.all_tasks, 5, 0.4)
            raise FathomError(
                "choice_unknown", what=Both("task", "任务"), found=name, known=", ".join(near) or "`lm-eval ls tasks`"
            )
    loaded: dict[str, Any] = manager.load(manager.match_tasks(list(names)))
    return loaded


def _check_that_prompts_are_scored(client: LocalCompletionsAPI) -> None:
    """A server that knows no ``echo`` would be given the scores of chance, without a word."""
    ids = client.tok_encode("The sky is blue.")
    choice = client.model_call([ids], generate=False)["choices"][0]
    columns = choice.get("logprobs") or {}
    if any(len(columns.get(name) or ()) < len(ids) for name in ("token_logprobs", "top_logprobs")):
        problem = Both(
            "no log-probabilities of the prompt; tasks of choice need `echo` together with `logprobs`",
            "没有返回提示词的对数概率；选择题任务需要 `echo` 与 `logprobs` 一起使用",
        )
        raise FathomError("bench_server", url=client.base_url, problem=problem)


@contextmanager
def _failures(url: str | None) -> Iterator[None]:
    """Whatever the harness raises, as an error of ours."""
    try:
        yield
    except FathomError:
        raise
    except RequestException as error:
        problem = error if error.response is None else f"{error.response.status_code}: {error.response.text:.200}"
        raise FathomError("bench_server", url=url, problem=problem) from error
    except Exception as error:
        raise FathomError("harness_failed", problem=f"{type(error).__name__}: {error}") from error
