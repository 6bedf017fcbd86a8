"""The tiny model the API tests serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving import write_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny"))
