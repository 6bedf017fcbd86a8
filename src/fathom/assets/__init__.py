"""Data that ships with fathom: the default model, chat templates, pre-tokenizers, shapes of published models."""

from pathlib import Path

__all__ = ["ASSETS"]

ASSETS = Path(__file__).resolve().parent
