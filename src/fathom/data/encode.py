"""Documents to token ids, conversations by the model's own chat template.

The template is taken apart once, with a conversation of marks: what stands before and after every turn. A template
that is more than such a sequence (dates, turns that change earlier ones) is refused: one conversation in a thousand is
compared with what the template itself makes of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fathom.errors import FathomError
from fathom.files import errors_of
from fathom.text.template import ChatTemplate
from fathom.text.tokenizer import Tokenizer

__all__ = ["Encoder", "Messages"]

Messages = Sequence[Mapping[str, str]]
Item = TypeVar("Item")
Encoded = tuple[NDArray[np.integer[Any]], NDArray[np.bool_] | None]
BATCH = 1024  # documents given to the library at once, which uses all cores
CHECKED = 1000  # one conversation in so many, and the first of every batch, is compared with the template
ROLES = ("system", "user", "assistant")


class Encoder:
    """The tokenizer and template of a model folder. ``hash`` is the SHA-256 of its tokenizer.json."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.load(folder)
        with errors_of(folder / "tokenizer.json"):
            self.hash = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
        self._template = ChatTemplate.of(self.tokenizer)
        if not self.tokenizer.eos_ids:
            raise FathomError("data_invalid", source=folder, problem="its tokenizer names no end of text")

    def texts(self, texts: Iterable[str]) -> Iterator[Encoded]:
        """Beginning of text, the text, end of text; all of it is to be learnt."""
        for batch in _batches(texts):
            for ids in self.tokenizer.encode_batch(batch):
                yield np.array([*self._begin, *ids, self.tokenizer.eos_ids[0]], np.uint32), None

    def conversations(self, conversations: Iterable[Messages]) -> Iterator[Encoded]:
        """Conversations; to be learnt are the answers and what ends them."""
        before, after = self._turns
        for batch in _batches(conversations):
            contents = iter(self.tokenizer.encode_batch([m["content"] for messages in batch for m in messages]))
            for number, messages in enumerate(batch):
                ids, learnt = list(self._begin), [False] * len(self._begin)
                for message in messages:
                    role, content = message["role"], next(contents)
                    ids += [*before[role], *content, *after[role]]
                    learnt += [False] * len(before[role])
                    learnt += [role == "assistant"] * (len(content) + len(after[role]))
                if number % CHECKED == 0:
                    self._check(messages, ids)
                yield np.array(ids, np.uint32), np.array(learnt)

    @cached_property
    def _begin(self) -> list[int]:
        bos = self.tokenizer.bos_id
        return [] if bos is None else [bos]

    @cached_property
    def _turns(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """What the template puts before and after the content of each role."""
        if self._template is None:
            raise FathomError("data_invalid", source="tokenizer", problem="it has no chat template")
        mark = self.tokenizer.encode("\u7532\u4e59\u4e19\u4e01")  # four characters no template has in a row
        talk = [{"role": role, "content": "\u7532\u4e59\u4e19\u4e01"} for role in (*ROLES, "user", "assistant")]
        whole = _split(self._template.render(talk, add_generation_prompt=False), mark)
        bare = _split(self._template.render(talk[1:], add_generation_prompt=False), mark)
        if len(whole) != 6 or len(bare) != 5 or bare[0][: len(self._begin)] != self._begin:
            raise FathomError("template_failed", problem="training needs one that shows every turn once, after BOS")
        end, user, assistant = whole[5], bare[0][len(self._begin) :], whole[2]
        system, after_system = whole[0][len(self._begin) :], whole[1][: len(whole[1]) - len(user)]
        before = {"system": system, "user": user, "assistant": assistant}
        return before, {"system": after_system, "user": [], "assistant": end}

    def _check(self, messages: Messages, ids: list[int]) -> None:
        assert self._template is not None
        if self._template.render(messages, add_generation_prompt=False) != ids:
            problem = "it changes the turns by more than what stands before and after them"
            raise FathomError("template_failed", problem=problem)


def _split(ids: list[int], mark: list[int]) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    at = 0
    while at < len(ids):
        if ids[at : at + len(mark)] == mark:
            parts.append([])
            at += len(mark)
        else:
            parts[-1].append(ids[at])
            at += 1
    return parts


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
