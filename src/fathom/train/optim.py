"""Muon for the matrices inside the network, AdamW for the rest, one rate for both (Moonlight, arXiv 2502.16982, 2.2).

Muon replaces a matrix's momentum by its nearest orthogonal matrix, up to scale, found by five Newton-Schulz steps in
bfloat16 (https://kellerjordan.github.io/posts/muon). Matrices of one shape are one batch, each expert of a stack one
of them: gate and up stay apart, for a fused matrix would be a different update.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

__all__ = ["Optimizer", "is_hidden_matrix", "orthogonalise"]

_A, _B, _C = 3.4445, -4.7750, 2.0315  # the quintic of the Newton-Schulz steps
_STEPS = 5
_CACHED = 2**20  # elements of matrices that a CPU takes through all steps together: 2 MiB
_RMS = 0.2  # AdamW's typical root mean square of an update: the same rate then serves both
_OUTER = ("embed_tokens.weight", "lm_head.weight", "mlp.gate.weight")  # embedding, head, router
_BETAS = (0.9, 0.95)


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim >= 2 and not name.endswith(_OUTER)


def orthogonalise(g: Tensor) -> Tensor:
    """(k, rows, columns) -> the same, singular values of each matrix near 1; computed in bfloat16, float32."""
    out = torch.empty_like(g, dtype=torch.float32)
    together = max(1, _CACHED // g[0].numel()) if g.device.type == "cpu" else len(g)
    for part, into in zip(g.split(together), out.split(together), strict=True):
        into.copy_(_newton_schulz(part))
    return out


def _newton_schulz(g: Tensor) -> Tensor:
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT.contiguous()
    x /= x.norm(dim=(-2, -1), keepdim=True) + 1e-7
    for _ in range(_STEPS):
        a = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(a, a, a, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x


class Optimizer:
    """Steps all parameters of a model; ``matrices`` says who steps the inner ones, "muon" or "adamw".

    Only matrices decay, by rate * decay a step. State lives under names of parameters, for checkpoints.
    """

    def __init__(self, model: nn.Module, matrices: str, decay: float, momentum: float) -> None:
        self._decay, self._momentum = decay, momentum
        named = dict(model.named_parameters())
        hidden = {name: p for name, p in named.items() if is_hidden_matrix(name, p)}
        by_muon = hidden if matrices == "muon" else {}
        shapes: dict[tuple[int, ...], dict[str, Tensor]] = {}
        for name, p in by_muon.items():
            shapes.setdefault(tuple(p.shape[-2:]), {})[name] = p
        self._stacks = list(shapes.values())
        self._moments = [
            torch.zeros(sum(_count(p) for p in stack.values()), *shape, device=next(iter(stack.values())).device)
            for shape, stack in shapes.items()
        ]
        self._names = [name for name in named if name not in by_muon]
        decayed = [named[name] for name in self._names if name in hidden]
        plain = [named[name] for name in self._names if name not in hidden]
        self._names = [n for n in self._names if n in hidden] + [n for n in self._names if n not in hidden]
        groups = [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
        self._adam = torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0, betas=_BETAS, fused=True)
        self._parameters = list(named.values())

    def clip(self, norm: float) -> Tensor:
        """The norm of all gradients, which are scaled down to ``norm`` where it is above."""
        return torch.nn.utils.clip_grad_norm_(self._parameters, norm)

    def clear(self) -> None:
        for p in self._parameters:
            p.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        for stack, moment in zip(self._stacks, self._moments, strict=True):
            parameters = list(stack.values())
            shape = moment.shape[-2:]
            grads = torch.cat([p.grad.view(-1, *shape) for p in parameters])
            moment.mul_(self._momentum).add_(grads)
            update = orthogonalise(grads.add_(moment, alpha=self._momentum))  # Nesterov
            parts = update.split([_count(p) for p in parameters])
            torch._foreach_mul_(parameters, 1 - rate * self._decay)
            scale = -rate * _RMS * math.sqrt(max(shape))
            torch._foreach_add_(parameters, [u.view_as(p) for u, p in zip(parts, parameters, strict=True)], alpha=scale)

    def state(self) -> dict[str, Tensor]:
        """Every tensor of the state under ``kind/parameter``; views of the live state for Muon's momenta."""
        tensors = {f"momentum/{name}": view for name, view in self._views()}
        for name, kept in zip(self._names, self._adam_states(), strict=True):
            tensors |= {f"{kind}/{name}": value for kind, value in kept.items()}
        return tensors

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The state as :meth:`state` gave it; KeyError where a tensor is missing."""
        for name, view in self._views():
            view.copy_(tensors[f"momentum/{name}"])
        for name, p in zip(self._names, self._adam_parameters(), strict=True):
            self._adam.state[p] = {
                kind: tensors[f"{kind}/{name}"].to(p.device, copy=True) for kind in ("step", "exp_avg", "exp_avg_sq")
            }

    def _views(self) -> Iterator[tuple[str, Tensor]]:
        for stack, moment in zip(self._stacks, self._moments, strict=True):
            parts = moment.split([_count(p) for p in stack.values()])
            yield from ((name, part.view_as(p)) for (name, p), part in zip(stack.items(), parts, strict=True))

    def _adam_parameters(self) -> Iterator[Tensor]:
        return (p for group in self._adam.param_groups for p in group["params"])

    def _adam_states(self) -> Iterator[dict[str, Tensor]]:
        """Zeros before the first step."""
        for p in self._adam_parameters():
            fresh = {"step": torch.zeros(()), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            yield dict(self._adam.state.get(p) or fresh)


def _count(p: Tensor) -> int:
    """Matrices in a parameter: experts are stacked."""
    return p.shape[0] if p.ndim == 3 else 1
