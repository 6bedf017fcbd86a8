"""What stands in front of every route: Host, key, request id, the shape of errors, a log without prompts."""

from __future__ import annotations

import logging

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from fathom.server.gate import Gate, is_loopback
from serving import running, wait_for


async def echo(scope, receive, send) -> None:
    request = Request(scope, receive)
    if request.url.path == "/boom":
        raise ZeroDivisionError("my secret prompt")
    await JSONResponse({"path": request.url.path})(scope, receive, send)


@pytest.fixture(scope="module")
def local():
    with running(Gate(echo, api_key=None, local_only=True)) as url:
        yield url


@pytest.fixture(scope="module")
def keyed():
    with running(Gate(echo, api_key="clé-1", local_only=False)) as url:
        yield url


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8000", "127.8.9.1", "[::1]", "[::1]:8000"])
def test_local_names_are_answered(local, host) -> None:
    assert httpx.get(local, headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.0.1", "[::]", ""]
)
def test_a_rebound_name_is_turned_away(local, host) -> None:
    reply = httpx.get(local, headers={"host": host})
    assert reply.status_code == 403
    assert reply.json()["error"]["code"] == "host_refused"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic clé-1", "clé-1", "Bearer clé-12"])
def test_without_the_key_nothing_is_answered(keyed, header) -> None:
    headers = {} if header is None else {"authorization": header.encode()}
    reply = httpx.get(keyed + "/v1/models", headers=headers)
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "invalid_api_key"
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    assert httpx.get(keyed + "/health", headers=headers).status_code == 200


def test_with_the_key_any_host_is_answered(keyed) -> None:
    headers = {"authorization": "bearer clé-1".encode(), "host": "box.lan"}
    assert httpx.get(keyed + "/x", headers=headers).status_code == 200


@pytest.mark.parametrize(("offered", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 129, False), ("é", False)])
def test_a_proper_request_id_comes_back_and_another_is_replaced(local, offered, kept) -> None:
    reply = httpx.get(local, headers={"x-request-id": offered.encode()})
    assert (reply.headers["x-request-id"] == offered) == kept
    assert reply.headers["x-request-id"]


def test_an_unforeseen_error_is_a_500_in_shape_and_the_log_has_the_place_but_not_the_text(local, caplog) -> None:
    with caplog.at_level(logging.INFO, "fathom.server"):
        reply = httpx.get(local + "/boom?q=secret")
        wait_for(lambda: "'no route' 500" in caplog.text)  # written after the answer
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal")
    assert "ZeroDivisionError" in caplog.text
    assert "test_gate.py" in caplog.text
    assert "secret" not in caplog.text + reply.text


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
    ],
)
def test_loopback_addresses_are_told_from_others(host, local) -> None:
    assert is_loopback(host) is local
