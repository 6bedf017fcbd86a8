"""The public face: ``LLM`` joins a checkpoint's text, weights and engine; ``SamplingParams`` says how to decode.

    llm = LLM()                                     # the shipped model; or LLM("path or name", dtype="int4")
    llm.chat([{"role": "user", "content": "你好"}]).text
    for delta in llm.generate("Once upon", stream=True, max_tokens=50): print(delta.text, end="")

Everything that can be wrong with a request is an error before any work. Requests of several threads, prompts of a list
and their ``n`` answers run side by side. Latents of what was computed are kept while there is room: a prompt that
begins like an earlier text is computed from the page of 64 tokens in which it departs.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from .config import ModelConfig
from .engine.constraints import Constraint, Grammars
from .engine.engine import Engine
from .engine.pages import PAGE
from .engine.runner import NativeModel
from .engine.sampling import SamplingParams
from .errors import FathomError
from .files import human
from .hub.store import resolve
from .machine import Memory, cores, memory
from .model import Program, build_program
from .model.formats import CACHES, FORMATS, cache_bytes, scratch_bytes, weight_bytes
from .request import Answer, Completion, Delta, Request, Timings, stream
from .text.template import ChatTemplate
from .text.tokenizer import Tokenizer
from .text.tools import ToolCall, ToolFormat, calls_grammar, checked_tools
from .weights.checkpoint import Checkpoint, open_checkpoint
from .weights.dummy import dummy_weights
from .weights.load import Progress, load_weights
from .weights.published import known_config

__all__ = ["LLM", "Completion", "Delta", "SamplingParams", "Timings", "ToolCall"]

Prompt = str | Sequence[int]
Messages = Sequence[Mapping[str, Any]]
LEAST_CONTEXT = 512  # tokens below which a model that hardly fits is refused rather than cut short
MOST_CONTEXTS = 32  # that the latent cache holds
MOST_THREADS = 1024  # what the native pool takes


class LLM:
    """A model in memory.

    ``model`` is a path (folder or ``.gguf``), a name in the store or in the Hugging Face cache, or ``mini``. ``dtype``
    is ``auto`` (as stored), ``float32``, ``bfloat16``, ``int8`` or ``int4`` with ``group`` columns a scale.
    ``cache_dtype`` is that of the latent cache: ``float32``, ``bfloat16``, ``int8`` (half the memory, a little less
    exact) or ``auto``, float32 where all weights are and bfloat16 elsewhere.
    ``max_context`` defaults to what the configuration allows and the memory holds. ``dummy`` takes the name of a
    published shape instead: random weights, no tokenizer, for measuring. Raises ``model_not_found``, ``memory``, and
    the errors of damaged files.
    """

    def __init__(
        self,
        model: str | Path = "mini",
        *,
        dtype: str = "auto",
        cache_dtype: str = "auto",
        max_context: int | None = None,
        threads: int | None = None,
        group: int = 32,
        dummy: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        _check_arguments(dtype, cache_dtype, max_context, threads)
        self.path = Path(dummy) if dummy else resolve(model)
        self.name = dummy or str(model)
        self.dtype = "int8" if dummy and dtype == "auto" else dtype
        checkpoint = None if dummy else open_checkpoint(self.path)
        self.config: ModelConfig = checkpoint.config if checkpoint else known_config(self.name)
        self.program: Program = build_program(self.config)
        stored = checkpoint is not None and dtype == "auto"
        self.format: str = checkpoint.format if checkpoint and stored else self.dtype
        is_float32 = dtype == "float32" or (checkpoint is not None and stored and checkpoint.is_float32)
        if cache_dtype == "auto":
            cache_dtype = "float32" if is_float32 else "bfloat16"
        weights = checkpoint.nbytes if checkpoint and stored else weight_bytes(self.program, self.dtype, group)
        self.context_length: int = _fitting_context(self.name, self.program, weights, cache_dtype, max_context)
        self._files: Mapping[str, Path | str] = checkpoint.tokenizer_files if checkpoint else {}
        self._defaults = _generation_defaults(checkpoint) if checkpoint else {}
        tensors = (
            load_weights(checkpoint, self.program, dtype, group, progress)
            if checkpoint
            else dummy_weights(self.program, self.dtype, group=group)
        )
        self.model = NativeModel(self.program, tensors, cache_dtype=cache_dtype, threads=threads)
        self.engine = Engine(self.model, _cache_pages(self.program, cache_dtype, self.context_length))
        self._closing = weakref.finalize(self, self.engine.close)  # also where the interpreter ends in the midst
        self._templates: dict[bool, ChatTemplate] = {}

    # text

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Raises ``no_tokenizer`` where the checkpoint has none; calls with token ids work all the same."""
        return Tokenizer.load(self._files, name=self.path)

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Tokens that end an answer: the tokenizer's and the configuration's."""
        text = self.tokenizer.eos_ids if self.has_tokenizer else ()
        return tuple(i for i in dict.fromkeys((*text, *self.config.eos_token_ids)) if i < self.config.vocab_size)

    @property
    def has_tokenizer(self) -> bool:
        return "tokenizer.json" in self._files

    def template(self, *, with_tools: bool = False) -> ChatTemplate:
        """The chat template (some checkpoints have one of their own for tools); ``no_chat_template`` if none."""
        if with_tools not in self._templates:
            found = ChatTemplate.of(self.tokenizer, with_tools=with_tools)
            if found is None:
                raise FathomError("no_chat_template", path=self.path)
            self._templates[with_tools] = found
        return self._templates[with_tools]

    @cached_property
    def grammars(self) -> Grammars:
        return Grammars(self.tokenizer.grammar_spec(), self.config.vocab_size, self.end_ids)

    def constraint(self, params: SamplingParams) -> Constraint | None:
        """The grammar a request asks for, compiled; ``grammar_invalid`` where it can't be used."""
        return self.grammars.constraint(params) if params.constraints() else None

    def params(self, base: SamplingParams | None = None, **overrides: Any) -> SamplingParams:
        """Sampling parameters: ``base``, else the checkpoint's defaults, with ``overrides`` on top."""
        unknown = next((name for name in overrides if name not in SamplingParams.names()), None)
        if unknown is not None:
            raise FathomError("parameter_unsupported", param=unknown)
        if base is None:
            return SamplingParams(**{**self._defaults, **overrides})
        return replace(base, **overrides) if overrides else base

    # token ids

    def logits(self, token_ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits (T, V) at every position of ``token_ids``; nothing is added to them."""
        ids = _ids(token_ids, self.config.vocab_size)
        if len(ids) > self.context_length:
            raise FathomError("context_length_exceeded", prompt=len(ids), wanted=0, context=self.context_length)
        needed, free = 4 * len(ids) * self.config.vocab_size, memory().available
        if needed > free:
            raise FathomError("memory", what=f"{len(ids)} rows of logits", needed=human(needed), free=human(free))
        logits = self.model.forward(ids, self.model.new_cache(len(ids)), logits="all")
        if not np.isfinite(logits).all():
            raise FathomError("not_finite")
        return logits

    # generation

    @overload
    def generate(
        self, prompts: Prompt, params: SamplingParams | None = None, *, stream: Literal[True], **overrides: Any
    ) -> Generator[Delta, None, None]: ...
    @overload
    def generate(
        self,
        prompts: Prompt | Sequence[Prompt],
        params: SamplingParams | None = None,
        *,
        stream: Literal[False] = False,
        **overrides: Any,
    ) -> list[Completion]: ...
    def generate(
        self,
        prompts: Prompt | Sequence[Prompt],
        params: SamplingParams | None = None,
        *,
        stream: bool = False,
        **overrides: Any,
    ) -> Generator[Delta, None, None] | list[Completion]:
        """Continues a text or token ids, or each of a list of them.

        A text gets the tokenizer's BOS, ids are taken as they are. Returns the completions in order, ``n`` a prompt;
        with ``stream=True`` yields the deltas of one prompt.
        """
        chosen = self.params(params, **overrides)
        requests = [self.request(prompt, chosen) for prompt in _prompt_list(prompts)]
        if not stream:
            return self._completions(requests)
        if len(requests) != 1:
            raise FathomError("parameter_invalid", param="prompts", problem="a stream takes one prompt")
        return requests[0].stream()

    @overload
    def chat(
        self,
        messages: Messages,
        params: SamplingParams | None = None,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str = "auto",
        stream: Literal[True],
        **overrides: Any,
    ) -> Generator[Delta, None, None]: ...
    @overload
    def chat(
        self,
        messages: Messages,
        params: SamplingParams | None = None,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str = "auto",
        stream: Literal[False] = False,
        **overrides: Any,
    ) -> Completion: ...
    def chat(
        self,
        messages: Messages,
        params: SamplingParams | None = None,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str = "auto",
        stream: bool = False,
        **overrides: Any,
    ) -> Generator[Delta, None, None] | Completion:
        """Answers a conversation. ``tool_choice`` is ``auto``, ``none``, ``required`` or the name of a tool."""
        chosen = self.params(params, **overrides)
        if stream:
            return self.chat_request(messages, chosen, tools=tools, tool_choice=tool_choice).stream()
        request = self.chat_request(messages, replace(chosen, n=1), tools=tools, tool_choice=tool_choice)
        return self._completions([request])[0]

    def request(
        self,
        prompt: Prompt,
        params: SamplingParams,
        *,
        strip_space: bool = False,
        tool_format: ToolFormat | None = None,
    ) -> Request:
        """A checked request for one prompt; nothing has run yet. ``tool_format``: calls are read from the text."""
        if isinstance(prompt, str):
            if not prompt:
                raise FathomError("prompt_empty", param="prompt")
            ids = self.tokenizer.encode(prompt, add_bos=True)
        else:
            ids = _ids(prompt, self.config.vocab_size)
        return Request(self, ids, params, strip_space, tool_format)

    def chat_request(
        self,
        messages: Messages,
        params: SamplingParams,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str = "auto",
        parallel_calls: bool = True,
    ) -> Request:
        """A checked request for a conversation.

        Where the form of calls is ours or DeepSeek's a grammar keeps them to it (and to the schemas), unless the
        request brings a grammar of its own.
        """
        offered = checked_tools(tools) if tools and tool_choice != "none" else None
        template = self.template(with_tools=bool(offered))
        ids = template.render(messages, tools=offered)
        strip = template.strips_space
        if not offered:
            if tool_choice not in ("auto", "none"):
                raise FathomError("parameter_invalid", param="tool_choice", problem="needs tools")
            return self.request(ids, params, strip_space=strip)
        form, required = template.tool_format, tool_choice != "auto"
        named = [t for t in offered if tool_choice in ("auto", "required", t["function"]["name"])]
        if not named:
            raise FathomError("parameter_invalid", param="tool_choice", problem=f"no tool {tool_choice!r}")
        if required and params.constraints():
            problem = f"can't be used together with {params.constraints()[0]}"
            raise FathomError("parameter_invalid", param="tool_choice", problem=problem)
        if required or (template.tool_format_is_known and not params.constraints()):
            controls = {text: i for i, text in self.tokenizer.controls.items()}
            grammar = calls_grammar(named, form, controls, required=required, parallel=parallel_calls)
            params = replace(params, grammar=grammar)
        return self.request(ids, params, strip_space=strip, tool_format=form)

    def _completions(self, requests: Sequence[Request]) -> list[Completion]:
        """Runs all requests side by side."""
        deltas: dict[Answer, list[Delta]] = {answer: [] for request in requests for answer in request.answers}
        for answer, delta in stream(self.engine, list(deltas)):
            deltas[answer].append(delta)
        return [answer.join(found) for answer, found in deltas.items()]


def _ids(tokens: Sequence[int], vocab_size: int) -> list[int]:
    if len(tokens) == 0:
        raise FathomError("prompt_empty", param="prompt")
    for token in tokens:
        if isinstance(token, bool) or not isinstance(token, int | np.integer):
            raise FathomError("parameter_invalid", param="prompt", problem=f"{token!r} is not a token id")
        if not 0 <= token < vocab_size:
            raise FathomError("token_out_of_range", param="prompt", found=int(token), last=vocab_size - 1)
    return [int(token) for token in tokens]


def _prompt_list(prompts: Prompt | Sequence[Prompt]) -> list[Prompt]:
    """One prompt or several: a list whose first entry is a number is one prompt of token ids."""
    if isinstance(prompts, str):
        return [prompts]
    if len(prompts) == 0:
        raise FathomError("prompt_empty", param="prompt")
    if isinstance(prompts[0], int | np.integer):
        return [prompts]  # type: ignore[list-item]
    return list(prompts)  # type: ignore[arg-type]


def _check_arguments(dtype: str, cache_dtype: str, max_context: int | None, threads: int | None) -> None:
    for what, found, choices in (("dtype", dtype, FORMATS), ("cache_dtype", cache_dtype, CACHES)):
        if found not in ("auto", *choices):
            raise FathomError("choice_unknown", what=what, found=found, known=", ".join(("auto", *choices)))
    if isinstance(threads, int) and threads > MOST_THREADS:
        raise FathomError("parameter_invalid", param="threads", problem=f"{threads} is more than {MOST_THREADS}")
    for param, value in (("max_context", max_context), ("threads", threads)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise FathomError("parameter_invalid", param=param, problem=f"{value!r} is not a whole number of 1 or more")


def _fitting_context(
    name: str, program: Program, weights: int, cache_dtype: str, wanted: int | None, free: Memory | None = None
) -> int:
    """The context to offer: what was asked for, if it fits; else as much of the model's as the memory holds."""
    most = program.config.max_position_embeddings
    if wanted is not None and wanted > most:
        raise FathomError("parameter_invalid", param="max_context", problem=f"{wanted}; the model has {most}")
    available = (free or memory()).available
    context = wanted or most
    while (need := _memory_needed(program, weights, cache_dtype, context)) > available:
        if wanted is not None or context <= LEAST_CONTEXT:
            what = f"{name} with a context of {context} tokens"
            raise FathomError("memory", what=what, needed=human(need), free=human(available))
        context = max(context // 2, LEAST_CONTEXT)
    return context


def _memory_needed(program: Program, weights: int, cache_dtype: str, context: int) -> int:
    return weights + cache_bytes(program, context, cache_dtype) + scratch_bytes(program, context, cores())


def _cache_pages(program: Program, cache_dtype: str, context: int) -> int:
    """Pages of the latent cache: one whole context, and others as long as they take no more than a quarter of what the
    loaded model and the buffers of a pass leave of the memory."""
    free = max(memory().available - scratch_bytes(program, context, cores()), 0)
    spare = free // 4 // cache_bytes(program, PAGE, cache_dtype)
    return max(-(-context // PAGE), min(MOST_CONTEXTS * context // PAGE, spare))


def _generation_defaults(checkpoint: Checkpoint) -> dict[str, Any]:
    """Sampling fields of the checkpoint's generation_config.json; greedy where it says ``do_sample: false``."""
    source = checkpoint.tokenizer_files.get("generation_config.json")
    if source is None:
        return {}
    try:
        raw = json.loads(source if isinstance(source, str) else source.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        path = checkpoint.path / "generation_config.json"
        raise FathomError("file_malformed", path=path, format="JSON", problem=error) from None
    if not isinstance(raw, dict):
        return {}
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
    found = {name: raw[name] for name in names if raw.get(name) is not None}
    SamplingParams(**found)  # a bad file is an error when the model is loaded, not at the first question
    return found | ({"temperature": 0.0} if raw.get("do_sample") is False else {})
