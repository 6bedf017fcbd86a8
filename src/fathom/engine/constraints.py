"""Grammars that bind what is generated: JSON schema, any JSON object, regular expression, Lark or GBNF, closed choice.

llguidance compiles a grammar and answers before each token which ids may follow. JSON is written without white space
between its parts (a small model can lose itself in blanks) unless the schema says otherwise by ``x-guidance``.
Grammars come from requests, so their size and depth are limited before they are compiled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FathomError
from .sampling import SamplingParams

__all__ = ["Constraint", "Grammars"]

MAX_CHARACTERS = 2**18
MAX_DEPTH = 64
MAX_SYMBOLS = 20_000  # of a compiled grammar; some take quadratic time, half a second at this size
MAX_MULTIPLE = 10**5  # multipleOf is compiled to one state a remainder, for several to one a common multiple
_MULTIPLE_OF = re.compile(r'"multipleOf"\s*:\s*([-+]?[\d.]+(?:[eE][-+]?\d{1,3})?)')
_ESCAPE = re.compile(r"\\u(00[0-7][0-9a-fA-F])")
_JSON_DEFAULTS = {"whitespace_flexible": False}


class Constraint:
    """The state of one grammar over one sequence of tokens."""

    def __init__(self, matcher: Any, vocab_size: int, param: str) -> None:
        self._matcher, self._vocab_size, self._param = matcher, vocab_size, param
        self._words = np.zeros((vocab_size + 31) // 32, np.int32)

    def mask(self) -> npt.NDArray[np.bool_]:
        """Which ids may come next (V,); the end tokens are among them where the text may end."""
        self._matcher.unsafe_compute_mask_ptr(self._words.ctypes.data, self._words.nbytes)
        self._check()
        return np.unpackbits(self._words.view(np.uint8), bitorder="little")[: self._vocab_size].view(np.bool_)

    def accept(self, token: int) -> None:
        self._matcher.consume_token(token)
        self._check()

    def copy(self) -> Constraint:
        return Constraint(self._matcher.deep_copy(), self._vocab_size, self._param)

    @property
    def done(self) -> bool:
        """Whether nothing can follow any more."""
        return bool(self._matcher.is_stopped())

    def _check(self) -> None:
        if self._matcher.is_error():
            raise _invalid(self._param, self._matcher.get_error())


class Grammars:
    """Compiles the grammars of requests for one vocabulary, given as the text of a tokenizer.json."""

    def __init__(self, tokenizer_spec: str, vocab_size: int, end_ids: Sequence[int]) -> None:
        import llguidance

        self._vocab_size = vocab_size
        ends = list(end_ids) or None
        self._tokenizer = llguidance.LLTokenizer(tokenizer_spec, n_vocab=vocab_size, eos_token=ends)
        self._latest: tuple[SamplingParams | None, Constraint | None] = None, None

    def constraint(self, params: SamplingParams) -> Constraint | None:
        """The constraint a request asks for, or None; a grammar that can't be used is ``grammar_invalid``."""
        if not (used := params.constraints()):
            return None
        latest, constraint = self._latest
        if constraint and latest is params:  # another answer or prompt of one request
            return constraint.copy()
        import llguidance

        (param,) = used
        grammar = _grammar(param, getattr(params, param))
        limits = llguidance.LLParserLimits(verbose_errors=False, max_grammar_size=MAX_SYMBOLS)
        matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0, limits=limits)
        if matcher.is_error():
            raise _invalid(param, matcher.get_error())
        constraint = Constraint(matcher, self._vocab_size, param)
        constraint.mask()  # some limits are only met here, and an error belongs before any work
        self._latest = params, constraint
        return constraint.copy()


def _grammar(param: str, value: Any) -> str:
    """The request's grammar in llguidance's own form."""
    import llguidance

    try:
        match param:
            case "json_schema" | "json_object":
                schema = {"type": "object"} if param == "json_object" else value
                schema = json.loads(schema) if isinstance(schema, str) else schema
                text = _bounded(param, json.dumps(schema))
                return str(llguidance.LLMatcher.grammar_from_json_schema(text, defaults=_JSON_DEFAULTS))
            case "choice":
                return str(llguidance.grammar_from("choice", _bounded(param, json.dumps(value))))
            case "regex":
                return str(llguidance.LLMatcher.grammar_from_regex(_bounded(param, value)))
            case _:
                return str(llguidance.grammar_from("grammar", _bounded(param, value)))
    except (ValueError, TypeError, RecursionError) as error:
        raise _invalid(param, str(error)) from None


def _bounded(param: str, text: str) -> str:
    if len(text) > MAX_CHARACTERS:
        raise _invalid(param, f"{len(text)} characters; at most {MAX_CHARACTERS} are allowed")
    if (deepest := max(accumulate((c in "([{") - (c in ")]}") for c in text), default=0)) > MAX_DEPTH:
        raise _invalid(param, f"nested {deepest} deep; at most {MAX_DEPTH} are allowed")
    steps = 1.0
    for number in set(_MULTIPLE_OF.findall(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))):
        mantissa, _, exponent = number.lower().partition("e")
        digits = mantissa.lstrip("-+").replace(".", "").strip("0") or "1"
        steps *= float(f"{digits}e{max(int(exponent or 0), 0)}")
    if steps > MAX_MULTIPLE:
        raise _invalid(
            param, f"multipleOf asks for an automaton of {steps:g} states; at most {MAX_MULTIPLE} are allowed"
        )
    return text


def _invalid(param: str, problem: str) -> FathomError:
    return FathomError("grammar_invalid", param=param, problem=" ".join(problem.split())[:300])
