"""LiteLLM as a client of the gateway, unchanged, in an environment of its own: `make integrations`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from scripted_echo import echo
from scripted_upstream import gateway

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("FATHOM_LITELLM", ROOT / "build/integrations/litellm")) / "bin/python"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no LiteLLM; `make integrations` installs it"),
]
SAID = "我叫张伟，手机号13800138000，邮箱 zhang.wei@corp.example.cn"
PROGRAM = """
import json, sys
import litellm

url, said = sys.argv[1:]
messages = [{"role": "user", "content": said}]
tool = {"type": "function", "function": {"name": "send", "parameters": {"type": "object", "properties": {}}}}
openai = {"model": "openai/echo", "api_base": url + "/v1", "api_key": "k", "messages": messages}
claude = {"model": "anthropic/echo", "api_base": url, "api_key": "k", "messages": messages, "max_tokens": 9}
told = []
for options in (openai, claude):
    whole = litellm.completion(**options, tools=[tool]).choices[0].message
    told.append([whole.content, json.loads(whole.tool_calls[0].function.arguments)["to"]])
    chunks = list(litellm.completion(**options, stream=True))
    told.append(["".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)])
print(json.dumps(told))
"""


def test_completions_of_both_kinds_streamed_and_not() -> None:
    with gateway(echo) as (url, upstream):
        env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        command = [PYTHON, "-c", PROGRAM, url, SAID]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [[SAID, SAID], [SAID]] * 2
    for value in ("张伟", "13800138000", "zhang.wei@corp.example.cn"):
        assert value not in upstream.received
        assert json.dumps(value)[1:-1] not in upstream.received
