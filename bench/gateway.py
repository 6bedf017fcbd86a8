"""Time that the privacy gateway adds until the first byte of an answer.

    python bench/gateway.py [--rounds 200] [--texts 300,4000,30000]

An upstream that answers at once, the gateway (`fathom serve --upstream`) and the client are three processes on this
machine, so what is measured is all that the gateway does: reading, masking, sending on, un-masking. Requests straight
to the upstream and through the gateway take turns; each is a streamed chat completion whose prompt has so many
characters of Chinese and English with personal data in it. `added_ms` is the difference of the medians, `added_p90_ms`
that of the 90th percentiles. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing.connection import Connection
from typing import Any

import httpx

from fathom.bench.record import processor

_PIECE = (
    "客户张伟（手机号13800138000，身份证号11010519491231002X）来电，说订单还没有收到，请尽快处理。"
    "Please answer John Smith <john.smith@corp.example.org>, phone +1 415 555 2671, and tell him what was done. "
)
_WORDS = ("好的", "，", "⟦PERSON_1⟧", "已经", " done", ".")


def body(characters: int) -> dict[str, Any]:
    text = (_PIECE * (characters // len(_PIECE) + 1))[:characters]
    return {"model": "bench", "stream": True, "messages": [{"role": "user", "content": text}]}


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP/1.1, as much as is needed: a body by its length, an answer in chunks."""
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in _WORDS
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events = [*(json.dumps(chunk) for chunk in chunks), "[DONE]"]
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *([0-9]+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for each in events:
                data = f"data: {each}\n\n".encode()
                writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _serve(port: Connection) -> None:
    async def main() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def upstream() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.terminate()
        process.join()


@contextmanager
def gateway(behind: str) -> Iterator[str]:
    command = [sys.executable, "-m", "fathom.cli", "serve", "--upstream", behind, "--port", "0"]
    env = {**os.environ, "FATHOM_LANG": "en"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            url = next(found[1] for line in lines if (found := re.search(r"OPENAI_BASE_URL=(\S+)", line)))
            threading.Thread(target=deque, args=(lines, 0), daemon=True).start()  # a log nobody reads fills its pipe
            yield url
        finally:
            process.kill()


def first_byte_s(client: httpx.Client, url: str, content: bytes) -> float:
    started = time.perf_counter()
    with client.stream(
        "POST", f"{url}/chat/completions", content=content, headers={"content-type": "application/json"}
    ) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        took = time.perf_counter() - started
        for _ in pieces:
            pass
    return took


def measure(direct: str, through: str, characters: int, rounds: int) -> dict[str, float]:
    content = json.dumps(body(characters), ensure_ascii=False).encode()
    took: dict[str, list[float]] = {direct: [], through: []}
    with httpx.Client(timeout=30, trust_env=False) as client:
        for number in range(rounds + 10):
            for url in took:
                one = first_byte_s(client, url, content)
                if number >= 10:  # the first ones warm up
                    took[url].append(1e3 * one)
    medians = {url: statistics.median(all) for url, all in took.items()}
    tails = {url: statistics.quantiles(all, n=10)[-1] for url, all in took.items()}
    return {
        "characters": characters,
        "direct_ms": round(medians[direct], 3),
        "gateway_ms": round(medians[through], 3),
        "added_ms": round(medians[through] - medians[direct], 3),
        "added_p90_ms": round(tails[through] - tails[direct], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--texts", default="300,4000,30000", help="characters of the prompts")
    args = parser.parse_args()
    with upstream() as direct, gateway(direct) as through:
        wait_for(through)
        cases = [measure(direct, through, int(characters), args.rounds) for characters in args.texts.split(",")]
    for case in cases:
        print(", ".join(f"{name} {value}" for name, value in case.items()))
    load = round(os.getloadavg()[0], 2)
    about = {"date": f"{date.today()}", "cpu": processor(), "load": load, "rounds": args.rounds}
    print(json.dumps({"claim": "gateway", **about, "cases": cases}), flush=True)


def wait_for(url: str) -> None:
    health = url.removesuffix("/v1") + "/health"
    client = httpx.Client(transport=httpx.HTTPTransport(retries=10), trust_env=False)
    client.get(health).raise_for_status()


if __name__ == "__main__":
    main()
