"""Conversations with made-up personal data in Chinese and English, in the shapes of every API."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from stdnum import luhn
from stdnum.cn import ric

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚"
_FIRST = ["James", "Mary", "Robert", "Linda", "Michael", "Susan", "David", "Karen", "Daniel", "Nancy"]
_LAST = ["Smith", "Johnson", "Williams", "Brown", "Miller", "Davis", "Wilson", "Anderson", "Taylor", "Thomas"]


class Conversation(NamedTuple):
    path: str
    body: dict[str, Any]
    values: list[str]  # that must not leave


class _Draw:
    """Values, each noted when it is drawn."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.values: list[str] = []

    def _noted(self, value: str) -> str:
        self.values.append(value)
        return value

    def digits(self, count: int) -> str:
        return "".join(self.random.choices("0123456789", k=count))

    def name(self, zh: bool) -> str:
        r = self.random
        if zh:
            return self._noted(r.choice(_SURNAMES) + "".join(r.choices(_GIVEN, k=2)))
        return self._noted(f"{r.choice(_FIRST)} {r.choice(_LAST)}")

    def phone(self, zh: bool) -> str:
        r = self.random
        if zh:
            return self._noted(f"13{r.randint(5, 9)}{self.digits(8)}")
        return self._noted(f"+1 415 {r.randint(200, 999)} {self.digits(4)}")

    def mail(self) -> str:
        return self._noted(f"{self.random.choice(_LAST).lower()}.{self.digits(5)}@corp.example.org")

    def card(self) -> str:
        body = "62220212" + self.digits(10)
        return self._noted(body + luhn.calc_check_digit(body))

    def identity(self) -> str:
        r = self.random
        body = f"110105{r.randint(1950, 2000)}{r.randint(1, 12):02}{r.randint(1, 28):02}{self.digits(3)}"
        return self._noted(body + ric.calc_check_digit(body + "0"))


def conversation(seed: int) -> Conversation:
    """The ``seed``-th conversation: always the same."""
    d = _Draw(seed)
    r = d.random
    zh = r.random() < 0.5
    name = d.name(zh)
    texts = [_introduction(d, zh, name), _question(d, zh, name)]
    path = r.choice(["/v1/chat/completions"] * 3 + ["/v1/messages", "/v1/responses", "/v1/completions"])
    has_tools, has_json, streamed = r.random() < 0.4, r.random() < 0.3, r.random() < 0.5
    body: dict[str, Any] = {"model": "echo", **({"stream": True} if streamed else {})}
    found = {"name": name, "phone": d.phone(zh), "mail": d.mail()}
    if path == "/v1/completions":
        return Conversation(path, {**body, "prompt": texts}, d.values)
    if path == "/v1/chat/completions":
        call = {"name": "find", "arguments": json.dumps(found, ensure_ascii=r.random() < 0.5)}
        messages = [
            {"role": "system", "content": f"You help {name}." if not zh else f"你为客户{name}服务。"},
            {"role": "user", "content": texts[0]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": json.dumps(found, ensure_ascii=r.random() < 0.5)},
            {"role": "user", "content": [{"type": "text", "text": texts[1]}]},
        ]
        body |= {"messages": messages, "n": r.choice([1, 1, 2]), "metadata": {"who": found["mail"]}}
        if has_tools:
            function = {"name": "send", "description": f"mail {found['mail']}", "parameters": {"type": "object"}}
            body["tools"] = [{"type": "function", "function": function}]
        if has_json:
            body["response_format"] = {"type": "json_object"}
    elif path == "/v1/messages":
        block = {"type": "tool_use", "id": "t1", "name": "find", "input": found}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": json.dumps(found)}
        messages = [
            {"role": "user", "content": texts[0]},
            {"role": "assistant", "content": [block]},
            {"role": "user", "content": [result, {"type": "text", "text": texts[1]}]},
        ]
        body |= {
            "messages": messages,
            "max_tokens": 99,
            "system": f"For {name}",
            "metadata": {"user_id": found["mail"]},
        }
        if has_tools:
            body["tools"] = [{"name": "send", "description": "x", "input_schema": {"type": "object"}}]
    else:
        items = [
            {"role": "user", "content": [{"type": "input_text", "text": texts[0]}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": json.dumps(found)},
            {"type": "function_call_output", "call_id": "c", "output": json.dumps(found, ensure_ascii=False)},
            {"role": "user", "content": texts[1]},
        ]
        body |= {"input": items, "instructions": f"For {name}", "user": found["mail"]}
        if has_tools:
            body["tools"] = [{"type": "function", "name": "send", "parameters": {"type": "object"}}]
        if has_json:
            body["text"] = {"format": {"type": "json_object"}}
    return Conversation(path, body, d.values)


def _introduction(d: _Draw, zh: bool, name: str) -> str:
    if zh:
        return f"我叫{name}，身份证号{d.identity()}，手机号{d.phone(True)}，请帮我查一下订单。"
    return f"My name is {name}, my phone is {d.phone(False)} and my card {d.card()}. Where is my parcel?"


def _question(d: _Draw, zh: bool, name: str) -> str:
    if zh:
        return f"请写信给{name}（{d.mail()}），银行卡{d.card()}，说“已收到”。\n谢谢！"
    return f'Please write to {name} <{d.mail()}> and say "it\'s done".\nCall {d.phone(False)} then.'
