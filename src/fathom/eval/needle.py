"""A code planted in a long text and asked for at its end: can the model find what stood far back?

Texts of a length have the same filler; the code stands at eight depths, evenly from the first sentence to the last.
"""

from __future__ import annotations

import itertools
import random
import re
from typing import Any

from ..llm import LLM

__all__ = ["LENGTHS", "needles"]

LENGTHS = (512, 1024, 1536)  # tokens of the whole prompt
DEPTHS = 8
SEED = 17
BETWEEN = {"zh": "", "en": " "}  # sentences
PLANTED = {"zh": "{house}的门牌密码是{code}。", "en": "The code of the {house} is {code}."}
ASKED = {
    "zh": "{text}\n\n问题：{house}的门牌密码是多少？",
    "en": "{text}\n\nQuestion: What is the code of the {house}?",
}
HOUSES = {
    "zh": ("蓝房子", "红房子", "绿房子", "白房子", "旧磨坊", "石头屋", "湖边小屋", "山顶木屋"),
    "en": (
        *("blue house", "red house", "green house", "white house"),
        *("old mill", "stone hut", "lake cottage", "hill cabin"),
    ),
}
_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


def needles(llm: LLM, language: str, prose: str, room: int) -> list[dict[str, Any]]:
    """Items of every length; ``room``: tokens of it that are kept for the question and the chat's frame.

    ``prose``: text whose sentences are the filler, from the beginning again where it is too short.
    """
    draw, items = random.Random(f"{SEED}{language}"), []
    sentences = [part.strip() for part in _END.split(prose) if part.strip()]
    sizes = [len(llm.tokenizer.encode(sentence)) for sentence in sentences]
    for length in LENGTHS:
        filler, tokens = [], 0
        for sentence, size in itertools.cycle(zip(sentences, sizes, strict=True)):
            if (tokens := tokens + size) > length - room:
                break
            filler.append(sentence)
        for depth in range(DEPTHS):
            house, code = HOUSES[language][depth], f"{draw.randrange(10**6, 10**7)}"
            place = round(depth * len(filler) / (DEPTHS - 1))
            planted = PLANTED[language].format(house=house, code=code)
            text = BETWEEN[language].join([*filler[:place], planted, *filler[place:]])
            items.append(
                {
                    **{"id": f"{language}-{length}-{depth}", "lang": language, "length": length},
                    **{"prompt": ASKED[language].format(text=text, house=house), "answer": code},
                }
            )
    return items
