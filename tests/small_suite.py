"""A suite of two items a language and task, in the form of the real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ITEMS: dict[str, list[dict[str, Any]]] = {
    "minimal_pairs": [
        {"good": "The dogs are asleep.", "bad": "The dogs is asleep.", "phenomenon": "agreement"},
        {"good": "She has two cats.", "bad": "Two has she cats.", "phenomenon": "order"},
    ],
    "options": [
        {"question": "What do you drink?", "options": ["Water.", "A chair.", "Seven.", "The moon."], "answer": 0},
        {"question": "What barks?", "options": ["A stone.", "A dog.", "Soup.", "Rain."], "answer": 1},
    ],
    "intents": [
        {"prompt": "Pick one: refund, greeting.\nHello!", "options": ["refund", "greeting"], "answer": "greeting"},
        {"prompt": "Pick one: refund, greeting.\nMy money!", "options": ["refund", "greeting"], "answer": "refund"},
    ],
    "extraction": [{"prompt": "Tom is in Paris. JSON: name, city", "expected": {"name": "Tom", "city": "Paris"}}],
    "grounded": [
        {
            "prompt": "A pool. It opens at nine.\n\nWhen?",
            "quote": "The pool opens at nine.",
            "answer": "nine",
        },
        {"prompt": "The pool opens at nine.\n\nWho swims?", "quote": None, "answer": None},
    ],
    "tables": [{"prompt": "| a | b |\n| --- | --- |\n| x | 3 |\n\nWhat is b of x?", "answer": "3"}],
    "arithmetic": [{"prompt": "What is 3 + 4?", "answer": 7}],
    "tools": [
        {
            **{"messages": [{"role": "user", "content": "Weather in Paris?"}], "tools": [WEATHER]},
            **{"name": "get_weather", "arguments": {"city": "Paris"}},
        }
    ],
    "translation": [{"prompt": "Translate into Chinese: Hello.", "source": "Hello.", "reference": "你好。"}],
    "constraints": [{"prompt": "Say yes.", "check": "max_words", "value": 3}],
    "everyday": [{"prompt": "How are you?"}, {"prompt": "What is rain?"}],
}
PROSE = {"zh": "早晨的市场很热闹。卖菜的老人摆好了摊子。\n", "en": "The harbour wakes early. Boats leave one by one.\n"}


def write(folder: Path) -> Path:
    folder.mkdir()
    for task, rows in ITEMS.items():
        numbered = [{"id": f"{lang}-{i}", "lang": lang, **row} for lang in ("zh", "en") for i, row in enumerate(rows)]
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in numbered)
        (folder / f"{task}.jsonl").write_text("".join(lines), "utf-8")
    for lang, text in PROSE.items():
        (folder / f"prose_{lang}.txt").write_text(text, "utf-8")
    return folder
