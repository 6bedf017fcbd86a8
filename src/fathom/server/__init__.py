"""The OpenAI-compatible HTTP server. JSON, pydantic and FastAPI live here and nowhere below."""
