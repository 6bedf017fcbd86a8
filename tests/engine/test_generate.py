"""The generation loop on a real (tiny) model: same tokens whatever is cached, every way to end, errors before work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tiny
from fathom._native import Matrix
from fathom.config import ModelConfig
from fathom.engine.constraints import Grammars
from fathom.engine.generate import CHUNK, Generation, Session, Token
from fathom.engine.runner import NativeModel
from fathom.engine.sampling import SamplingParams
from fathom.errors import FathomError
from fathom.model.program import build_program

PROMPT = list(range(20, 60))


@pytest.fixture(scope="module")
def model() -> NativeModel:
    weights = {
        name: Matrix.dense(w.reshape(-1).view(np.uint8), "F32", *w.shape) if w.ndim == 2 else w
        for name, w in tiny.arrays().items()
    }
    return NativeModel(build_program(ModelConfig.from_dict(tiny.CONFIG)), weights, threads=1)


def request(prompt: list[int] = PROMPT, *, context: int = 2048, end_ids: tuple[int, ...] = (), **kw: Any) -> Generation:
    own = {key: kw.pop(key) for key in ("constraint", "cancelled", "index") if key in kw}
    params = SamplingParams(**{"temperature": 0, "max_tokens": 8, **kw})
    return Generation(prompt, params, vocab_size=tiny.VOCAB_SIZE, context=context, end_ids=end_ids, **own)


def ids(tokens: list[Token]) -> list[int]:
    return [token.id for token in tokens]


def test_greedy_tokens_are_those_of_full_recomputation(model: NativeModel) -> None:
    tokens = list(request().run(Session(model)))
    sequence = list(PROMPT)
    for token in tokens:
        assert token.id == model.forward(sequence, model.new_cache())[0].argmax()
        sequence.append(token.id)
    assert [t.finish_reason for t in tokens] == [None] * 7 + ["length"]


def test_a_prompt_that_begins_like_the_last_one_is_computed_from_where_it_departs(model: NativeModel) -> None:
    session = Session(model)
    answer = ids(list(request().run(session)))
    turn = [*PROMPT, *answer, 5, 6, 7]
    again = request(turn)
    assert list(again.run(session)) == list(request(turn).run(Session(model)))
    assert again.cached_tokens == len(PROMPT) + len(answer) - 1, "the last token was never put in"
    other = request([*PROMPT[:10], 99, *PROMPT[11:]])
    assert list(other.run(session)) == list(request(other.prompt).run(Session(model)))
    assert other.cached_tokens == 10
    same = request(other.prompt)
    list(same.run(session))
    assert same.cached_tokens == len(other.prompt) - 1, "the last token's logits are needed"


def test_an_interrupt_between_the_pass_and_its_note_is_no_extra_token(model: NativeModel) -> None:
    """Control-C in a conversation: what is in the cache counts, not what the session had come to note."""
    session = Session(model)
    list(request().run(session))
    noted = list(session.tokens)
    model.forward([7, 7], session._cache)  # as if control-C had come right behind the pass
    assert session.tokens == noted
    turn = request([*noted, 5, 6])
    assert list(turn.run(session)) == list(request(turn.prompt).run(Session(model)))


def test_a_long_prompt_in_chunks_gives_the_tokens_of_one_pass(model: NativeModel) -> None:
    prompt = (PROMPT * 40)[: 2 * CHUNK + 3]
    tokens = ids(list(request(prompt, max_tokens=2).run(Session(model))))
    assert tokens[0] == model.forward(prompt, model.new_cache())[0].argmax()


def test_end_tokens_end_and_are_none_of_the_text(model: NativeModel) -> None:
    greedy = ids(list(request().run(Session(model))))
    for kw in ({"end_ids": (greedy[2],)}, {"stop_token_ids": [greedy[2]]}):
        tokens = list(request(**kw).run(Session(model)))
        assert len(tokens) <= 3
        assert (tokens[-1].is_end, tokens[-1].finish_reason) == (True, "stop")
    ignoring = request(end_ids=(greedy[2],), ignore_eos=True)
    assert ids(list(ignoring.run(Session(model)))) == greedy
    assert ignoring.finish_reason == "length"


def test_a_grammar_ends_the_text_where_nothing_can_follow(model: NativeModel) -> None:
    grammars = Grammars(tiny.tokenizer().grammar_spec(), tiny.VOCAB_SIZE, [1])
    constraint = grammars.constraint(SamplingParams(regex="[0-9]{3}"))
    generation = request(constraint=constraint, end_ids=(1,))
    text = tiny.tokenizer().decode(ids(list(generation.run(Session(model)))))
    assert len(text) == 3
    assert text.isdigit()
    assert generation.finish_reason == "stop"


def test_prompt_logprobs_are_the_log_softmax_at_every_position(model: NativeModel) -> None:
    generation = request((PROMPT * 2)[:70], prompt_logprobs=2, max_tokens=0)
    assert list(generation.run(Session(model))) == []
    scored = generation.prompt_logprobs
    assert scored is not None
    assert [s.id for s in scored] == generation.prompt
    assert scored[0].logprob is None
    logits = model.forward(generation.prompt, model.new_cache(), logits="all").astype(np.float64)
    expected = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    for at, token in enumerate(scored[1:]):
        assert token.logprob == pytest.approx(expected[at, token.id], abs=1e-4)
        assert [i for i, _ in token.top] == list(np.argsort(-expected[at], kind="stable")[:2])
    assert generation.finish_reason == "length"


def test_cancelling_ends_between_chunks_and_between_tokens(model: NativeModel) -> None:
    session = Session(model)
    calls = iter([False, True])
    generation = request(PROMPT * 40, cancelled=lambda: next(calls, True))
    assert list(generation.run(session)) == []
    assert generation.finish_reason == "cancelled"
    assert len(session.tokens) == CHUNK
    seen: list[Token] = []
    generation = request(cancelled=lambda: len(seen) >= 3)
    for token in generation.run(session):
        seen.append(token)
    assert (len(seen), generation.finish_reason) == (3, "cancelled")
    assert list(request().run(session)) == list(request().run(Session(model))), "the session is still sound"


def test_sampling_repeats_by_seed_and_differs_by_index(model: NativeModel) -> None:
    def run(seed: int, index: int = 0) -> list[int]:
        return ids(list(request(temperature=1.0, seed=seed, index=index).run(Session(model))))

    assert run(1) == run(1)
    assert run(1) != run(1, index=1)


@pytest.mark.parametrize(
    ("kw", "code"),
    [
        ({"prompt": []}, "prompt_empty"),
        ({"prompt": [0, 400]}, "token_out_of_range"),
        ({"prompt": [-1]}, "token_out_of_range"),
        ({"stop_token_ids": [400]}, "token_out_of_range"),
        ({"logit_bias": {400: 1}}, "token_out_of_range"),
        ({"context": 40, "max_tokens": None}, "context_length_exceeded"),
        ({"context": 47}, "context_length_exceeded"),
        ({"context": 39, "max_tokens": 0}, "context_length_exceeded"),
    ],
)
def test_what_does_not_fit_is_an_error_when_the_request_is_made(kw: dict[str, Any], code: str) -> None:
    with pytest.raises(FathomError) as caught:
        request(**kw)
    assert caught.value.code == code


def test_without_max_tokens_the_context_is_filled(model: NativeModel) -> None:
    assert request(context=48).max_tokens == 8
    generation = request(context=45, max_tokens=None)
    assert len(list(generation.run(Session(model)))) == 5
    assert generation.finish_reason == "length"
