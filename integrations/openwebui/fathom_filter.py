"""
title: fathom
description: Masked out, un-masked back, as it streams. 发往模型的内容先脱敏，返回时在流中还原。
version: 0.1.0
required_open_webui_version: 0.6.10
requirements: fathom-llm
license: Apache-2.0
"""

# Open WebUI > Admin > Functions > Import, then switch it on globally. The pairs of a message live in memory until its
# answer is out. Open WebUI's own helper requests (titles, tags, follow-ups, search queries) bypass filters: point the
# connection at `fathom serve --upstream` where these must not leave either.

from collections import OrderedDict
from typing import Any

from pydantic import BaseModel, Field

from fathom.guard import Masker, Vault
from fathom.guard.bodies import mask_body, unmask_body
from fathom.guard.stream import Unmasker

FIELDS = ("messages", "tools", "stop", "user", "response_format")
TEXTS = ("content", "reasoning_content", "reasoning")
WAITING = 1000  # answers on their way


class Filter:
    class Valves(BaseModel):
        priority: int = Field(default=100, description="after filters that add to the prompt")
        operator: str = Field(default="placeholder", description="placeholder or surrogate")
        attachments: str = Field(default="refuse", description="pictures and files: refuse, redact or pass")

    def __init__(self) -> None:
        self.valves = self.Valves()
        self._maskers: dict[str, Masker] = {}
        # by identity of the request's metadata, which Open WebUI hands to every hook and we hold on to
        self._open: OrderedDict[int, tuple[Any, Vault, dict[tuple, Unmasker]]] = OrderedDict()

    def request(self, body: dict, __metadata__: dict | None = None) -> dict:
        """Before every request to the model, tools and knowledge already in it."""
        masker = self._maskers.setdefault(self.valves.operator, Masker(operator=self.valves.operator))
        _, vault, _ = self._state(__metadata__)
        texts = {name: body[name] for name in FIELDS if body.get(name) is not None}
        mask_body(texts, masker, vault, attachments=self.valves.attachments)
        return body | texts

    def stream(self, event: dict, __metadata__: dict | None = None) -> dict:
        """Every event of the answer."""
        _, vault, channels = self._state(__metadata__)
        for choice in event.get("choices") or []:
            delta = choice.get("delta") or {}
            place, end = choice.get("index", 0), bool(choice.get("finish_reason"))
            for name in TEXTS:
                if isinstance(delta.get(name), str) or (end and (place, name) in channels):
                    unmasker = channels.setdefault((place, name), Unmasker(vault))
                    delta[name] = unmasker.feed(delta.get(name) or "", end)
                    choice["delta"] = delta
            for call in delta.get("tool_calls") or []:
                function = call.get("function") or {}
                if isinstance(function.get("arguments"), str):
                    key = place, "call", call.get("index", 0)
                    function["arguments"] = channels.setdefault(key, Unmasker(vault, json=True)).feed(
                        function["arguments"]
                    )
            if end:
                channels.clear()
        return event

    def outlet(self, body: dict, __metadata__: dict | None = None) -> dict:
        """The finished message, before it is kept: for models that do not stream."""
        _, vault, _ = self._state(__metadata__)
        unmask_body(body.get("messages"), vault)
        self._open.pop(id(__metadata__), None)
        return body

    def _state(self, metadata: dict | None) -> tuple[Any, Vault, dict[tuple, Unmasker]]:
        state = self._open.setdefault(id(metadata), (metadata, Vault(), {}))
        while len(self._open) > WAITING:
            self._open.popitem(last=False)
        return state
