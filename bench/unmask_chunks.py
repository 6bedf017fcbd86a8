"""Unmasking streams: cut at random, the answer is the same as uncut. Prints one JSON line.

python bench/unmask_chunks.py [--runs 20000] [--seed 0]

``mismatches`` of ``runs`` random streams (hostile: look-alikes, tokens in values, tokens that begin alike, spellings of
placeholders, known and not, escapes), in the text or in what is counted as unknown, half of them JSON, each cut at up
to 12 random places; ``mb_per_s``: UTF-8 of an ordinary masked text, in pieces of 20 characters, by processor time of
one core; ``held``: most characters ever held back, fewer than a spelling of a token has.
"""

from __future__ import annotations

import argparse
import json
import random
import time

from fathom.guard import Unmasker, Vault

PAIRS = {
    "⟦PERSON_1⟧": "张三",
    "⟦PERSON_12⟧": 'say "⟦PERSON_1⟧"\n\\',
    "⟦LITERAL_1⟧": "⟦",
    "王小明": "李雷",
    "王小": "a\u2028b",
    "𠮷野": "𠮷😀",
    "13800000001": "13912345678",
    "138": "",
}
SPELT = [
    "[PERSON_1]",
    "【person 12 】",
    "<<Person-1>>",
    "[[literal\\_1]]",
    "{PERSON_9}",
    "⟦person1⟧",
    "[ｐｈｏｎｅ＿１］",
]
PLAIN = [
    *SPELT,
    "[",
    "]",
    "】",
    " ",
    "person",
    "⟦",
    "⟧",
    "PERSON",
    "_",
    "1",
    "2",
    "138",
    "0",
    "王",
    "小",
    "明",
    "𠮷",
    "野",
    "x",
    '"',
    "\n",
    "\\",
    *PAIRS,
]
ESCAPED = [*PLAIN, r"\n", r"\"", r"\\", r"\u27e6", r"\u27E7", r"\ud842\udfb7", r"\ud842", r"\u", r"\u2"]
ORDINARY = "⟦PERSON_1⟧您好，您的订单已寄往⟦PERSON_12⟧处，如有问题请致电客服。Thank you for waiting, have a good day.\n"


def mismatches(runs: int, rng: random.Random) -> int:
    wrong = 0
    for run in range(runs):
        is_json = run % 2 == 1
        text = "".join(rng.choices(ESCAPED if is_json else PLAIN, k=rng.randint(0, 60)))
        places = sorted(rng.choices(range(len(text) + 1), k=rng.randint(0, 12)))
        unmasker, whole = (Unmasker(Vault.of(PAIRS), json=is_json) for _ in range(2))
        pieces = [unmasker.feed(text[a:b]) for a, b in zip([0, *places], [*places, len(text)], strict=True)]
        same = "".join([*pieces, unmasker.feed("", end=True)]) == whole.feed(text, end=True)
        wrong += not same or unmasker.unknown != whole.unknown
    return wrong


def speed() -> tuple[float, int]:
    """MB/s, and the most characters held back."""
    text = ORDINARY * 4000
    unmasker = Unmasker(Vault.of({token: value for token, value in PAIRS.items() if token.startswith("⟦")}))
    pieces = [text[place : place + 20] for place in range(0, len(text), 20)]
    held = 0
    began = time.process_time()
    for piece in pieces:
        unmasker.feed(piece)
        held = max(held, unmasker.held)
    return len(text.encode()) / 1e6 / (time.process_time() - began), held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = mismatches(options.runs, random.Random(options.seed))
    mb_per_s, held = speed()
    figures = {"runs": options.runs, "mismatches": wrong, "mb_per_s": round(mb_per_s, 1), "held": held}
    print(json.dumps({"bench": "unmask_chunks", **figures}))


if __name__ == "__main__":
    main()
