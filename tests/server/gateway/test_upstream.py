from __future__ import annotations

import pytest

from fathom.errors import FathomError
from fathom.server.gateway.upstream import Timeouts, Upstream


@pytest.mark.parametrize("route", ["chat/completions", "messages", "responses/"])
def test_an_address_that_ends_with_a_route_is_refused(route) -> None:
    with pytest.raises(FathomError, match="ends with a route"):
        Upstream(f"http://127.0.0.1:1/v1/{route}", timeouts=Timeouts())


def test_a_bare_host_gets_v1_and_a_path_stays() -> None:
    assert Upstream("http://127.0.0.1:1", timeouts=Timeouts()).url == "http://127.0.0.1:1/v1"
    assert Upstream("http://127.0.0.1:1/api/v3/", timeouts=Timeouts()).url == "http://127.0.0.1:1/api/v3"
