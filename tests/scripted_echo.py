"""An upstream that repeats the last text it was told, in everything a text may be put in, at any cuts.

OpenAI's chat completions, completions, responses and embeddings, and Anthropic's messages; the cuts depend on the text
alone.
"""

from __future__ import annotations

import json
import random
from typing import Any

from scripted_upstream import Answer, event, pieces, stream, whole

ENVELOPE = {"id": "chatcmpl-1", "created": 1, "model": "echo"}


def last_text(body: dict) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def chat(body: dict) -> Answer:
    text = last_text(body)
    cut = random.Random(len(text))
    calls = [
        {
            "id": f"call_{i}",
            "type": "function",
            "function": {"name": "send", "arguments": json.dumps({"to": text, "n": i}, ensure_ascii=bool(i))},
        }
        for i in range(2 if body.get("tools") else 0)
    ]
    if "response_format" in body:
        text = json.dumps({"said": text}, ensure_ascii=False)
    n = body.get("n", 1)
    if not body.get("stream"):
        message = {"role": "assistant", "content": text, "reasoning_content": f"think: {text}", "tool_calls": calls}
        choices = [{"index": i, "message": message, "logprobs": None, "finish_reason": "stop"} for i in range(n)]
        return whole({**ENVELOPE, "object": "chat.completion", "choices": choices, "usage": {"total_tokens": 7}})
    chunk = {**ENVELOPE, "object": "chat.completion.chunk"}
    deltas: list[tuple[int, dict]] = []
    for i in range(n):
        mine = [{"role": "assistant", "content": ""}]
        mine += [{"reasoning_content": piece} for piece in pieces(f"think: {text}", cut)]
        mine += [{"content": piece} for piece in pieces(text, cut)]
        for k, call in enumerate(calls):
            mine.append({"tool_calls": [{**call, "index": k, "function": {"name": "send", "arguments": ""}}]})
            mine += [
                {"tool_calls": [{"index": k, "function": {"arguments": piece}}]}
                for piece in pieces(call["function"]["arguments"], cut)
            ]
        deltas += [(i, delta) for delta in mine]
    order = [i for i, _ in deltas]
    cut.shuffle(order)  # choices come in any order, each one's pieces in its own
    queues = {i: iter([delta for j, delta in deltas if j == i]) for i in range(n)}
    events = [
        event({**chunk, "choices": [{"index": i, "delta": next(queues[i]), "finish_reason": None}]}) for i in order
    ]
    events += [event({**chunk, "choices": [{"index": i, "delta": {}, "finish_reason": "stop"}]}) for i in range(n)]
    events += [event({**chunk, "choices": [], "usage": {"total_tokens": 7}}), ": ping\n\n", event("[DONE]")]
    return stream(events, cut)


def completions(body: dict) -> Answer:
    texts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
    if not body.get("stream"):
        choices = [{"index": i, "text": text, "finish_reason": "stop"} for i, text in enumerate(texts)]
        return whole({**ENVELOPE, "object": "text_completion", "choices": choices})
    cut = random.Random(1)
    chunk = {**ENVELOPE, "object": "text_completion"}
    events = [
        event({**chunk, "choices": [{"index": i, "text": piece, "finish_reason": None}]})
        for i, text in enumerate(texts)
        for piece in pieces(text, cut)
    ]
    events += [
        event({**chunk, "choices": [{"index": i, "text": "", "finish_reason": "stop"}]}) for i in range(len(texts))
    ]
    return stream([*events, event("[DONE]")], cut)


def messages(body: dict) -> Answer:
    text = last_text(body)
    cut = random.Random(len(text))
    blocks: list[dict[str, Any]] = [{"type": "thinking", "thinking": f"think: {text}", "signature": "c2ln"}]
    blocks.append({"type": "text", "text": json.dumps({"said": text}) if body.get("output_config") else text})
    if body.get("tools"):
        blocks.append({"type": "tool_use", "id": "toolu_1", "name": "send", "input": {"to": text, "data": [text]}})
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "echo", "stop_sequence": None}
    usage = {"input_tokens": 3, "output_tokens": 4}
    if not body.get("stream"):
        return whole({**head, "content": blocks, "stop_reason": "end_turn", "usage": usage})
    events = [event({"type": "message_start", "message": {**head, "content": [], "stop_reason": None, "usage": usage}})]
    for i, block in enumerate(blocks):
        field = {"thinking": "thinking", "text": "text"}.get(block["type"])
        start = {**block, field: ""} if field else {**block, "input": {}}
        start.pop("signature", None)
        events.append(event({"type": "content_block_start", "index": i, "content_block": start}))
        kind = {"thinking": "thinking_delta", "text": "text_delta"}.get(block["type"], "input_json_delta")
        whole_text = block[field] if field else json.dumps(block["input"])
        for piece in pieces(whole_text, cut):
            delta = {"type": kind, field or "partial_json": piece}
            events.append(event({"type": "content_block_delta", "index": i, "delta": delta}))
        if "signature" in block:
            delta = {"type": "signature_delta", "signature": block["signature"]}
            events.append(event({"type": "content_block_delta", "index": i, "delta": delta}))
        events.append(event({"type": "content_block_stop", "index": i}))
        events.append(event({"type": "ping"}))
    events.append(event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}))
    events.append(event({"type": "message_stop"}))
    named = [f"event: {json.loads(each.removeprefix('data: '))['type']}\n{each}" for each in events]
    return stream(named, cut)


def responses(body: dict) -> Answer:
    items = body["input"]
    text = items if isinstance(items, str) else last_text({"messages": items})
    cut = random.Random(len(text))
    said = json.dumps({"said": text}, ensure_ascii=False) if body.get("text") else text
    output: list[dict[str, Any]] = [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": f"think: {text}"}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": said, "annotations": [], "logprobs": []}],
        },
    ]
    if body.get("tools"):
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "send", "status": "completed"}
        output.append({**call, "arguments": json.dumps({"to": text})})
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "echo", "status": "completed"}
    response |= {"output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    if not body.get("stream"):
        return whole(response)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}}
    ]
    for i, item in enumerate(output):
        place = {"item_id": item["id"], "output_index": i}
        events.append({"type": "response.output_item.added", "output_index": i, "item": {**item, **_empty(item)}})
        kind, field, whole_text, more = {
            "reasoning": ("reasoning_summary_text", "text", f"think: {text}", {"summary_index": 0}),
            "message": ("output_text", "text", said, {"content_index": 0}),
            "function_call": ("function_call_arguments", "arguments", item.get("arguments", ""), {}),
        }[item["type"]]
        place |= more
        if item["type"] == "message":
            events.append({"type": "response.content_part.added", **place, "part": {**item["content"][0], "text": ""}})
        events += [{"type": f"response.{kind}.delta", **place, "delta": piece} for piece in pieces(whole_text, cut)]
        events.append({"type": f"response.{kind}.done", **place, field: whole_text})
        if item["type"] == "message":
            events.append({"type": "response.content_part.done", **place, "part": item["content"][0]})
        events.append({"type": "response.output_item.done", "output_index": i, "item": item})
    events.append({"type": "response.completed", "response": response})
    return stream([event({**each, "sequence_number": i}, each["type"]) for i, each in enumerate(events)], cut)


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    return {name: type(item[name])() for name in ("summary", "content", "arguments") if name in item}


def embeddings(body: dict) -> Answer:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = [{"object": "embedding", "index": i, "embedding": [0.5, 1.0]} for i in range(len(texts))]
    return whole({"object": "list", "model": "echo", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})


def echo(path: str, body: dict) -> Answer:
    if path.startswith("/v1/responses/"):
        return whole({"id": "resp_1", "output": [{"type": "message", "content": [{"text": "⟦PERSON_1⟧!"}]}]})
    if path == "/v1/messages/count_tokens":
        return whole({"input_tokens": 3})
    return {
        "/v1/chat/completions": chat,
        "/v1/completions": completions,
        "/v1/messages": messages,
        "/v1/responses": responses,
        "/v1/embeddings": embeddings,
    }[path](body)
