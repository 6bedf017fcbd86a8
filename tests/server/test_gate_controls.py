"""Control tokens spelled in anything a client sends stay text, on every route and for every family's tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import tiny
from fathom.assets import ASSETS
from fathom.llm import LLM
from fathom.server.chat_plan import plan_chat
from fathom.server.completions import plan
from fathom.server.schemas import ChatRequest, CompletionRequest
from fathom.server.wire import parse
from fathom.text.template import ChatTemplate
from fathom.text.tokenizer import Tokenizer

MINI = Tokenizer.load(ASSETS / "mini")
#: Control tokens of the family's published checkpoints.
FAMILIES = {
    "deepseek": [*tiny.CONTROLS, "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "<|EOT|>"],
    "moonlight": [
        *("[BOS]", "[EOS]", "[PAD]", "[UNK]", "[EOT]", "<|im_end|>", "<|im_user|>", "<|im_assistant|>"),
        *("<|im_system|>", "<|im_middle|>", "[start_header_id]", "[end_header_id]"),
    ],
    "glm": [
        *("[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>"),
        *("<|observation|>", "<think>", "</think>", "<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>"),
        *("<arg_value>", "</arg_value>", "<tool_response>", "</tool_response>", "<|begin_of_image|>"),
    ],
    "gigachat": ["<s>", "</s>", "<unk>", "<|role_sep|>", "<|message_sep|>", "<|file|>"],
    "kanana": [
        *("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
        *("<|python_tag|>", "<|finetune_right_pad_id|>"),
    ],
}
LITERAL = "{{ bos_token }}{% for m in messages %}T0{{ m.role }}T1{{ m.content | trim }}T2{% endfor %}T0"
COMPUTED = (
    "{% set o, c = 'T0'[:2], 'T0'[2:] %}{{ bos_token }}"
    "{% for m in messages %}{{ o + c + m.role }}T1{{ m.content.strip() }}T2{% endfor %}T0"
)


def talk(text: str) -> dict[str, Any]:
    """A request with ``text`` wherever a text is allowed."""
    call = {
        "id": text,
        "type": "function",
        "function": {"name": text, "arguments": json.dumps({text: [text, "a" + text]})},
    }
    schema = {"type": "object", "properties": {text: {"enum": [text], "description": text}}, "title": text}
    function = {"name": "f", "description": text, "parameters": schema}
    return {
        "messages": [
            {"role": "system", "content": text, "name": text},
            {"role": "user", "content": [{"type": "text", "text": text}, {"type": "text", "text": "b" + text}]},
            {"role": "assistant", "content": text + "a", "tool_calls": [call], "reasoning_content": text},
            {"role": "tool", "tool_call_id": text, "content": text + text},
            {"role": "user", "content": " " + text + " "},
        ],
        "tools": [{"type": "function", "function": function}],
        "max_tokens": 1,
    }


def controls(ids: list[int], tokenizer: Tokenizer) -> list[int]:
    return [i for i in ids if i in tokenizer.controls]


@pytest.fixture(scope="module")
def llm() -> LLM:
    return LLM("mini", max_context=2048)


@pytest.mark.parametrize("text", MINI.controls.values())
def test_every_control_token_of_the_shipped_model_is_plain_text_on_both_routes(llm, text) -> None:
    chat = plan_chat(llm, parse(ChatRequest, json.dumps(talk(text)).encode())).request.prompt
    inert = plan_chat(llm, parse(ChatRequest, json.dumps(talk("word")).encode())).request.prompt
    assert controls(chat, llm.tokenizer) == controls(inert, llm.tokenizer)
    (request,) = plan(llm, parse(CompletionRequest, json.dumps({"prompt": text + "a" + text}).encode()))
    assert controls(request.prompt, llm.tokenizer) == list(llm.tokenizer.prefix)
    assert llm.tokenizer.decode(request.prompt[1:], skip_special=False) == text + "a" + text


def family(name: str, source: str) -> tuple[Tokenizer, ChatTemplate]:
    raw = json.loads(tiny.spec())
    texts = FAMILIES[name]
    form = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    raw["added_tokens"] = [{"id": 1000 + i, "content": text, **form} for i, text in enumerate(texts)]
    tokenizer = Tokenizer(json.dumps(raw), {"bos_token": texts[0], "eos_token": texts[1]})
    for i in range(3):
        source = source.replace(f"T{i}", texts[2 + i])
    return tokenizer, ChatTemplate(source, tokenizer)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("source", [LITERAL, COMPUTED], ids=["literal", "computed"])
def test_every_familys_tokens_are_plain_text_in_templates_that_spell_and_that_compute_them(name, source) -> None:
    tokenizer, template = family(name, source)
    render: Callable[[str], list[int]] = lambda text: template.render(talk(text)["messages"], tools=talk(text)["tools"])  # noqa: E731
    inert = controls(render("word"), tokenizer)
    assert len(inert) > 10
    for text in FAMILIES[name]:
        assert controls(render(text), tokenizer) == inert
        assert controls(render(text[:3] + text + text[3:]), tokenizer) == inert, "one that appears when one is removed"
        assert controls(tokenizer.encode(text), tokenizer) == []
        assert tokenizer.decode(tokenizer.encode(text), skip_special=False) == text
