"""Small jobs on a list: sort, reverse, pick, count, add, remove, write as JSON or numbered."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from .words import Example, capital, items

__all__ = ["ASK", "sample"]

# operation: wordings in Chinese and English; {k} a place, {v} an entry
ASK: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ascending": (
        ("把这些数从小到大排列", "按升序排列下面的数字"),
        ("sort these numbers from smallest to largest", "put the numbers in ascending order"),
    ),
    "descending": (
        ("把这些数从大到小排列", "按降序排列下面的数字"),
        ("sort these numbers from largest to smallest", "put the numbers in descending order"),
    ),
    "largest": (
        ("找出最大的数", "下面哪个数最大"),
        ("find the largest number", "which of these numbers is the largest?"),
    ),
    "smallest": (("找出最小的数", "下面哪个数最小"), ("find the smallest number", "which number is the smallest?")),
    "total": (("把这些数加起来", "这些数的总和是多少"), ("add these numbers up", "what is the sum of these numbers?")),
    "alphabetical": (
        ("把这些单词按字母顺序排列", "按字母表顺序排序下列单词"),
        ("sort these words alphabetically", "put the words in alphabetical order"),
    ),
    "reversed": (("把列表倒过来", "将下面各项倒序排列"), ("reverse the list", "put the items in reverse order")),
    "unique": (
        ("去掉列表中的重复项，顺序不变", "每项只保留一次"),
        ("remove the duplicates", "keep each item only once"),
    ),
    "count": (("列表里有几项", "数一数下面有多少项"), ("how many items are in the list?", "count the items")),
    "nth": (("列表的第{k}项是什么", "取出第{k}个"), ("what is item number {k} of the list?", "give me item {k}")),
    "remove": (("从列表中删掉“{v}”", "去掉“{v}”这一项"), ('remove "{v}" from the list', 'delete the item "{v}"')),
    "append": (("在列表末尾加上“{v}”", "把“{v}”添加到最后"), ('add "{v}" to the end of the list', 'put "{v}" last')),
    "json": (
        ("将下面各项转成JSON数组", "用JSON数组表示"),
        ("write the items as a JSON array", "turn the list into JSON"),
    ),
    "numbered": (
        ("给每一项编号，一行一项", "每行加上编号“1. ”"),
        ("number the items, one per line", "make a numbered list"),
    ),
}
OF_NUMBERS = ("ascending", "descending", "largest", "smallest", "total")
ONLY = {"zh": ("只输出结果。", "不要解释。", ""), "en": ("Only the result, please.", "No explanation.", "")}


def sample(draw: random.Random, language: str) -> Example | None:
    operation = draw.choice(list(ASK))
    chinese = language == "zh"
    if operation in OF_NUMBERS:
        entries = [str(draw.randint(1, draw.choice((50, 999)))) for _ in range(draw.randint(3, 9))]
    else:
        things = draw.sample(items(), draw.randint(3, 8))
        entries = [thing.zh if chinese and operation != "alphabetical" else thing.en for thing in things]
    if operation == "unique":
        entries += draw.choices(entries, k=draw.randint(1, 4))
        draw.shuffle(entries)
    separator = draw.choice(("、", "，", "\n") if chinese else (", ", "; ", "\n"))
    place, other = draw.randint(1, len(entries)), draw.choice(items())
    entry = (other.zh if chinese else other.en) if operation == "append" else entries[place - 1]
    if operation == "append" and entry in entries:
        return None
    answer = _done(operation, entries, separator, entry)
    asked = draw.choice(ASK[operation][language == "en"]).format(k=place, v=entry)
    stop = "？" if any(word in asked for word in ("什么", "多少", "几", "哪")) else "。"
    asked = f"{asked}{stop}" if chinese else capital(asked if asked.endswith("?") else f"{asked}.")
    question = (asked + ("" if chinese else " ") + draw.choice(ONLY[language])).strip()
    listed = separator.join(entries)
    prompt = draw.choice((f"{question}\n{listed}", f"{listed}\n\n{question}", f"{question}\n\n{listed}"))
    return Example.of("lists", language, prompt, answer, answer, draw)


def _done(operation: str, entries: list[str], separator: str, entry: str) -> str:
    numbers = sorted(map(int, entries)) if operation in OF_NUMBERS else []
    by_name: Mapping[str, Callable[[], str]] = {
        "ascending": lambda: separator.join(map(str, numbers)),
        "descending": lambda: separator.join(map(str, reversed(numbers))),
        "largest": lambda: str(numbers[-1]),
        "smallest": lambda: str(numbers[0]),
        "total": lambda: str(sum(numbers)),
        "alphabetical": lambda: separator.join(sorted(entries)),
        "reversed": lambda: separator.join(reversed(entries)),
        "unique": lambda: separator.join(dict.fromkeys(entries)),
        "count": lambda: str(len(entries)),
        "nth": lambda: entry,
        "remove": lambda: separator.join(e for e in entries if e != entry),
        "append": lambda: separator.join([*entries, entry]),
        "json": lambda: json.dumps(entries, ensure_ascii=False, separators=(",", ":")),
        "numbered": lambda: "\n".join(f"{number}. {e}" for number, e in enumerate(entries, 1)),
    }
    return by_name[operation]()
