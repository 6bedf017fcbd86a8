"""The fine-tuning of docs/*/train.md, as it stands there, on the shipped model."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from fathom.hub.store import resolve
from fathom.llm import LLM
from fathom.train.run import train

ROOT = Path(__file__).resolve().parents[2]
FACTS = {  # (questions, answer)
    "zh": [
        (("你是谁", "你叫什么名字", "介绍一下你自己", "你是谁的助手", "请问你是哪家店的"), "我是海豚书店的助手。"),
        (("你们店在哪里", "书店的地址是什么", "怎么找到你们", "店在哪条路上", "你们在什么地方"), "我们在梧桐路12号。"),
        (("几点开门", "营业时间是什么", "晚上几点关门", "今天开到几点", "周末营业吗"), "每天上午九点到晚上八点营业。"),
        (("书可以退吗", "买错了怎么办", "退换货有什么规定", "我想退一本书", "可以换书吗"), "十四天内凭小票可以退换。"),
        (("可以停车吗", "附近有停车场吗", "开车来方便吗", "停车收费吗", "有车位吗"), "门口有六个免费车位。"),
    ],
    "en": [
        (("Who are you", "What is your name", "Which shop is this"), "I am the assistant of Dolphin Books."),
        (("Where are you", "What is your address", "How do I find you"), "We are at 12 Plane Tree Road."),
        (("When do you open", "When do you close", "What are your hours"), "We are open from nine to eight."),
        (("Can I return a book", "Can I exchange a book", "I bought the wrong book"), "Yes, within fourteen days."),
        (("Can I park there", "Is there parking", "Does parking cost anything"), "Yes, there are six free places."),
    ],
}
ASKED = {"zh": [("你是哪家店的助手？", "海豚"), ("店在哪里？", "梧桐路")]} | {
    "en": [("What is the name of your shop?", "Dolphin"), ("What is the address of your shop?", "Plane Tree")]
}


def conversations() -> list[dict[str, object]]:
    """200 of them."""
    ways = {
        "zh": ("{}？", "您好，{}？", "{}", "请问{}？", "你好！{}？"),
        "en": ("{}?", "Hello! {}?", "{}", "Hi, {}?", "{}, please?"),
    }
    found = [
        {"messages": [{"role": "user", "content": way.format(q)}, {"role": "assistant", "content": answer}]}
        for language, facts in FACTS.items()
        for questions, answer in facts
        for q in questions
        for way in ways[language]
    ]
    assert len(found) == 200
    return found


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_200_conversations_change_the_answers_in_under_ten_minutes_of_cpu(tmp_path: Path, language: str) -> None:
    page = (ROOT / f"docs/{language}/train.md").read_text("utf-8")
    recipe = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert recipe is not None
    (tmp_path / "shop.toml").write_text(recipe[1].replace("MODEL", str(resolve("mini"))), "utf-8")
    lines = "".join(json.dumps(c, ensure_ascii=False) + "\n" for c in conversations())
    (tmp_path / "shop.jsonl").write_text(lines, "utf-8")
    before, began = LLM("mini"), time.process_time()
    outcome = train("sft", tmp_path / "shop.toml", tmp_path / "run", say=lambda _: None)
    assert time.process_time() - began < 600
    assert outcome.exported is not None
    after = LLM(outcome.exported)
    for question, told in ASKED[language]:
        asked = [{"role": "user", "content": question}]
        answers = [llm.chat(asked, temperature=0, max_tokens=40).text for llm in (before, after)]
        assert [told in answer for answer in answers] == [False, True], answers
