"""LiteLLM guardrail: requests leave masked, answers come back un-masked, in streams too.

Copy this file beside LiteLLM's ``config.yaml`` and install fathom beside LiteLLM (``pip install fathom-llm``):

    guardrails:
      - guardrail_name: fathom
        litellm_params:
          guardrail: fathom_guardrail.FathomGuardrail
          mode: [pre_call, post_call]
          default_on: true

The pairs of a request live in memory until its answer is out; LiteLLM's logs and callbacks see masked requests.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.types.guardrails import GuardrailEventHooks
from pydantic import BaseModel

from fathom.guard import Masker, Vault
from fathom.guard.bodies import mask_body, unmask_body, wants_json
from fathom.guard.stream import Unmasker

# What of LiteLLM's request goes to the model; the rest is LiteLLM's own.
FIELDS = (
    *("messages", "prompt", "input", "instructions", "system", "tools", "functions", "tool_choice", "response_format"),
    *("user", "stop", "prediction", "text", "safety_identifier"),
)
WAITING = 10_000  # requests whose answer is not out; the oldest is forgotten, its answer then stays masked
TEXTS = ("content", "reasoning_content", "refusal", "text")


class FathomGuardrail(CustomGuardrail):
    def __init__(self, attachments: str = "refuse", operator: str = "placeholder", **options: Any) -> None:
        options.setdefault("supported_event_hooks", [GuardrailEventHooks.pre_call, GuardrailEventHooks.post_call])
        super().__init__(**options)
        self._masker = Masker(operator=operator)
        self._attachments = attachments
        self._vaults: OrderedDict[str, tuple[Vault, bool]] = OrderedDict()  # by LiteLLM's call id; JSON was asked for

    async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: dict, call_type: Any) -> dict:
        if not self.should_run_guardrail(data=data, event_type=GuardrailEventHooks.pre_call):
            return data
        body = {name: copy.deepcopy(data[name]) for name in FIELDS if data.get(name) is not None}
        vault = Vault()
        mask_body(body, self._masker, vault, attachments=self._attachments)
        data.update(body)
        if isinstance(raw := (data.get("proxy_server_request") or {}).get("body"), dict):  # what LiteLLM logs
            raw.update({name: body[name] for name in body if name in raw})
        if len(vault):
            self._vaults[data["litellm_call_id"]] = vault, wants_json(body)
            while len(self._vaults) > WAITING:
                self._vaults.popitem(last=False)
        return data

    async def async_post_call_success_hook(self, data: dict, user_api_key_dict: Any, response: Any) -> Any:
        vault, as_json = self._vaults.pop(data.get("litellm_call_id", ""), (None, False))
        if vault is not None:
            _unmask(response, vault, as_json)
        return response

    async def async_post_call_failure_hook(self, request_data: dict, *args: Any, **kwargs: Any) -> None:
        self._vaults.pop(request_data.get("litellm_call_id", ""), None)

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict
    ) -> AsyncIterator[Any]:
        vault, as_json = self._vaults.pop(request_data.get("litellm_call_id", ""), (None, False))
        stream = None if vault is None else _Stream(vault, as_json)
        async for chunk in response:
            yield chunk if stream is None else stream.unmask(chunk)


class _Stream:
    """One un-masker for each text of each choice."""

    def __init__(self, vault: Vault, as_json: bool) -> None:
        self._vault, self._json = vault, as_json
        self._open: dict[tuple[Any, ...], Unmasker] = {}

    def unmask(self, chunk: Any) -> Any:
        for choice in getattr(chunk, "choices", None) or []:
            delta = getattr(choice, "delta", None)
            if delta is None:
                continue
            end = bool(getattr(choice, "finish_reason", None))
            for name in TEXTS:
                self._feed(delta, name, (choice.index, name), end, self._json and name == "content")
            for call in getattr(delta, "tool_calls", None) or []:
                self._feed(call.function, "arguments", (choice.index, "call", call.index), False, True)
        return chunk

    def _feed(self, holder: Any, name: str, channel: tuple[Any, ...], end: bool, inside: bool) -> None:
        text = getattr(holder, name, None)
        if isinstance(text, str) or (end and channel in self._open):
            unmasker = self._open.setdefault(channel, Unmasker(self._vault, json=inside))
            setattr(holder, name, unmasker.feed(text or "", end))


def _unmask(value: Any, vault: Vault, as_json: bool, name: str = "") -> Any:
    """Every string below a response, which is made of pydantic models, dicts and lists."""
    if isinstance(value, str):
        return unmask_body({name: value}, vault, json_text=as_json)[name]
    if isinstance(value, BaseModel):
        for field, item in list(value):
            if (new := _unmask(item, vault, as_json, field)) is not item:
                setattr(value, field, new)
    elif isinstance(value, dict):
        value.update({key: _unmask(item, vault, as_json, str(key)) for key, item in value.items()})
    elif isinstance(value, list):
        value[:] = [_unmask(item, vault, as_json, name) for item in value]
    return value
