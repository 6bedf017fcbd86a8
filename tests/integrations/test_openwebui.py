"""The filter inside the real Open WebUI, in an environment of its own: `make integrations`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from integrations.echo import echo

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("FATHOM_OPENWEBUI", ROOT / "build/integrations/openwebui")) / "bin"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PYTHON / "open-webui").exists(), reason="no Open WebUI; `make integrations` installs it"),
]
SAID = "我叫王小明，电话13800138000，邮箱wang.xm@example.com，call me"
VALUES = ("13800138000", "wang.xm@example.com")


@pytest.fixture(scope="module")
def webui(tmp_path_factory):
    """(signed-in client, upstream)"""
    folder = tmp_path_factory.mktemp("openwebui")
    with echo() as upstream, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        env = os.environ | {
            **{"PYTHONPATH": str(ROOT / "src"), "DATA_DIR": str(folder), "WEBUI_SECRET_KEY": "test"},
            **{"WEBUI_AUTH": "false", "OFFLINE_MODE": "true", "HF_HUB_OFFLINE": "1", "ENABLE_OLLAMA_API": "false"},
            **{"OPENAI_API_BASE_URL": upstream.url, "OPENAI_API_KEY": "none", "RAG_EMBEDDING_ENGINE": "openai"},
        }
        with open(folder / "log", "w") as log:
            command = [PYTHON / "open-webui", "serve", "--host", "127.0.0.1", "--port", str(port)]
            process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                for _ in range(240):
                    if process.poll() is not None:
                        pytest.fail((folder / "log").read_text()[-2000:])
                    try:
                        if client.get("/health", timeout=2).status_code == 200:
                            break
                    except httpx.HTTPError:
                        time.sleep(0.5)
                token = client.post("/api/v1/auths/signin", json={"email": "", "password": ""}).json()["token"]
                client.headers["authorization"] = f"Bearer {token}"
                source = (ROOT / "integrations/openwebui/fathom_filter.py").read_text("utf-8")
                new = {"id": "fathom", "name": "fathom", "content": source, "meta": {"description": ""}}
                client.post("/api/v1/functions/create", json=new).raise_for_status()
                client.post("/api/v1/functions/id/fathom/toggle").raise_for_status()
                client.post("/api/v1/functions/id/fathom/toggle/global").raise_for_status()
                client.get("/api/models").raise_for_status()
                yield client, upstream
        finally:
            process.terminate()
            process.wait(20)


def chat(client, **more):
    body = {"model": "echo", "messages": [{"role": "user", "content": SAID}], **more}
    answer = client.post("/api/chat/completions", json=body)
    answer.raise_for_status()
    return answer


def test_a_stream_leaves_masked_and_comes_back_whole(webui) -> None:
    client, upstream = webui
    lines = chat(client, stream=True).text.splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    pieces = [c["delta"].get("content") or "" for event in events for c in event.get("choices", [])]
    assert "".join(pieces) == f"You said: {SAID}"
    assert upstream.seen
    assert not [value for value in VALUES if value in "".join(upstream.seen)]


def test_a_whole_answer_leaves_masked(webui) -> None:
    client, upstream = webui
    chat(client, stream=False)
    assert not [value for value in VALUES if value in "".join(upstream.seen)]


def test_a_picture_does_not_leave(webui) -> None:
    client, upstream = webui
    before = len(upstream.seen)
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    answer = client.post(
        "/api/chat/completions", json={"model": "echo", "messages": [{"role": "user", "content": [part]}]}
    )
    assert answer.status_code >= 400
    assert len(upstream.seen) == before
