"""Pulling from a hub: a small server of the protocol's few routes runs here, with the faults of real networks."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fathom.errors import FathomError
from fathom.hub import pull as module
from fathom.hub.pull import pull
from fathom.hub.store import list_models, resolve

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = json.dumps({"model_type": "deepseek_v2"}).encode()
WEIGHTS = bytes(range(256)) * 4000  # about 1 MB


@dataclass
class Hub:
    """The repositories of a hub and how it misbehaves."""

    files: dict[str, bytes]
    large: tuple[str, ...] = (".safetensors", ".gguf", ".bin")  # kept apart, with a SHA-256 and on another path
    cuts: list[int] = field(default_factory=list)  # close the connection after so many bytes, once each
    corrupt: bool = False
    status: int = 200
    repo: str = "owner/name"
    requests: Counter[str] = field(default_factory=Counter)
    ranges: list[str] = field(default_factory=list)
    tokens: dict[str, str | None] = field(default_factory=dict)  # the last one seen by the hub and by its storage

    def listing(self) -> dict[str, object]:
        siblings = []
        for name, data in self.files.items():
            entry: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": git_sha1(data)}
            if name.endswith(self.large):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        return {"id": self.repo, "sha": COMMIT, "siblings": siblings}


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.reply(body=False)

    def do_GET(self) -> None:
        self.reply(body=True)

    def reply(self, body: bool) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.requests[f"{self.command} {path}"] += 1
        hub.tokens["storage" if path.startswith("/storage") else "hub"] = self.headers.get("Authorization")
        if hub.status != 200:
            self.answer(hub.status, b"", {})
        elif path in (f"/api/models/{hub.repo}", f"/api/models/{hub.repo}/revision/main"):
            self.answer(200, json.dumps(hub.listing()).encode(), {"Content-Type": "application/json"})
        elif path.startswith("/api/models/"):
            kind = "RevisionNotFound" if "/revision/" in path and hub.repo in path else "RepoNotFound"
            self.answer(404, b"", {"X-Error-Code": kind})
        elif path.startswith(prefix := f"/{hub.repo}/resolve/{COMMIT}/"):
            self.resolve(path.removeprefix(prefix), body)
        elif path.startswith("/storage/"):
            self.content(path.removeprefix("/storage/"), body)

    def resolve(self, name: str, body: bool) -> None:
        data = self.hub.files[name]
        headers = {"X-Repo-Commit": COMMIT}
        if name.endswith(self.hub.large):
            port = self.server.server_address[1]
            headers |= {"X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"'}
            self.answer(302, b"", headers | {"Location": f"http://localhost:{port}/storage/{name}"})
        else:
            self.answer(200, data, headers | {"ETag": f'"{git_sha1(data)}"'}, body)

    def content(self, name: str, body: bool) -> None:
        data = self.hub.files[name]
        start, wanted = 0, self.headers.get("Range")
        if wanted:
            self.hub.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        sent = bytes(len(data) - start) if self.hub.corrupt else data[start:]
        cut = self.hub.cuts.pop(0) if self.hub.cuts else None
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if wanted else {}
        self.answer(206 if wanted else 200, sent, headers, body, cut)

    def answer(
        self, status: int, data: bytes, headers: dict[str, str], body: bool = True, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data if cut is None else data[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    state = Hub(
        {"config.json": CONFIG, "tokenizer.json": b"{}", "model.safetensors": WEIGHTS, "pytorch_model.bin": b"x"}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": state}))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("FATHOM_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "5")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits between its attempts
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # what a cut can lose; 10 MB in life
    yield state
    server.shutdown()


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".incomplete"))


def test_pulls_data_but_no_pickle_and_the_store_lists_it(hub) -> None:
    seen: list[tuple[int, int]] = []
    folder = pull("owner/name", progress=lambda done, total: seen.append((done, total)))
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    total = len(WEIGHTS) + len(CONFIG) + 2
    assert seen[-1] == (total, total)
    assert "owner/name" in [model.name for model in list_models()]
    assert resolve("owner/name") == folder


def test_a_second_pull_transfers_nothing(hub) -> None:
    pull("owner/name")
    hub.requests.clear()
    pull("owner/name")
    assert list(hub.requests) == ["GET /api/models/owner/name"]


def test_a_dropped_connection_is_resumed_within_the_call(hub) -> None:
    hub.cuts = [1000, 50_000]
    folder = pull("owner/name")
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.ranges[0] == "bytes=1000-"


def test_an_interrupted_pull_goes_on_where_it_stopped(hub, tmp_path, monkeypatch) -> None:
    hub.cuts = [300_000] + [0] * 40
    with pytest.raises(FathomError, match="pull again: it goes on") as info:
        pull("owner/name")
    assert info.value.code == "pull_failed"
    folder = tmp_path / "models/owner/name"
    assert not (folder / "config.json").exists()
    assert not [model for model in list_models() if model.source == "store"]
    assert len(leftovers(folder)) == 1
    hub.cuts, hub.ranges = [], []
    pull("owner/name")
    assert hub.ranges == ["bytes=300000-"]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert leftovers(folder) == []


def test_a_wrong_checksum_is_an_error_and_leaves_nothing(hub, tmp_path) -> None:
    hub.corrupt = True
    with pytest.raises(FathomError, match="checksum"):
        pull("owner/name")
    folder = tmp_path / "models/owner/name"
    assert not (folder / "model.safetensors").exists()
    assert leftovers(folder) == []


def test_a_token_is_not_sent_to_the_storage_host(hub, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull("owner/name")
    assert hub.tokens == {"hub": "Bearer hf_secret", "storage": None}


def test_one_gguf_of_several_has_to_be_named(hub) -> None:
    hub.files = {"a-Q4_0.gguf": WEIGHTS, "a-Q8_0.gguf": WEIGHTS[:512], "README.md": b""}
    with pytest.raises(FathomError, match=r"REPO:FILE from a-Q4_0.gguf .*, a-Q8_0.gguf"):
        pull("owner/name")
    path = pull("owner/name:a-Q8_0.gguf")
    assert path.read_bytes() == WEIGHTS[:512]
    assert resolve("owner/name") == path.parent
    pull("owner/name", "a-Q4_0.gguf")
    assert resolve("owner/name:a-Q4_0.gguf").stat().st_size == len(WEIGHTS)
    with pytest.raises(FathomError, match=r"no GGUF file 'b.gguf'"):
        pull("owner/name:b.gguf")


def test_all_parts_of_a_split_gguf_are_pulled(hub) -> None:
    parts = {f"Q4/m-0000{i}-of-00003.gguf": WEIGHTS[: i * 100] for i in (1, 2, 3)}
    hub.files = parts | {"Q8/m.gguf": b"x"}
    path = pull("owner/name", "m-00001-of-00003.gguf")
    assert path.name == "m-00001-of-00003.gguf"
    assert [p.stat().st_size for p in sorted(path.parent.iterdir())] == [100, 200, 300]


def test_names_that_would_leave_the_folder_are_not_fetched(hub) -> None:
    hub.files |= {"../evil.json": b"{}", ".hidden.json": b"{}", "..\\evil.json": b"{}"}
    assert sorted(p.name for p in pull("owner/name").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"pytorch_model.bin": b"x"}, "pytorch_model.bin, which could run code"),
        ({"README.md": b""}, "no weights at all"),
    ],
)
def test_a_repository_without_loadable_weights_is_explained(hub, files, says) -> None:
    hub.files = files
    with pytest.raises(FathomError, match=says):
        pull("owner/name")


def test_what_the_hub_refuses_is_explained(hub) -> None:
    with pytest.raises(FathomError, match="no such repository"):
        pull("owner/other")
    with pytest.raises(FathomError, match="no such revision"):
        pull("owner/name", revision="v9")
    with pytest.raises(FathomError) as info:
        pull("../name")
    assert info.value.code == "model_not_found"
    with pytest.raises(FathomError, match="OWNER/NAME"):
        pull("name")
    hub.status = 503
    with pytest.raises(FathomError, match="503"):
        pull("owner/name")


def test_no_network_is_one_line_with_advice(hub, monkeypatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FathomError, match="check the network or set HF_ENDPOINT") as info:
        pull("owner/name")
    assert "\n" not in str(info.value)


def test_a_full_disk_is_reported_and_the_begun_file_kept(hub, tmp_path, monkeypatch) -> None:
    real = module._Counted.write

    def full(self, data: bytes) -> int:
        if self.file.tell() >= 400_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, data)

    monkeypatch.setattr(module._Counted, "write", full)
    with pytest.raises(FathomError) as info:
        pull("owner/name")
    assert info.value.code == "no_space"
    assert len(leftovers(tmp_path / "models/owner/name")) == 1


def test_what_was_pulled_already_needs_no_room_again(hub, monkeypatch) -> None:
    hub.cuts = [900_000] + [0] * 40
    with pytest.raises(FathomError, match="pull again"):
        pull("owner/name")
    hub.cuts, asked = [], []
    monkeypatch.setattr(module, "check_space", lambda path, needed: asked.append(needed))
    pull("owner/name")
    assert asked == [len(WEIGHTS) - 900_000 + len(CONFIG)]  # tokenizer.json is there


def test_two_pulls_of_one_file_do_not_mix(hub, tmp_path) -> None:
    import fcntl

    folder = tmp_path / "models/owner/name"
    folder.mkdir(parents=True)
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    with (folder / f".model.safetensors.{digest[:16]}.incomplete").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FathomError) as info:
            pull("owner/name")
    assert info.value.code == "in_use"
