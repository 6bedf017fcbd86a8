"""Questions about a notice that the notice answers, with the sentence as source, or doesn't, which is then said.

Notices are put together from the facts in ``grounded.toml``; what is asked for is either stated in one sentence or in
none.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from .values import VALUES
from .values import value as any_value
from .words import Example, capital, table

__all__ = ["ABSENT", "SOURCE", "sample"]

UNANSWERED = 0.3  # share of questions that the text doesn't answer
SOURCE = {"zh": "依据：", "en": "Source: "}
FILLERS = {
    "zh": ("感谢您的理解与支持", "请大家互相转告", "如有变动，将另行通知", "请仔细阅读以下内容"),
    "en": (
        "Thank you for your understanding",
        "Please share this with others",
        "Changes will be announced separately",
        "Please read the following carefully",
        "We apologise for any inconvenience",
    ),
}
ASK = {
    "zh": (
        *("{text}\n\n问题：{question}？\n{rule}", "{text}\n\n{question}？{rule}", "{question}？{rule}\n\n{text}"),
        *(
            "阅读材料并回答问题。{rule}\n\n材料：\n{text}\n\n问题：{question}？",
            "根据下文回答：{question}？{rule}\n{text}",
        ),
        *("【资料】\n{text}\n\n【问题】{question}？\n{rule}", "请看这份文件：\n{text}\n\n我想知道：{question}？{rule}"),
        *("{text}\n\n请问{question}？{rule}", "{rule}\n{text}\n{question}？", "问：{question}？\n材料：{text}\n{rule}"),
        *(
            "这是通知：\n{text}\n\n那么{question}？{rule}",
            "{text}\n\n上面说{question}？{rule}",
            "看一下，{question}？\n\n{text}\n\n{rule}",
        ),
    ),
    "en": (
        *("{text}\n\nQuestion: {question}?\n{rule}", "{text}\n\n{question}? {rule}", "{question}? {rule}\n\n{text}"),
        "Read the text and answer the question. {rule}\n\nText:\n{text}\n\nQuestion: {question}?",
        *("[Document]\n{text}\n\n[Question] {question}?\n{rule}", "Answer from the text: {question}? {rule}\n{text}"),
        "Please look at this document:\n{text}\n\nI would like to know: {question}? {rule}",
        *("{rule}\n{text}\n{question}?", "Q: {question}?\nText: {text}\n{rule}", "{text}\n\nSo: {question}? {rule}"),
        *("This is the notice:\n{text}\n\n{question}? {rule}", "Check this for me: {question}?\n\n{text}\n\n{rule}"),
        "Using only this text, {question}?\n{text}\n{rule}",
    ),
}
RULES = {
    "zh": (
        *(
            "回答后另起一行写“依据：”和原文句子，文中没有就说没有提到。",
            "请附上“依据：”加原文中的句子。如果没写，请直说。",
        ),
        *(
            "答案下面用“依据：”引出原文，不要编造。",
            "写出依据：原文哪一句？没有就说没有。",
            "注明依据，文中没有就说明。",
        ),
        *("请给出依据（原句）。", "要有“依据：”和原句。", "先回答，再写依据。不知道就说文中没有。"),
    ),
    "en": (
        'After the answer, quote the sentence on a new line after "Source:". If the text does not say, tell me so.',
        'Add "Source:" and the sentence from the text. Say so if it is not stated.',
        'End with "Source:" and the exact sentence. Do not make anything up.',
        *("Give the source sentence, too.", 'Quote your source ("Source: ..."). If it is not there, say so.'),
        *("Name the sentence you used as the source.", "Answer, then source. If the text is silent, tell me."),
        "With the source sentence, please.",
    ),
}
UNQUOTED = 0.25  # share of questions that ask for no source
BRIEF = 0.25  # share of questions that only name the topic
TOPICS = {
    "zh": ("{}", "{}", "关于{}是怎么说的", "{}呢", "文中怎么写{}", "想知道{}"),
    "en": ("{}", "{}", "what does it say about {}", "what about {}", "anything on {}", "do you see {}"),
}
ANSWERS = {
    "zh": ("{}。", "根据文中内容，{}。", "文中写明{}。", "按照说明，{}。"),
    "en": ("{}.", "According to the text: {}.", "The text says: {}."),
}
ABSENT = {
    "zh": ("文中没有提到{}。", "材料里没有说明{}。", "这份文件没有写{}，无法回答。", "资料中找不到关于{}的内容。"),
    "en": (
        "The text does not mention {}.",
        "The text says nothing about {}.",
        "I cannot find {} in the text.",
        "The document does not give {}.",
    ),
}


def sample(draw: random.Random, language: str) -> Example:
    document = draw.choice(table("grounded")["documents"])
    facts = table("grounded")["facts"]
    names = draw.sample(document["facts"], len(document["facts"]))
    count = draw.randint(4, min(9, len(names) - 1))
    stated, left_out = names[:count], names[count:]
    topics = {facts[name][language]["topic"] for name in stated}
    left_out = [name for name in left_out if facts[name][language]["topic"] not in topics]
    subject = document["subject"][language]
    said = {name: _said(draw, language, facts[name], subject) for name in stated}
    text = _text(draw, language, _title(draw, language, document), [sentence for sentence, _ in said.values()])
    absent = bool(left_out) and draw.random() < UNANSWERED
    asked = draw.choice(left_out if absent else stated)
    fact = facts[asked][language]
    question = draw.choice(fact["ask"]).replace("{s}", subject)
    if draw.random() < BRIEF:
        question = draw.choice(TOPICS[language]).format(fact["topic"])
    quoted = draw.random() >= UNQUOTED
    rule = draw.choice(RULES[language]) if quoted else ""
    filled = draw.choice(ASK[language]).format(text=text, question=question, rule=rule)
    prompt = re.sub(r"(?m) +$", "", filled).strip()
    if absent:
        reply = answer = draw.choice(ABSENT[language]).format(fact["topic"])
    else:
        sentence, answer = said[asked]
        whole = fact["answers"][answer == "no"] if "answers" in fact else fact["answer"].replace("{v}", answer)
        told = draw.choice(ANSWERS[language]).format(whole.replace("{s}", subject).rstrip("."))
        reply = capital(told) + (f"\n{SOURCE[language]}{sentence}" if quoted else "")
    return Example.of("grounded", language, prompt, reply, answer, draw)


def _said(draw: random.Random, language: str, fact: Mapping[str, Any], subject: str) -> tuple[str, str]:
    """The sentence that states a fact, and its value (``yes`` or ``no`` for those that are so or not)."""
    told = fact[language]
    if fact["kind"] == "yes_no":
        value = draw.choice(("yes", "no"))
        sentence = draw.choice(told[value])
    else:
        value = any_value(draw, language, fact["kind"])
        sentence = draw.choice(told["say"]).replace("{v}", value)
    return capital(sentence.replace("{s}", subject)) + ("。" if language == "zh" else "."), value


def _title(draw: random.Random, language: str, document: Mapping[str, Any]) -> str:
    kinds = {"c": "city", "h": "hotel", "k": "course", "j": "job"}
    kinds |= {"p": "product", "m": "model", "o": "company", "t": "street"}
    fields = {letter: VALUES[kind](draw, language) for letter, kind in kinds.items()}
    return str(document[language].format(**fields, n=draw.randint(2, 399)))


def _text(draw: random.Random, language: str, title: str, sentences: list[str]) -> str:
    stop, space = ("。", "") if language == "zh" else (".", " ")
    for filler in draw.sample(FILLERS[language], draw.choice((0, 0, 1, 2))):
        sentences.insert(draw.randint(0, len(sentences)), filler + stop)
    match draw.randrange(3):
        case 0:
            return f"{title}\n{space.join(sentences)}"
        case 1:
            return "\n".join([title, *(f"{number}. {sentence}" for number, sentence in enumerate(sentences, 1))])
        case _:
            return "\n".join([f"《{title}》" if language == "zh" else f"# {title}", *(f"- {s}" for s in sentences)])
