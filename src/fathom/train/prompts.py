"""Fixed prompts in the chat format of the tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import FathomError
from ..text.template import ChatTemplate
from ..text.tokenizer import Tokenizer

__all__ = ["Prompts"]


class Prompts:
    """``ids``: what the model continues for each text; ``stop``: tokens that end an answer."""

    def __init__(self, folder: Path, texts: Sequence[str]) -> None:
        self._tokenizer = Tokenizer.load(folder)
        self.stop = tuple(self._tokenizer.eos_ids)
        self.ids: list[list[int]] = []
        template = ChatTemplate.of(self._tokenizer)
        for text in texts:
            if template is None:
                raise FathomError(
                    "recipe_invalid", path="recipe", key="check.prompts", problem="the tokenizer has no chat template"
                )
            prompt = template.render([{"role": "user", "content": text}], add_generation_prompt=True)
            self.ids.append(list(prompt))

    def text(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids)
