"""The guardrail inside the real LiteLLM proxy, in an environment of its own: `make integrations`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import httpx
import openai
import pytest

from integrations.echo import echo

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("FATHOM_LITELLM", ROOT / "build/integrations/litellm")) / "bin"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PYTHON / "litellm").exists(), reason="no LiteLLM; `make integrations` installs it"),
]
SAID = "我叫王小明，电话13800138000，邮箱wang.xm@example.com，call me"
KEY = "sk-0123456789abcdef0123456789abcdef"
VALUES = ("13800138000", "wang.xm@example.com")
CONFIG = """
model_list:
  - model_name: echo
    litellm_params: {{model: openai/echo, api_base: "{url}", api_key: none}}
guardrails:
  - guardrail_name: fathom
    litellm_params: {{guardrail: fathom_guardrail.FathomGuardrail, mode: [pre_call, post_call], default_on: true}}
"""
TOOL = {"type": "function", "function": {"name": "send", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """(client through LiteLLM, upstream, file of LiteLLM's output)"""
    folder = tmp_path_factory.mktemp("litellm")
    with echo() as upstream, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        (folder / "config.yaml").write_text(CONFIG.format(url=upstream.url))
        (folder / "fathom_guardrail.py").write_text((ROOT / "integrations/litellm/fathom_guardrail.py").read_text())
        env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        env["LITELLM_MASTER_KEY"] = KEY
        arguments = ["--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        with open(folder / "log", "w") as log:
            process = subprocess.Popen([PYTHON / "litellm", *arguments], cwd=folder, env=env, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(240):
                if process.poll() is not None:
                    pytest.fail((folder / "log").read_text()[-2000:])
                try:
                    if httpx.get(f"{url}/health/liveliness", timeout=2).status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.5)
            yield openai.OpenAI(base_url=f"{url}/v1", api_key=KEY), upstream, folder / "log"
        finally:
            process.terminate()
            process.wait(20)


def left(upstream) -> str:
    return "".join(upstream.seen)


def test_a_chat_leaves_masked_and_comes_back_whole(proxy) -> None:
    client, upstream, log = proxy
    answer = client.chat.completions.create(model="echo", messages=[{"role": "user", "content": SAID}])
    assert answer.choices[0].message.content == f"You said: {SAID}"
    assert upstream.seen
    assert not [value for value in VALUES if value in left(upstream) + log.read_text()]


def test_a_stream_comes_back_whole_without_being_held_to_its_end(proxy) -> None:
    client, upstream, _ = proxy
    chunks = client.chat.completions.create(model="echo", messages=[{"role": "user", "content": SAID}], stream=True)
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(pieces) == f"You said: {SAID}"
    assert len([piece for piece in pieces if piece]) > 10
    assert not [value for value in VALUES if value in left(upstream)]


@pytest.mark.parametrize("stream", [False, True])
def test_tool_arguments_arrive_unmasked(proxy, stream) -> None:
    client, upstream, _ = proxy
    messages = [{"role": "user", "content": SAID}]
    answer = client.chat.completions.create(model="echo", messages=messages, tools=[TOOL], stream=stream)
    if stream:
        calls = [call for c in answer if c.choices for call in c.choices[0].delta.tool_calls or []]
        arguments = "".join(call.function.arguments or "" for call in calls)
    else:
        arguments = answer.choices[0].message.tool_calls[0].function.arguments
    assert json.loads(arguments) == {"to": f"You said: {SAID}"}
    assert not [value for value in VALUES if value in left(upstream)]


def test_a_picture_is_refused_with_a_word_why(proxy) -> None:
    client, upstream, _ = proxy
    before = len(upstream.seen)
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with pytest.raises(openai.APIStatusError, match="can't be masked"):
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": [part]}])
    assert len(upstream.seen) == before
