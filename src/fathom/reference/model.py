"""An ``nn.Module`` that runs a program op by op.

Parameters carry their official names, so ``state_dict()`` is an official checkpoint. The experts of a layer are three
stacked parameters (one grouped product, one optimizer state each); only the state dict shows them one by one, as views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..config import ModelConfig
from ..model.program import Op, View, Weight, build_program
from .ops import OPS, Call, LatentCache, Step

__all__ = ["LatentCache", "Model"]

_PROJECTIONS = ("gate_proj", "up_proj", "down_proj")


class Experts(nn.Module):
    """Stacked experts; ``state_dict`` and ``load_state_dict`` speak ``{e}.gate_proj.weight``."""

    def __init__(self, weights: tuple[Weight, ...], dtype: torch.dtype) -> None:
        super().__init__()
        for name, weight in zip(_PROJECTIONS, weights, strict=False):
            setattr(self, name, nn.Parameter(torch.empty(len(weights) // 3, *weight.shape, dtype=dtype)))

    def _views(self, prefix: str) -> dict[str, Tensor]:
        return {
            f"{prefix}{expert}.{name}.weight": matrix
            for name in _PROJECTIONS
            for expert, matrix in enumerate(getattr(self, name).detach())
        }

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, _keep_vars: bool) -> None:
        destination.update(self._views(prefix))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Tensor],
        prefix: str,
        _metadata: Any,
        _strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        views = self._views(prefix)
        unexpected_keys += [name for name in state_dict if name.startswith(prefix) and name not in views]
        for name, view in views.items():
            if name not in state_dict:
                missing_keys.append(name)
            elif state_dict[name].shape != view.shape:
                error_msgs.append(f"{name}: {tuple(state_dict[name].shape)} in the file, {tuple(view.shape)} here")
            else:
                view.copy_(state_dict[name])


class Model(nn.Module):
    """A network of the family from its configuration; freshly initialised unless ``empty``.

    >>> Model(config)(torch.tensor([[0, 5, 7]])).shape       # (B, T) -> (B, T, V), float32
    torch.Size([1, 3, 12288])
    """

    def __init__(self, config: ModelConfig, dtype: torch.dtype = torch.float32, *, empty: bool = False) -> None:
        super().__init__()
        self.config = config
        self.program = build_program(config)
        self._places: dict[str, list[tuple[nn.Module, str]]] = {}  # op -> where its weights hang
        for op in self.program.ops:
            if op.weights:
                self._places[op.name] = self._register(op, dtype)
        if not empty:
            self.initialise()

    def _register(self, op: Op, dtype: torch.dtype) -> list[tuple[nn.Module, str]]:
        if op.kind == "experts":
            path = op.weights[0].name.removesuffix(".0.gate_proj.weight")
            parent, name = self._module(path.rpartition(".")[0]), path.rpartition(".")[2]
            experts = Experts(op.weights, dtype)
            parent.add_module(name, experts)
            return [(experts, projection) for projection in _PROJECTIONS]
        places = []
        for weight in op.weights:
            path, _, name = weight.name.rpartition(".")
            module = self._module(path)
            if name == "e_score_correction_bias":  # set by a rule, not by gradients; float32 in official files
                module.register_buffer(name, torch.zeros(weight.shape))
            elif not hasattr(module, name):  # a tied embedding is there already
                module.register_parameter(name, nn.Parameter(torch.empty(weight.shape, dtype=dtype)))
            places.append((module, name))
        return places

    def _module(self, path: str) -> nn.Module:
        module: Any = self
        for part in path.split("."):
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        return module

    def weights(self, op: Op) -> list[Tensor]:
        """The parameters and buffers of an op, in its order."""
        return [getattr(module, name) for module, name in self._places.get(op.name, ())]

    @torch.no_grad()
    def initialise(self) -> None:
        """Norms 1, biases 0, matrices N(0, initializer_range)."""
        std = float(self.config.raw.get("initializer_range", 0.02))
        for name, tensor in self.state_dict().items():
            if tensor.ndim == 2:
                tensor.normal_(0.0, std)
            else:
                tensor.fill_(0.0 if name.endswith("bias") else 1.0)

    def forward(
        self,
        tokens: Tensor,
        *,
        cache: LatentCache | None = None,
        form: str = "expanded",
        capture: Callable[[str, Tensor], None] | None = None,
    ) -> Tensor:
        """tokens (B, T) -> logits (B, T, V), float32. A cache continues its sequence and grows by T tokens.

        ``form``: attention "expanded" (keys and values a head) or "absorbed" (in the latent space), equal but for
        rounding. ``capture`` receives the output (B, T, width) of every op under its name.
        """
        cache = LatentCache() if cache is None else cache
        step = Step(tokens, *self._turns(cache.tokens, tokens), cache, form)
        buffers: dict[str, Tensor] = {}
        for op in self.program.ops:
            inputs = [buffers[v.buffer][..., v.offset : v.offset + v.width] for v in op.inputs]
            output = OPS[op.kind](Call(step, op.attrs, op.layer), *inputs, *self.weights(op))
            self._store(buffers, op.output, output)
            if capture is not None:
                capture(op.name, output)
        return buffers["logits"]

    @torch.no_grad()
    def observe(self, tokens: Sequence[int], capture: Callable[[str, NDArray[np.float32]], None]) -> None:
        """Run one prompt and show the output (T, width) of every op: a side of ``fathom.trace``."""
        batch = torch.tensor([list(tokens)])
        self(batch, capture=lambda name, output: capture(name, output[0].float().numpy()))

    def _turns(self, start: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin (T, rope / 2) of the new positions."""
        rope = self.config.rope
        frequencies = torch.tensor(rope.inv_freq(self.config.qk_rope_head_dim), device=tokens.device)
        positions = torch.arange(start, start + tokens.shape[1], device=tokens.device, dtype=torch.float32)
        angles = positions[:, None] * frequencies
        return angles.cos() * rope.cos_sin_factor, angles.sin() * rope.cos_sin_factor

    def _store(self, buffers: dict[str, Tensor], view: View, value: Tensor) -> None:
        """A part of a buffer is replaced by building the row anew: autograd keeps what it saw."""
        if view.width != self.program.buffers[view.buffer]:
            row = buffers[view.buffer]
            value = torch.cat([row[..., : view.offset], value, row[..., view.offset + view.width :]], dim=-1)
        buffers[view.buffer] = value
