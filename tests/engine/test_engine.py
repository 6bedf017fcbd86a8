"""The engine on a real (tiny) model: same bits whatever the company, pieces and known pages; every way to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from fathom._native import Matrix
from fathom.config import ModelConfig
from fathom.engine.constraints import Grammars
from fathom.engine.engine import Engine
from fathom.engine.generation import Generation, Item, Token
from fathom.engine.pages import PAGE
from fathom.engine.runner import NativeModel, Segment
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


@pytest.fixture
def engine(model: NativeModel) -> Engine:
    return Engine(model, 64)


def request(
    prompt: Sequence[int] = PROMPT, *, context: int = 2048, end_ids: tuple[int, ...] = (), **kw: Any
) -> Generation:
    own = {key: kw.pop(key) for key in ("constraint", "index") if key in kw}
    params = SamplingParams(**{"temperature": 0, "max_tokens": 8, **kw})
    return Generation(prompt, params, vocab_size=tiny.VOCAB_SIZE, context=context, end_ids=end_ids, **own)


def run(engine: Engine, *generations: Generation) -> list[list[Item]]:
    """What is emitted for each until all have ended."""
    items: SimpleQueue[tuple[Generation, Item]] = SimpleQueue()
    engine.submit(generations, lambda generation, item: items.put((generation, item)))
    found: dict[Generation, list[Item]] = {generation: [] for generation in generations}
    left = len(generations)
    while left:
        generation, item = items.get(timeout=20)
        found[generation].append(item)
        left -= not isinstance(item, Token) or item.finish_reason is not None
    assert items.empty()
    return list(found.values())


def ids(items: list[Item]) -> list[int]:
    return [item.id for item in items if isinstance(item, Token)]


class Recorded:
    """The model, noting the sizes of its passes."""

    def __init__(self, model: NativeModel) -> None:
        self.model, self.max_tokens = model, model.max_tokens
        self.passes: list[list[int]] = []

    def new_pages(self, count: int) -> Any:
        return self.model.new_pages(count)

    def step(self, segments: Sequence[Segment], pages: Any) -> Any:
        self.passes.append([len(segment.tokens) for segment in segments])
        return self.model.step(segments, pages)


def test_greedy_tokens_are_those_of_full_recomputation(model: NativeModel, engine: Engine) -> None:
    (tokens,) = run(engine, request())
    sequence = list(PROMPT)
    for token in ids(tokens):
        assert token == model.forward(sequence, model.new_cache())[0].argmax()
        sequence.append(token)
    assert [t.finish_reason for t in tokens] == [None] * 7 + ["length"]


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 150), st.integers(1, 6), st.sampled_from([0.0, 1.0])),
        min_size=2,
        max_size=6,
    ),
    st.integers(160, 500),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_company_pieces_and_known_prefixes_change_no_bit(
    model: NativeModel, shapes: list[tuple[int, int, int, float]], budget: int
) -> None:
    """Tokens and log-probabilities of each alone in an empty engine, of all at once, and of all at once again."""
    text = np.random.default_rng(3).integers(20, 380, 4000).tolist()

    def requests() -> list[Generation]:
        return [
            request(
                text[: shared * 60] + text[500 + i * 200 :][:own], logprobs=3, max_tokens=most, seed=i, temperature=t
            )
            for i, (shared, own, most, t) in enumerate(shapes)
        ]

    alone = [run(Engine(model, 64), one)[0] for one in requests()]
    together = Engine(model, 64, max_running=4)
    together._budget = lambda: max(budget, together.scheduler.least_budget)  # type: ignore[method-assign]
    assert run(together, *requests()) == alone
    again = requests()
    assert run(together, *again) == alone
    whole = [(g.prompt_length - 1) // PAGE * PAGE for g in again]
    assert [g.cached_tokens for g in again] == whole


def test_the_next_turn_finds_the_answer_and_departs_from_the_page_where_texts_do(engine: Engine) -> None:
    (answer,) = run(engine, request(max_tokens=100))
    turn = [*PROMPT, *ids(answer), 5, 6, 7]
    again = request(turn)
    assert run(engine, again) == run(Engine(engine._model, 64), request(turn))
    assert again.cached_tokens == 2 * PAGE
    other = request([*turn[:70], 99, *turn[71:]])
    run(engine, other)
    assert other.cached_tokens == PAGE


def test_where_pages_are_scarce_the_last_to_arrive_waits_and_all_end_with_their_tokens(model: NativeModel) -> None:
    prompts = [[i, *PROMPT, *PROMPT] for i in range(20, 26)]
    scarce = Engine(model, 5)
    together = run(scarce, *(request(p, max_tokens=150) for p in prompts))
    alone = [run(Engine(model, 64), request(p, max_tokens=150))[0] for p in prompts]
    assert [ids(tokens) for tokens in together] == [ids(tokens) for tokens in alone]
    assert scarce.scheduler.pool.free == 5


def test_a_long_prompt_delays_no_decode_for_long(model: NativeModel) -> None:
    recorded = Recorded(model)
    engine = Engine(recorded, 200)
    items: SimpleQueue[Item] = SimpleQueue()
    short, long = request(max_tokens=2000), request((PROMPT * 50)[:1900], max_tokens=1)
    engine.submit([short], lambda _, item: items.put(item))
    items.get(timeout=10)
    engine._rate = 600.0  # tokens a second, as if it were a large model
    run(engine, long)
    engine.cancel([short])
    pieces = [sizes[1] for sizes in recorded.passes if len(sizes) == 2]
    assert sum(pieces) == 1900
    assert len(pieces) > 2
    assert all(sizes[0] == 1 for sizes in recorded.passes[1:])


def test_end_tokens_end_and_are_none_of_the_text(engine: Engine) -> None:
    greedy = ids(run(engine, request())[0])
    for kw in ({"end_ids": (greedy[2],)}, {"stop_token_ids": [greedy[2]]}):
        (tokens,) = run(engine, request(**kw))
        assert len(tokens) <= 3
        last = tokens[-1]
        assert isinstance(last, Token)
        assert (last.is_end, last.finish_reason) == (True, "stop")
    (tokens,) = run(engine, request(end_ids=(greedy[2],), ignore_eos=True))
    assert ids(tokens) == greedy


def test_a_grammar_ends_the_text_where_nothing_can_follow(engine: Engine) -> None:
    grammars = Grammars(tiny.tokenizer().grammar_spec(), tiny.VOCAB_SIZE, [1])
    constraint = grammars.constraint(SamplingParams(regex="[0-9]{3}"))
    (tokens,) = run(engine, request(constraint=constraint, end_ids=(1,)))
    text = tiny.tokenizer().decode(ids(tokens))
    assert len(text) == 3
    assert text.isdigit()
    assert tokens[-1].finish_reason == "stop"  # type: ignore[union-attr]


@pytest.mark.parametrize("company", [0, 3])
def test_prompt_logprobs_are_the_log_softmax_at_every_position(
    model: NativeModel, engine: Engine, company: int
) -> None:
    generation = request((PROMPT * 4)[:140], prompt_logprobs=2, max_tokens=0)
    run(engine, request(generation.tokens))  # pages that would be found
    assert run(engine, generation, *(request([i, *PROMPT]) for i in range(20, 20 + company)))[0] == ["length"]
    scored = generation.prompt_logprobs
    assert scored is not None
    assert [s.id for s in scored] == generation.tokens
    assert scored[0].logprob is None
    logits = model.forward(generation.tokens, model.new_cache(), logits="all").astype(np.float64)
    expected = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    for at, token in enumerate(scored[1:]):
        assert token.logprob == pytest.approx(expected[at, token.id], abs=1e-4)
        assert [i for i, _ in token.top] == list(np.argsort(-expected[at], kind="stable")[:2])


def test_cancelling_ends_at_once_and_leaves_the_engine_sound(engine: Engine) -> None:
    items: SimpleQueue[Item] = SimpleQueue()
    generations = [request(max_tokens=2000), request(max_tokens=2000)]
    engine.submit(generations, lambda _, item: items.put(item))
    for _ in range(4):
        assert isinstance(items.get(timeout=10), Token)
    engine.cancel(generations)
    seen = []
    while not items.empty():
        seen.append(items.get())
    assert [item for item in seen if not isinstance(item, Token)] == ["cancelled"] * 2
    assert seen[-1] == "cancelled"  # and nothing behind it
    assert run(engine, request()) == run(Engine(engine._model, 64), request())
    assert engine.scheduler.pool.free == 64


@pytest.mark.parametrize("passes", [0, 3])
def test_a_pass_nobody_waits_for_any_more_stops_and_its_pages_are_not_found(model: NativeModel, passes: int) -> None:
    """Cancelled in the midst of it (one that runs again and again), or before it began."""

    class Slow(Recorded):
        def step(self, segments: Sequence[Segment], pages: Any) -> Any:
            if len(segments[0].tokens) < 1000:
                return super().step(segments, pages)
            for _ in range(passes):
                super().step(segments, pages)
            cancel = threading.Thread(target=engine.cancel, args=([long],))
            cancel.start()
            if not passes:
                cancel.join()
            while True:
                super().step(segments, pages)

    engine = Engine(Slow(model), 64)
    long = request((PROMPT * 50)[:1900], max_tokens=1)
    assert run(engine, long) == [["cancelled"]]
    thread = engine._thread
    if thread is not None:
        thread.join(20)
    assert engine._thread is None
    assert engine.scheduler.pool.match(long.tokens)[0] == []
    assert run(engine, request()) == run(Engine(model, 64), request())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_plan_that_breaks_off_leaves_no_names_of_pages_nobody_computed(model: NativeModel) -> None:
    engine, rooms = Engine(model, 64), [3]
    allocate = engine.scheduler.pool.allocate

    def once(n: int) -> list[int] | None:
        if not rooms:
            raise MemoryError("no room")
        rooms.pop()
        return allocate(n)

    engine.scheduler.pool.allocate = once  # type: ignore[method-assign]
    first, second = request((PROMPT * 4)[:150]), request([9, *PROMPT])
    assert [type(end) for (end,) in run(engine, first, second)] == [MemoryError, MemoryError]
    engine.scheduler.pool.allocate = allocate  # type: ignore[method-assign]
    for thread in threading.enumerate():
        if thread.name == "engine":
            thread.join(10)
    again = request(first.tokens)
    assert run(engine, again) == run(Engine(model, 64), request(first.tokens))
    assert again.cached_tokens == 0


def test_a_deadline_ends_what_runs_and_what_waits(model: NativeModel) -> None:
    class Slow(Recorded):
        def step(self, segments: Sequence[Segment], pages: Any) -> Any:
            time.sleep(0.002)
            return super().step(segments, pages)

    engine = Engine(Slow(model), 64, max_running=1)
    first, second = run(engine, request(max_tokens=1900, max_seconds=0.5), request(max_seconds=0.02))
    assert first[-1] == "deadline"
    assert ids(first)
    assert second == ["deadline"]


def test_an_error_belongs_to_those_who_asked(model: NativeModel) -> None:
    class Broken(Recorded):
        def step(self, segments: Sequence[Segment], pages: Any) -> Any:
            if any(99 in segment.tokens for segment in segments):
                raise MemoryError("no room")
            logits = super().step(segments, pages)
            for row, segment in enumerate(s for s in segments if s.wanted):
                if 98 in segment.tokens:
                    logits[row] = np.nan
            return logits

    engine = Engine(Broken(model), 64)
    good = run(engine, request())
    ((error,),) = run(engine, request([*PROMPT, 99]))
    assert isinstance(error, MemoryError)
    (bad, fine) = run(engine, request([*PROMPT, 98]), request())
    assert isinstance(bad[0], FathomError)
    assert bad[0].code == "not_finite"
    assert [fine] == good
    assert engine.scheduler.pool.free == 64


def test_a_full_house_refuses_and_queues_nothing(model: NativeModel) -> None:
    engine = Engine(model, 40, max_running=1)
    running = [request(max_tokens=2000), request(max_tokens=2000)]
    engine.submit(running, lambda _, item: None, most=2)
    with pytest.raises(FathomError) as caught:
        engine.submit([request()], lambda _, item: None, most=2)
    assert (caught.value.code, caught.value.status) == ("queue_full", 429)
    with pytest.raises(FathomError) as caught:
        engine.submit([request(), request(context=10**6, max_tokens=9000)], lambda _, item: None)
    assert caught.value.code == "context_length_exceeded"
    assert len(engine.scheduler) == 2
    engine.cancel(running)


def test_where_no_thread_is_to_be_had_nothing_is_queued(model: NativeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(model, 8)

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="new thread"):
            engine.submit([request()], lambda *_: None)
    assert len(engine.scheduler) == 0
    assert len(run(engine, request())[0]) == 8


def test_draining_lets_the_running_end_and_closing_ends_all(model: NativeModel) -> None:
    engine = Engine(model, 64, max_running=1)
    items: SimpleQueue[tuple[Generation, Item]] = SimpleQueue()
    first, second = request(max_tokens=300), request()
    engine.submit([first, second], lambda g, item: items.put((g, item)))
    assert items.get(timeout=10)[0] is first
    engine.drain(FathomError("shutting_down"))
    seen = [items.get(timeout=10) for _ in range(300)]
    assert [item.code for g, item in seen if g is second] == ["shutting_down"]  # type: ignore[union-attr]
    assert [item.finish_reason for g, item in seen if g is first][-1] == "length"  # type: ignore[union-attr]
    with pytest.raises(FathomError) as caught:
        run(engine, request())
    assert caught.value.code == "shutting_down"
    other = Engine(model, 64)
    other.submit([request(max_tokens=1900)], lambda g, item: items.put((g, item)))
    other.close()
    assert other._thread is None
    while not items.empty():
        last = items.get()[1]
    assert isinstance(last, FathomError)


def test_draining_lets_one_end_that_has_begun_and_lost_its_pages(model: NativeModel) -> None:
    class Draining(Recorded):
        def step(self, segments: Sequence[Segment], pages: Any) -> Any:
            if engine.scheduler.preemptions:
                engine.drain(FathomError("shutting_down"))
            return super().step(segments, pages)

    engine = Engine(Draining(model), 5)
    ended = run(engine, *(request([i, *PROMPT, *PROMPT], max_tokens=150) for i in (20, 21)))
    assert engine.scheduler.preemptions > 0
    assert [tokens[-1].finish_reason for tokens in ended] == ["length"] * 2  # type: ignore[union-attr]


def test_sampling_repeats_by_seed_and_differs_by_index(engine: Engine) -> None:
    def tokens(seed: int, index: int = 0) -> list[int]:
        return ids(run(engine, request(temperature=1.0, seed=seed, index=index))[0])

    assert tokens(1) == tokens(1)
    assert tokens(1) != tokens(1, index=1)


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


def test_without_max_tokens_the_context_is_filled(engine: Engine) -> None:
    assert request(context=48).max_tokens == 8
    (tokens,) = run(engine, request(context=45, max_tokens=None))
    assert len(tokens) == 5
    assert tokens[-1].finish_reason == "length"  # type: ignore[union-attr]


def test_threads_submit_and_cancel_at_once_and_nothing_is_lost(model: NativeModel) -> None:
    engine, wrong = Engine(model, 40, max_running=4), []
    expected = run(engine, request())[0]

    def client(number: int) -> None:
        random = np.random.default_rng(number)
        for _ in range(12):
            if random.random() < 0.5:
                wrong.extend([] if run(engine, request())[0] == expected else [number])
            else:
                generation = request([*PROMPT, number], max_tokens=300)
                engine.submit([generation], lambda _, item: None)
                time.sleep(random.random() * 0.01)
                engine.cancel([generation])

    threads = [threading.Thread(target=client, args=(i,)) for i in range(20, 28)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert engine.scheduler.pool.free == 40
