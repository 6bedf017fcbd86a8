"""How the records of a source become documents: a text, or a conversation.

A form is a function (records, random) -> documents; the recipe names it. Phrasings are drawn at random so that a task
isn't bound to one wording.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from .readers import Record

__all__ = ["FORMS", "Conversation", "Document"]

Conversation = list[dict[str, str]]
Document = str | Conversation
Form = Callable[[Iterable[Record], random.Random], Iterator[Document]]

_HAN = re.compile("[\u3400-\u9fff]")
_STEPS = re.compile(r"<<.*?>>")  # GSM8K's calculator notes
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])|(?<=[。！？])")
_BRACKETS = re.compile(r"\s*[（(][^（）()]*[）)]")
_NOT_PLAIN = re.compile(r"[:(（/·]|\d{3}|^List |列表$")  # titles that don't make a natural question

TO_CHINESE = (
    "翻译成中文：{}",
    "把下面的英文翻译成中文：\n{}",
    "Translate into Chinese: {}",
    "{}\n\n译成中文。",
    "请将这句话译成中文：{}",
    "How do you say this in Chinese? {}",
    "用中文怎么说：{}",
)
TO_ENGLISH = (
    "翻译成英文：{}",
    "把下面的中文翻译成英文：\n{}",
    "Translate into English: {}",
    "{}\n\nTranslate this into English.",
    "请将这句话译成英文：{}",
    "What is this in English? {}",
    "用英语怎么说：{}",
)
INTENT = (
    "Which intent does the message have? Options: {options}\nMessage: {text}",
    "{text}\n\nPick the intent: {options}",
    'Classify the message. Answer with one of: {options}.\n"{text}"',
    "Message: {text}\nIntents: {options}\nReply with the intent only.",
)
INTENT_ZH = (
    "用户的意图是什么？可选：{options}\n{text}",
    "{text}\n\n从下面选一个意图：{options}",
    "判断意图，只回答一个选项：{options}\n“{text}”",
)
WHAT_EN = ("What is {}?", "what is {}", "Can you explain what {} is?", "Describe {} in a sentence.", "Define {}.")
ABOUT_EN = ("Tell me about {}.", "What do you know about {}?", "tell me something about {}", "Do you know {}?")
WHAT_ZH = ("{}是什么？", "什么是{}？", "{}是什么", "请用一两句话解释{}。")
ABOUT_ZH = ("介绍一下{}。", "简单说说{}。", "请用一两句话介绍{}。", "你知道{}吗？")
_KIND_ZH = re.compile(
    "(是|指)(一种|一类|指|用|由|在|对|描述|通过|将)|是.{0,20}(方法|现象|学科|理论|过程|系统|技术|概念)"
)
_IS_EN, _IS_ZH = re.compile(r"What is (the .+)\?"), re.compile("(.+)是(?:什么|哪里|谁|多少|哪个|几)？")
_WHO_EN = re.compile(
    r"(?:Who|Which \w+|What language|What currency) ((?:is|was|has|flows|wrote|painted|made) .+(?<!from))\?"
)
_HINT = re.compile(r"\s*[（(][^（）()]{2,80}[）)]\s*$")
MOST_OPTIONS, MOST_CELLS, MOST_COLUMNS, MOST_ROWS = 7, 40, 7, 14


def _ask(question: str, answer: str) -> Conversation:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _alternate(turns: Iterable[str]) -> Conversation:
    """Turns of user and assistant by turns; a last turn without an answer is left out."""
    turns = list(turns)
    turns = turns[: len(turns) // 2 * 2]
    return [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]


def text(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """``text``; half of the time below its ``title`` where it has one that it doesn't begin with."""
    for record in records:
        body, title = str(record.get("text") or ""), str(record.get("title") or "")
        headed = title and draw.random() < 0.5 and not body.lstrip("# ").startswith(title)
        yield f"{title}\n{body}" if headed else body


def messages(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """``messages`` as they are; records without are skipped."""
    del draw
    for record in records:
        if "messages" in record:
            yield [{"role": str(m["role"]), "content": str(m["content"])} for m in record["messages"]]


def prompted(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """``messages`` that a teacher answered: the hint on style in brackets that ends a question is left out."""
    for conversation in messages(records, draw):
        assert not isinstance(conversation, str)
        users = (m for m in conversation if m["role"] == "user")
        for message in users:
            message["content"] = _HINT.sub("", message["content"]) or message["content"]
        yield conversation


def dialogue(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """``turns``, each with a ``text``: the first speaker is the user."""
    del draw
    for record in records:
        yield _alternate(str(turn["text"]) for turn in record["turns"])


def pairs(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """``en`` and ``zh``: a translation in a direction drawn at random."""
    for record in records:
        en, zh = str(record["en"]).strip(), str(record["zh"]).strip()
        if not (2 <= len(en) <= 1500 and 1 <= len(zh) <= 800 and _HAN.search(zh)) or _HAN.search(en):
            continue
        if draw.random() < 0.5:
            yield _ask(draw.choice(TO_CHINESE).format(en), zh)
        else:
            yield _ask(draw.choice(TO_ENGLISH).format(zh), en)


def intents(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """``text`` and ``intent``: a choice between it and others of the same source (of the same ``domain``, if any)."""
    records = [r for r in records if r.get("intent")]
    names: dict[str, set[str]] = {}
    for record in records:
        names.setdefault(str(record.get("domain", "")), set()).add(str(record["intent"]))
    for record in records:
        intent, message = str(record["intent"]), str(record["text"])
        others = sorted(names[str(record.get("domain", ""))] - {intent})
        options = [intent, *draw.sample(others, min(len(others), draw.randint(2, MOST_OPTIONS)))]
        draw.shuffle(options)
        shown = [option.replace("_", " ").replace(":", " ") for option in options]
        chinese = bool(_HAN.search(message))
        separator = "、" if chinese else draw.choice((", ", " | ", " / "))
        question = draw.choice(INTENT_ZH if chinese else INTENT).format(options=separator.join(shown), text=message)
        yield _ask(question, intent.replace("_", " ").replace(":", " "))


def tables(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """Tables (``table``, ``header``, ``rows``) and, after them, questions (``table``, ``question``, ``answer``)."""
    shown: dict[str, str] = {}
    for record in records:
        if "rows" in record:
            header, rows = record["header"], record["rows"]
            if len(rows) <= MOST_ROWS and len(header) <= MOST_COLUMNS:
                lines = (header, ["---"] * len(header), *rows)
                shown[record["table"]] = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        elif record["table"] in shown:
            parts = [shown[record["table"]], str(record["question"])]
            if draw.random() < 0.3:
                parts.reverse()
            yield _ask("\n\n".join(parts), ", ".join(map(str, record["answer"])))


def questions(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """``question`` and ``answer``; or ``title``, ``body``; or ``instruction``, ``input``, ``output``, ``history``."""
    del draw
    for record in records:
        if "instruction" in record:
            asked = "\n".join(filter(None, (record["instruction"], record.get("input"))))
            past = [turn for exchange in record.get("history") or () for turn in exchange]
            yield _alternate([*past, asked, record["output"]])
        elif "question" in record:
            yield _ask(record["question"], _STEPS.sub("", record["answer"]).replace("####", "Answer:"))
        else:
            yield _ask(record["title"], record["body"])


def facts(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """``question`` and a short ``answer``: asked in six ways, answered by the word or by a whole sentence."""
    del draw
    for record in records:
        question, answer = str(record["question"]), str(record["answer"]).rstrip(".。")
        if _HAN.search(question):
            bare, stop = question.rstrip("？"), "。"
            asked: tuple[str, ...] = (
                question,
                bare,
                f"请问{question}",
                f"你知道{question}",
                f"问题：{question}",
                f"{bare}？一句话回答。",
            )
            named = _IS_ZH.fullmatch(question)
            whole = f"{named[1]}是{answer}" if named else answer
        else:
            lowered, stop = question[0].lower() + question[1:], "."
            asked = (question, lowered.rstrip("?"), f"Quick question: {lowered}", f"Please tell me: {lowered}")
            asked += (f"Do you know the answer? {question}", f"{question} Answer in a sentence.")
            named, who = _IS_EN.fullmatch(question), _WHO_EN.fullmatch(question)
            whole = f"{named[1]} is {answer}" if named else f"{answer} {who[1]}" if who else answer
            whole = whole[0].upper() + whole[1:]
        for wording, reply in zip(asked, (answer, whole) * 3, strict=True):
            yield _ask(wording, reply + stop)


def reading(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """Paragraphs in two languages (``context_zh``, ``context_en``) with ``qas``: a question about each in each."""
    for record in records:
        for qa in record["qas"]:
            for language in ("zh", "en"):
                parts = [record[f"context_{language}"], qa[f"question_{language}"]]
                if draw.random() < 0.2:
                    parts.reverse()
                answer = next(filter(None, (qa.get(f"{key}_{language}") for key in ("answer", "answers"))), None)
                answer = answer[0] if isinstance(answer, list) else answer
                if answer:
                    yield _ask("\n\n".join(parts), str(answer["text"] if isinstance(answer, dict) else answer))


def definitions(records: Iterable[Record], draw: random.Random) -> Iterator[Document]:
    """Encyclopaedia pages (``title``, ``text``): what is it? The first sentence or two, without brackets.

    *What is* is asked of things alone; of what may be a person or place something *about* it.
    """
    for record in records:
        title, body = str(record["title"]), str(record["text"])
        if _NOT_PLAIN.search(title) or not 2 <= len(title) <= 40:
            continue
        first = _BRACKETS.sub("", body.removeprefix(title + "\n").lstrip().split("\n")[0])
        sentences = [s.strip() for s in _END.split(first) if s.strip()]
        if not sentences or title.lower() not in sentences[0].lower()[: len(title) + 20]:
            continue
        chinese = bool(_HAN.search(title))
        forms: tuple[str, ...]
        if chinese:
            forms = WHAT_ZH if _KIND_ZH.search(sentences[0]) else ABOUT_ZH
        else:
            forms = ABOUT_EN if sum(word[0].isupper() for word in title.split()) > 1 else (*WHAT_EN, *ABOUT_EN[:2])
        answer = ("" if chinese else " ").join(sentences[: draw.choice((1, 2))]).replace(" ,", ",")
        if (15 if chinese else 40) <= len(answer) <= (160 if chinese else 420) and answer[-1] in ".。":
            yield _ask(draw.choice(forms).format(title), answer)


def _cell(value: object) -> str:
    return str(value).replace("\n", " ")[:MOST_CELLS]


_ALL = (text, messages, prompted, dialogue, pairs, intents, tables, questions, facts, reading, definitions)
FORMS: Mapping[str, Form] = {form.__name__: form for form in _ALL}
