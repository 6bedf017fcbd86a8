"""How answers are scored: one pure function a task, from an item and an answer to a number in [0, 1].

Texts are compared in normal form (:mod:`fathom.eval.wording`), numbers by their value. A score never raises, whatever
a model says.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import takewhile
from typing import Any

from fathom.data.clean import plain
from fathom.errors import FathomError

from .wording import ENDS, absent, holds, normal, numbers, same, share_of_language, where

__all__ = ["CHECKS", "SCORERS", "loops", "object_in", "score"]

Item = Mapping[str, Any]
ADHERENCE = 0.8  # share of letters from which an answer is in a language
GRAM, TIMES = 6, 3  # an answer loops when a run of so many tokens occurs so often
MOST_BRACES = 50  # places at which JSON is looked for
MOST_QUOTED = 3  # sentences of a prompt in an answer: the quote, a neighbour, the question; more is copying

_SENTENCE = re.compile(r"[。！？!?\n]+|\.(?=\s|$)")
_LEAD = re.compile(  # what leads over to a quote and says nothing itself
    r"依据|根据|按照|出处|来源|原文|原句|原话|句子|这句|引用|答案|回答|问题|如下|好的|[上文]文|[文上]中|"
    r"材料|资料|通知|公告|告示|启事|须知|提示|说明|文件|短信|内容|信息|提到|指出|写明|写道|写着|说道|[上里中写说答是为的]|"
    r"\b(?:source|quote|evidence|answer|according|to|the|text|notice|document|letter|message|information|original|"
    r"sentence|words?|says?|said|states?|stated|reads?|tells?|written|it|is|this|that|here|as|in|from|of|was|follows)\b"
)
_ITEM = re.compile(r"\s*(?:[-*•·]\s|\d{1,3}[.)、．]|[（(]\d{1,3}[)）]|[①-⑳])\s*\S")
_NUMERIC = re.compile(r"-?\d+(?:\.\d+)?")
_CELLS = re.compile(r"[|\t,，]")


def extraction(item: Item, answer: str) -> float:
    """The share of ``expected`` fields that are right; what the message doesn't give is null there."""
    expected, found = (_by_name(fields) for fields in (item["expected"], object_in(answer) or {}))
    return sum(name in found and same(value, found[name]) for name, value in expected.items()) / len(expected)


def grounded(item: Item, answer: str) -> float:
    """The answer and its sentence, quoted whole; where ``quote`` is null, the word that the text doesn't tell.

    What is copied from the prompt says nothing, be it "if it isn't mentioned, say so".
    """
    said, letters = normal(answer), plain(normal(answer))
    sentences = {plain(normal(sentence)) for sentence in _SENTENCE.split(item["prompt"])}
    copied = [sentence for sentence in sentences if len(sentence) > 5 and sentence in letters]
    if len(copied) > MOST_QUOTED:
        return 0.0
    if item["quote"] is None:  # nor is a number made up
        own = _without(said, copied)
        return float(absent(own) and set(numbers(answer)) <= set(numbers(item["prompt"])))
    quotes = list(_spelled(plain(normal(item["quote"]))).finditer(said))
    if not quotes:
        return 0.0
    start, end = quotes[-1].span()
    rest = f"{said[:start]} {said[end:]}"
    told = rest if plain(_LEAD.sub("", rest)) else said  # a quote alone is its own answer
    return float(holds(told, item["answer"]) and not absent(_without(rest, copied)))


def tables(item: Item, answer: str) -> float:
    """The last number; or the name, where no other of its column is named before it in the same sentence."""
    right = str(item["answer"])
    if _NUMERIC.fullmatch(right):
        return _last_number(right, answer)
    names = _column_of(normal(right), item["prompt"])
    for sentence in reversed(_SENTENCE.split(answer)):
        if named := _named(names, sentence):
            return float(named[0] == normal(right) and len(set(named)) <= 2)
    return 0.0


def arithmetic(item: Item, answer: str) -> float:
    """The last number."""
    return _last_number(str(item["answer"]), answer)


def tools(item: Item, answer: Iterable[Any]) -> float:
    """Exactly one call, of the right name and with the expected arguments and no others.

    ``answer``: calls as ``LLM.chat`` returns them, with ``name`` and ``arguments`` (JSON text), or such pairs.
    """
    calls = [(call.name, call.arguments) if hasattr(call, "arguments") else tuple(call) for call in answer]
    if len(calls) != 1 or calls[0][0] != item["name"]:
        return 0.0
    given = {name: value for name, value in json.loads(calls[0][1]).items() if value not in (None, "")}
    expected = item["arguments"]
    return float(given.keys() == expected.keys() and all(same(expected[name], given[name]) for name in expected))


def constraints(item: Item, answer: str) -> float:
    """Whether ``check`` holds of an answer that isn't empty, with ``value`` as its bound, text, list or language."""
    return float(bool(answer.strip()) and CHECKS[item["check"]](answer.strip(), item["value"]))


def everyday(item: Item, answer: str) -> float:
    """Whether the answer is in the language of the prompt; :func:`loops` is the other half."""
    return float(share_of_language(answer, item["lang"]) >= ADHERENCE)


def needle(item: Item, answer: str) -> float:
    """Whether the code, ``answer``, is in it."""
    return float(holds(answer, str(item["answer"])))


def intents(item: Item, answer: str) -> float:
    return float(normal(answer).strip(ENDS) == normal(item["answer"]).strip(ENDS))


def options(item: Item, answer: int) -> float:
    """``answer``: the index of the option held most likely."""
    return float(answer == item["answer"])


SCORERS: Mapping[str, Callable[[Item, Any], float]] = {
    scorer.__name__: scorer
    for scorer in (extraction, grounded, tables, arithmetic, tools, constraints, everyday, needle, intents, options)
}


def score(task: str, item: Item, answer: Any) -> float:
    """The score of an answer in [0, 1]; 0 for one of a wrong kind or that can't be read.

    Raises FathomError ``choice_unknown`` for a task that isn't in :data:`SCORERS`.
    """
    if task not in SCORERS:
        raise FathomError("choice_unknown", what="task", found=task, known=", ".join(SCORERS))
    if task == "tools":
        try:
            return tools(item, answer)
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError):  # calls that are none
            return 0.0
    return SCORERS[task](item, answer) if isinstance(answer, int if task == "options" else str) else 0.0


def loops(tokens: Sequence[int], finish_reason: str) -> bool:
    """Whether an answer ran into its limit, or says one run of 6 tokens three times."""
    grams = Counter(tuple(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1))
    return finish_reason == "length" or max(grams.values(), default=0) >= TIMES


def object_in(answer: str) -> dict[str, Any] | None:
    """The first JSON object of an answer, be it alone, in a fenced block or within prose."""
    at = answer.find("{")
    for _ in range(MOST_BRACES):
        if at < 0:
            break
        try:
            found: dict[str, Any] = json.JSONDecoder().raw_decode(answer, at)[0]
            return found
        except (ValueError, RecursionError):
            at = answer.find("{", at + 1)
    return None


def _spelled(letters: str) -> re.Pattern[str]:
    """Finds the letters with whatever stands between them: spaces, stops, marks of a list."""
    return re.compile(r"\W*".join(map(re.escape, letters)))


def _without(text: str, sentences: Iterable[str]) -> str:
    for letters in sorted(sentences, key=len, reverse=True):
        text = _spelled(letters).sub(" ", text)
    return text


def _by_name(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {normal(name): value for name, value in fields.items()}


def _last_number(right: str, answer: str) -> float:
    found = numbers(answer)
    return float(bool(found) and found[-1] == Decimal(right))


def _column_of(cell: str, prompt: str) -> set[str]:
    """The cells below the head of the column in which a cell stands; of a table in Markdown, with tabs or commas."""
    lines = [line.strip().strip("|") for line in prompt.splitlines()]
    rows = [[normal(part) for part in _CELLS.split(line)] for line in lines]
    at = next((i for i, row in enumerate(rows) if cell in row and len(row) > 1), None)
    if at is None:
        return {cell}
    width, column = len(rows[at]), rows[at].index(cell)
    first = at - sum(1 for _ in takewhile(lambda row: len(row) == width, reversed(rows[:at])))
    return {row[column] for row in takewhile(lambda row: len(row) == width, rows[first + 1 :]) if plain(row[column])}


def _named(names: set[str], text: str) -> list[str]:
    """The names in a text in their order there; not those within a longer one."""
    found = [(start, end, name) for name in names for start, end in where(text, name)]
    return [n for s, e, n in sorted(found) if not any(a <= s and e <= b and b - a > e - s for a, b, _ in found)]


def _items_of(answer: str) -> int:
    """Lines that are marked or numbered; else all lines; else the parts of the one line."""
    lines = [line for line in answer.splitlines() if line.strip()]
    if marked := sum(bool(_ITEM.match(line)) for line in lines):
        return marked
    return len(lines) if len(lines) > 1 else sum(bool(plain(part)) for part in re.split(r"[、,，;；]", answer))


def _sentences_of(answer: str) -> int:
    return sum(bool(plain(sentence)) for sentence in _SENTENCE.split(answer))


def _length(answer: str) -> int:
    return len(" ".join(answer.split()))


def _letters(answer: str) -> str:
    return "".join(filter(str.isalpha, answer))


def _listed(value: str | Sequence[str]) -> list[str]:
    return [normal(part) for part in ([value] if isinstance(value, str) else value)]


# What `check` says of an answer without white space at its ends; white space counts as one character
CHECKS: Mapping[str, Callable[[str, Any], bool]] = {
    "max_chars": lambda answer, n: _length(answer) <= n,
    "min_chars": lambda answer, n: _length(answer) >= n,
    "max_words": lambda answer, n: len(answer.split()) <= n,
    "min_words": lambda answer, n: len(answer.split()) >= n,
    "exactly_n_words": lambda answer, n: len(answer.split()) == n,
    "max_items": lambda answer, n: _items_of(answer) <= n,
    "min_items": lambda answer, n: _items_of(answer) >= n,
    "exactly_n_items": lambda answer, n: _items_of(answer) == n,
    "max_sentences": lambda answer, n: _sentences_of(answer) <= n,
    "exactly_n_sentences": lambda answer, n: _sentences_of(answer) == n,
    "exactly_n_lines": lambda answer, n: sum(bool(line.strip()) for line in answer.splitlines()) == n,
    "contains": lambda answer, parts: all(part in normal(answer) for part in _listed(parts)),
    "excludes": lambda answer, parts: not any(part in normal(answer) for part in _listed(parts)),
    "starts_with": lambda answer, part: normal(answer).startswith(normal(part)),
    "ends_with": lambda answer, part: normal(answer).endswith(normal(part)),
    "one_of": lambda answer, parts: normal(answer).strip(ENDS) in _listed(parts),
    "no_punctuation": lambda answer, _: not any(unicodedata.category(c).startswith("P") for c in answer),
    "no_digits": lambda answer, _: not any(map(str.isdigit, answer)),
    "number_only": lambda answer, _: len(numbers(answer)) == 1 and not _letters(answer),
    "uppercase": lambda answer, _: _letters(answer).isupper(),
    "lowercase": lambda answer, _: _letters(answer).islower(),
    "json_keys": lambda answer, keys: set(object_in(answer) or ()) == set(keys),
    "language": lambda answer, language: share_of_language(answer, language) >= ADHERENCE,
}
