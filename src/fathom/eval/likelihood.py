"""How likely a model finds given tokens: the sum of their log-probabilities, requests side by side on the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..engine.generation import ScoredToken
from ..errors import FathomError
from ..llm import LLM
from ..text.tokenizer import Tokenizer

__all__ = ["begin_token", "first_token", "loglikelihoods"]

Report = Callable[[int, int], None]  # done, in all
BATCH = 64  # sequences at once; what is noted of each token of them is in memory until they are summed


def begin_token(llm: LLM) -> int:
    """The token before a text's first, as :func:`first_token`; ``no_tokenizer`` where the checkpoint has none."""
    return first_token(llm.tokenizer, llm.end_ids, llm.path)


def first_token(tokenizer: Tokenizer, ends: Sequence[int], path: object) -> int:
    """BOS, else the first of the tokens that end texts; ``no_begin_token`` where there is neither."""
    if tokenizer.bos_id is not None:
        return tokenizer.bos_id
    if not ends:
        raise FathomError("no_begin_token", path=path)
    return ends[0]


def loglikelihoods(
    llm: LLM, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], *, report: Report | None = None
) -> list[tuple[float, bool]]:
    """For each (context ids, continuation ids): log p(continuation | context) in nats, and whether greedy decoding
    would have written it.

    An empty context stands for the beginning of a text (:func:`begin_token`); nothing else is added to ids. A context
    that is too long loses its first tokens; ``context_length_exceeded`` where the continuation and one token before it
    exceed the model's context. The sum of no tokens is 0.

    >>> loglikelihoods(llm, [([], llm.tokenizer.encode("Good morning."))])
    [(-12.3, False)]
    """
    most, results = llm.context_length, [(0.0, True)] * len(pairs)
    prompts: list[tuple[int, list[int], int]] = []  # place among the pairs, ids, how many of them continue
    for place, (context, continuation) in enumerate(pairs):
        if not continuation:
            continue
        if len(continuation) >= most:
            raise FathomError("context_length_exceeded", prompt=len(continuation) + 1, wanted=0, context=most)
        ids = [*(context or (begin_token(llm),)), *continuation]
        prompts.append((place, ids[-most:], len(continuation)))
    prompts.sort(key=lambda prompt: -len(prompt[1]))  # like lengths together, and the longest first
    done, total = 0, sum(len(ids) for _, ids, _ in prompts)
    for at in range(0, len(prompts), BATCH):
        batch = prompts[at : at + BATCH]
        completions = llm.generate([ids for _, ids, _ in batch], temperature=0.0, max_tokens=0, prompt_logprobs=1)
        for (place, ids, count), completion in zip(batch, completions, strict=True):
            results[place] = _sum((completion.prompt_logprobs or ())[len(ids) - count :])
        done += sum(len(ids) for _, ids, _ in batch)
        if report:
            report(done, total)
    return results


def _sum(scored: Sequence[ScoredToken]) -> tuple[float, bool]:
    nats = sum(token.logprob for token in scored if token.logprob is not None)
    return nats, all(token.top[0][0] == token.id for token in scored)
