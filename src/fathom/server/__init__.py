"""The OpenAI-compatible HTTP server. JSON, pydantic and FastAPI live here and nowhere below."""

from __future__ import annotations

from .app import create_app
from .serve import read_api_key, serve

__all__ = ["create_app", "read_api_key", "serve"]
