"""The way to the model: one pool of connections to one address.

Redirects are not followed: a body must not go where the user did not send it. Only what failed before anything was sent
is tried again. Errors name the kind of failure, never a text of the exchange.
"""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from ... import __version__
from ...errors import Both, FathomError
from ..gate import is_loopback

__all__ = ["LONGEST", "Timeouts", "Upstream", "owner_of", "passed_back"]

LONGEST = 64 * 2**20  # bytes of an answer that is no stream
_SENT_ON = (  # of the client's headers: none of them says who or where the user is
    *("anthropic-version", "anthropic-beta", "openai-beta", "openai-organization", "openai-project"),
)
_ROUTES = ("/completions", "/responses", "/embeddings", "/messages", "/models")
_KEYS = ("authorization", "x-api-key", "api-key")
_BACK = ("content-type", "retry-after", "retry-after-ms", "x-should-retry", "openai-processing-ms", "request-id")
_BACK_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds."""

    connect: float = 10.0
    read: float = 300.0  # between two pieces of an answer
    total: float = 3600.0


class Upstream:
    """``url`` is what stands before ``/chat/completions`` and ``/messages``; a bare host gets ``/v1``.

    ``key``: put in the place of the client's own; ``own_key``: this server asks for a key of its own, which must not
    be sent on.
    """

    def __init__(self, url: str, *, key: str | None = None, own_key: bool = False, timeouts: Timeouts) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            problem = Both(
                f"{url!r} is no address such as https://api.example.com/v1",
                f"{url!r} 不是形如 https://api.example.com/v1 的地址",
            )
            raise FathomError("parameter_invalid", param="--upstream", problem=problem)
        if parts.username or parts.password:
            problem = Both(
                "a key stands in a file or in FATHOM_UPSTREAM_KEY, not in the address",
                "密钥应放在文件或 FATHOM_UPSTREAM_KEY 中，不要写在地址里",
            )
            raise FathomError("parameter_invalid", param="--upstream", problem=problem)
        path = parts.path.rstrip("/") or "/v1"
        if path.endswith(_ROUTES):
            problem = Both(
                f"{path!r} ends with a route; give what stands before it", f"{path!r} 以接口结尾；请只写它之前的部分"
            )
            raise FathomError("parameter_invalid", param="--upstream", problem=problem)
        self.url = f"{parts.scheme}://{parts.netloc}{path}"
        self.host = parts.hostname
        self.timeouts = timeouts
        self._key, self._own_key = key, own_key
        transport = httpx.AsyncHTTPTransport(
            retries=2,  # of connecting, nothing else
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=64, keepalive_expiry=4
            ),  # servers wait 5
            proxy=_proxy(parts.scheme, parts.hostname),
        )
        timeout = httpx.Timeout(timeouts.read, connect=timeouts.connect)
        self._client = httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False)

    async def close(self) -> None:
        await self._client.aclose()

    def headers(self, client: Mapping[str, str], *, anthropic: bool) -> dict[str, str]:
        """Of the request upstream, by those of the client's."""
        names = _SENT_ON if self._key is not None or self._own_key else (*_SENT_ON, *_KEYS)
        sent = {name: client[name] for name in names if client.get(name, "\xff").isascii()}
        if self._key is not None:
            sent |= {"x-api-key": self._key} if anthropic else {"authorization": f"Bearer {self._key}"}
        return {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",  # compressed events would wait for one another
            "user-agent": f"fathom/{__version__}",
            **sent,
        }

    @asynccontextmanager
    async def call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The upstream's answer, headers read; leaving the block closes it, and so ends the work there."""
        request = self._client.build_request(method, self.url + path, headers=headers, content=body)
        with _named_failures():
            response = await self._client.send(request, stream=True)
        try:
            if response.is_redirect:
                problem = f"it answers {response.status_code}, a redirect, which is not followed; give its last address"
                raise FathomError("upstream_broken", problem=problem)
            yield response
        finally:
            await response.aclose()

    async def read(self, response: httpx.Response) -> bytes:
        """The whole answer, within bounds."""
        pieces: list[bytes] = []
        size = 0
        async for piece in self.pieces(response):
            size += len(piece)
            if size > LONGEST:
                raise FathomError("upstream_broken", problem=f"an answer of more than {LONGEST} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    async def pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding not in ("identity", "gzip", "deflate"):
            raise FathomError("upstream_broken", problem=f"its answer is compressed with {encoding[:20]!r}")
        with _named_failures():
            async for piece in response.aiter_bytes():
                yield piece


@contextmanager
def _named_failures() -> Iterator[None]:
    """httpx's exceptions as ours; their texts are left out."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise FathomError("upstream_unreachable", problem=type(error).__name__) from None
    except httpx.TimeoutException:
        raise FathomError("upstream_timeout") from None
    except httpx.HTTPError as error:
        raise FathomError("upstream_broken", problem=f"the exchange broke off ({type(error).__name__})") from None


def owner_of(client: Mapping[str, str]) -> str:
    """Who asks, by the key that it brought."""
    return next((client[name].removeprefix("Bearer ") for name in _KEYS if name in client), "")


def passed_back(headers: httpx.Headers) -> dict[str, str]:
    """What of the upstream's headers a client needs."""
    back = {name: headers[name] for name in _BACK if name in headers}
    back |= {name: value for name, value in headers.items() if name.startswith(_BACK_PREFIXES)}
    if "x-request-id" in headers:
        back["x-upstream-request-id"] = headers["x-request-id"]
    return back


def _proxy(scheme: str, host: str) -> str | None:
    """By the environment (HTTPS_PROXY, NO_PROXY), as httpx does without a transport of one's own; never for this
    machine."""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(scheme) or proxies.get("all") or None
