"""Events read from any cuts of their bytes."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.server.gateway import sse
from fathom.server.gateway.sse import Event, Parser

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12)
EVENTS = st.lists(st.tuples(st.sampled_from(["", "delta", "完"]), st.lists(TEXT, min_size=1, max_size=3)), max_size=5)


def read(chunks: list[bytes]) -> list[tuple[str, str | None]]:
    parser = Parser()
    return [(event.name, event.data) for chunk in chunks for event in parser.feed(chunk)]


@given(EVENTS, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400), max_size=8))
def test_any_cut_of_the_bytes_gives_the_same_events(events, end, cuts) -> None:
    lines = [[*([f"event: {name}"] if name else []), *(f"data: {line}" for line in data)] for name, data in events]
    raw = "".join(end.join([*each, "", ""]) for each in lines).encode()
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    chunks = [raw[a:b] for a, b in pairwise(places)]
    assert read(chunks) == read([raw]) == [(name, "\n".join(data)) for name, data in events]
    assert read([raw[i : i + 1] for i in range(len(raw))]) == read([raw])


@given(EVENTS)
def test_what_is_written_is_read_again(events) -> None:
    written = [Event(name, "\n".join(data)) for name, data in events]
    assert read([b"".join(event.encode() for event in written)]) == [(e.name, e.data) for e in written]


def test_comments_ids_and_retry_times_are_kept() -> None:
    raw = b": ping\n\nid: 7\nretry: 10\ndata: x\n\n"
    events = list(Parser().feed(raw))
    assert [event.data for event in events] == [None, "x"]
    assert b"".join(event.encode() for event in events) == raw


def test_an_event_without_its_empty_line_does_not_count() -> None:
    parser = Parser()
    assert list(parser.feed(b"data: a\n\ndata: b\n")) == [Event(data="a")]
    assert parser.is_inside


def test_a_line_without_end_is_refused_when_it_is_too_long(monkeypatch) -> None:
    monkeypatch.setattr(sse, "LONGEST", 1000)
    parser = Parser()
    chunks = [b"data: 12345678"] * 200
    with pytest.raises(FathomError) as caught:
        [event for chunk in chunks for event in parser.feed(chunk)]
    assert caught.value.code == "upstream_broken"


def test_half_a_surrogate_pair_stays_an_escape() -> None:
    event = Event.of({"text": "\ud83d张"})
    assert json.loads(event.encode().decode().removeprefix("data: ")) == {"text": "\ud83d张"}


def test_bytes_that_are_no_utf8_do_not_stop_the_stream() -> None:
    assert read([b"data: a\xff\xe5b\n\n"]) == [("", "a��b")]
