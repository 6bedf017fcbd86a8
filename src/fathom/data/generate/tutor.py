"""A teacher's word to a pupil's working: the step that is wrong, a hint, what to do next, or the working put right.

The working is that of a word problem; a mistake is a wrong result or a wrong operation, and what comes after it follows
from it. Hints never tell the result.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from .arithmetic import problem
from .words import Example, table

__all__ = ["sample"]

SWAPS = {"+": "-", "-": "+", "×": "+", "÷": "-"}  # the operation that is taken by mistake
KINDS = (6, 4, 2, 3, 3)  # how often: a mistake pointed at, put right; no mistake; a hint, the next step
_STEP = re.compile(r"(?:(?P<label>.+?)(?:：|: ))?(?P<left>(\d+) ([-+×÷]) (\d+)) = (?P<result>\d+)")


class Step(NamedTuple):
    label: str
    left: str
    result: int

    def written(self, language: str) -> str:
        colon = "：" if language == "zh" else ": "
        return (self.label + colon if self.label else "") + f"{self.left} = {self.result}"


def sample(draw: random.Random, language: str) -> Example | None:
    found = problem(draw, language, draw.choice(_patterns()))
    steps = _read(found[1]) if found else None
    if found is None or steps is None:
        return None
    weights = KINDS if len(steps) > 1 else (*KINDS[:3], 0, 0)
    kind = draw.choices(("check", "correct", "right", "hint", "next"), weights)[0]
    made = (_marked if kind in ("check", "correct", "right") else _going_on)(draw, language, kind, steps)
    if made is None:
        return None
    shown, said = made
    texts, asks = table("tutor")["texts"][language], table("tutor")["ask"][language]
    style = draw.choice(texts["step"])
    lines = "\n".join(style.format(i=i, s=step.written(language)) for i, step in enumerate(shown, 1))
    working = draw.choice(texts["working"]).format(w=lines)
    ask = draw.choice(asks[draw.choice(("check", "correct")) if kind == "right" else kind])
    parts = [found[0], working, ask] if draw.random() < 0.7 else [ask, found[0], working]
    reply = "\n".join(said)
    head = (("system", draw.choice(texts["systems"])),) if draw.random() < 0.3 else ()
    asked = draw.choice(("\n", "\n\n")).join(parts)
    return Example("tutor", language, (*head, ("user", asked), ("assistant", reply)), said[-1])


@cache
def _patterns() -> tuple[Mapping[str, Any], ...]:
    """The problems whose steps are single operations."""
    single = re.compile(r"\w+ = \w+[-+*/]\w+:")
    return tuple(p for p in table("arithmetic")["problem"] if all(map(single.match, p["steps"])))


def _read(lines: Sequence[str]) -> list[Step] | None:
    """The steps of a problem, if every one is a single operation on whole numbers."""
    matches = [_STEP.fullmatch(re.sub(r"^\d+\. ", "", line)) for line in lines]
    if not all(matches):
        return None
    return [Step(m["label"] or "", m["left"], int(m["result"])) for m in matches if m]


def _marked(draw: random.Random, language: str, kind: str, steps: list[Step]) -> tuple[list[Step], list[str]] | None:
    """The working with a mistake and what is said to it; or all of it right."""
    say = table("tutor")["say"][language]
    if kind == "right":
        return steps, [draw.choice(say["right"]).format(a=steps[-1].result)]
    at = draw.randrange(len(steps))
    right = steps[at]
    a, sign, b = _parts(right.left)
    names = table("tutor")["texts"][language]["operations"]
    if draw.random() < 0.25:
        swapped = SWAPS[sign]
        wrong = _worked(f"{a} {swapped} {b}", right.label)
        point = draw.choice(say["operation"]).format(k=at + 1, o=names[sign], p=names[swapped])
    else:
        wrong = right._replace(result=_missed(draw, right))
        point = draw.choice(say["wrong"]).format(k=at + 1, l=right.left, v=wrong.result)
    if wrong is None or wrong.result == right.result:
        return None
    shown = [*steps[:at], wrong, *(_carried(steps[at + 1 :], right, wrong) if draw.random() < 0.7 else ())]
    if kind == "check":
        hint = draw.choice(say["hint"]).format(h=_hint(draw, language, right))
        return shown, [point, hint, draw.choice(say["again"]).format(l=right.left)]
    mended = [draw.choice(say["should"]).format(l=right.left, r=right.result)]
    mended += [draw.choice(say["then"]).format(n=f"{s.left} = {s.result}") for s in steps[at + 1 :]]
    return shown, [point, *mended, draw.choice(say["answer"]).format(a=steps[-1].result)]


def _going_on(draw: random.Random, language: str, kind: str, steps: list[Step]) -> tuple[list[Step], list[str]]:
    """The first steps, and a hint for the next one, or the next one itself."""
    say = table("tutor")["say"][language]
    done = draw.randint(1, len(steps) - 1)
    coming = steps[done]
    praise = [draw.choice(say["sofar"])] if draw.random() < 0.6 else []
    if kind == "hint":
        return steps[:done], [*praise, draw.choice(say["hint"]).format(h=_hint(draw, language, coming))]
    said = [*praise, draw.choice(say["then"]).format(n=coming.written(language))]
    return steps[:done], said + ([draw.choice(say["answer"]).format(a=coming.result)] if coming is steps[-1] else [])


def _parts(left: str) -> tuple[int, str, int]:
    a, sign, b = left.split(" ")
    return int(a), sign, int(b)


def _worked(left: str, label: str) -> Step | None:
    """A step with its result, if that is a whole number above zero."""
    a, sign, b = _parts(left)
    if sign == "÷" and (not b or a % b):
        return None
    result = {"+": a + b, "-": a - b, "×": a * b, "÷": a // max(b, 1)}[sign]
    return Step(label, left, result) if result > 0 else None


def _missed(draw: random.Random, step: Step) -> int:
    """A wrong result as one gets it: off by one or ten, one time too many, digits in the wrong order."""
    _, sign, b = _parts(step.left)
    right = step.result
    near = [right + 1, right - 1, right + 10, right - 10, right + 2, int(str(right)[::-1])]
    near += [right + b, right - b] if sign == "×" else []
    return draw.choice([number for number in near if number > 0 and number != right])


def _carried(rest: Sequence[Step], right: Step, wrong: Step) -> list[Step]:
    """What follows from a mistake, as far as it goes on in whole numbers."""
    changed, steps = {right.result: wrong.result}, []
    for step in rest:
        a, sign, b = _parts(step.left)
        worked = _worked(f"{changed.get(a, a)} {sign} {changed.get(b, b)}", step.label)
        if worked is None:
            break
        changed[step.result] = worked.result
        steps.append(worked)
    return steps


def _hint(draw: random.Random, language: str, step: Step) -> str:
    """How to get at the result, without it."""
    a, sign, b = _parts(step.left)
    big, small = (max(a, b), min(a, b)) if sign == "×" else (b, a)
    fields: Mapping[str, Any] = {"a": a, "b": b, "big": big, "small": small, "tens": big // 10 * 10, "ones": big % 10}
    hints: list[str] = table("tutor")["hints"][language][sign]
    if big < 11 or not big % 10:
        hints = [hint for hint in hints if "{tens}" not in hint]
    told = re.compile(rf"(?<!\d){step.result}(?!\d)")
    made = [hint.format(**fields) for hint in hints]
    return draw.choice([hint for hint in made if not told.search(hint)] or made[-1:])
