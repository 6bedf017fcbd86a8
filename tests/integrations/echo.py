"""An upstream for the tests: OpenAI's chat completions that repeat what the user said, and a record of what came in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def echo() -> Iterator[Echo]:
    server = Echo()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        models = [{"id": "echo", "object": "model", "created": 1, "owned_by": "test"}]
        self._send("application/json", json.dumps({"object": "list", "data": models}))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.seen.append(raw)
        body = json.loads(raw)
        said = [m["content"] for m in body["messages"] if m["role"] == "user"][-1]
        text = f"You said: {said if isinstance(said, str) else said[0]['text']}"
        call = {"id": "c1", "type": "function", "function": {"name": "send", "arguments": json.dumps({"to": text})}}
        message = {"role": "assistant", "content": text}
        if body.get("tools"):
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "tool_calls" if body.get("tools") else "stop"
        if not body.get("stream"):
            choices = [{"index": 0, "message": message, "finish_reason": finish}]
            self._send("application/json", json.dumps(_chat("chat.completion", choices)))
            return
        deltas: list[dict] = [{"role": "assistant", "content": ""}, *({"content": character} for character in text)]
        if body.get("tools"):
            head = {"index": 0, "id": "c1", "type": "function", "function": {"name": "send", "arguments": ""}}
            pieces = call["function"]["arguments"]
            deltas = [{"tool_calls": [head]}]
            deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
        events = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
        events.append([{"index": 0, "delta": {}, "finish_reason": finish}])
        lines = [f"data: {json.dumps(_chat('chat.completion.chunk', choices))}\n\n" for choices in events]
        self._send("text/event-stream", "".join(lines) + "data: [DONE]\n\n")

    def _send(self, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _chat(kind: str, choices: list) -> dict:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "x", "object": kind, "created": 1, "model": "echo", "choices": choices} | (
        {"usage": usage} if kind == "chat.completion" else {}
    )
