"""fathom: the DeepSeek-V2 family (MLA + DeepSeekMoE) on small machines.

``from fathom import LLM, SamplingParams``; nothing heavy is imported before a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .llm import LLM, SamplingParams

__all__ = ["LLM", "FathomError", "SamplingParams", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in ("LLM", "SamplingParams"):
        from . import llm

        return getattr(llm, name)
    if name == "FathomError":
        from .errors import FathomError

        return FathomError
    raise AttributeError(f"module 'fathom' has no attribute {name!r}")
