"""Optimisers and what changes in them at every step."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ilk.core import Progress, WarmCosine, value
from ilk.method import Head, Optimisation
from ilk.networks import Network, rates

BASE_BATCH = 256


def peak_lr(plan: Optimisation, batch_size: int) -> float:
    """The peak learning rate for a batch over all devices (Goyal et al., arXiv 1706.02677)."""
    share = batch_size / BASE_BATCH
    return plan.lr * {"linear": share, "sqrt": math.sqrt(share), "none": 1.0}[plan.scaling]


def build_optimiser(plan: Optimisation, student: Network) -> torch.optim.Optimizer:
    """An optimiser over the parameters of the student's parts that may move.

    Its kernels are fused where torch has them, which it has not for SGD of cut parameters.
    They walk through memory, so gradients and state must lie in it as their parameter does:
    autograd sees to the one, `restore_optimiser` to the other.

    Args:
        plan: which optimiser and its constants.
        student: backbone and heads.
    """
    groups = list(_groups(plan, student))
    cut = any(isinstance(p, DTensor) for p in student.parameters())
    if plan.name == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=plan.betas, fused=True)
    if plan.name == "sgd":
        return torch.optim.SGD(
            groups, lr=0.0, momentum=plan.momentum, nesterov=plan.nesterov, fused=not cut
        )
    from timm.optim import Lars

    for group in groups:  # without decay a matrix is still adapted
        group["always_adapt"] = group["decays"]
    return Lars(groups, lr=0.0, momentum=cast(int, plan.momentum), trust_coeff=plan.trust)


@dataclass(frozen=True, slots=True)
class Pace:
    """Learning rate and weight decay as functions of progress.

    Args:
        plan: the optimiser's settings.
        peak: learning rate at the end of the warm-up.
        share: what is left of all rates, below 1 once they were lowered for good; a checkpoint
            keeps it.
    """

    plan: Optimisation
    peak: float
    share: float = 1.0

    def apply(
        self, optimiser: torch.optim.Optimizer, progress: Progress, since: int = 0
    ) -> float:
        """Set this step's values; the learning rate of the heads is returned.

        Args:
            optimiser: from `build_optimiser`.
            progress: where the run stands.
            since: step at which a tuned backbone begins to learn; at 0 it does not wait.
        """
        lr = self.share * self._rate(progress)
        decay = value(self.plan.weight_decay, progress)
        for group in optimiser.param_groups:
            base = self.share * self.peak if group["constant_lr"] else lr
            grown = _grown(progress.step, since) if group["tuned"] else 1.0
            group["lr"] = base * group["rate"] * grown
            group["weight_decay"] = decay if group["decays"] else 0.0
        return lr

    def _rate(self, progress: Progress) -> float:
        share = self.plan.share_of_peak
        if share is not None:
            return self.peak * value(share, progress)
        end = self.plan.end_lr + self.plan.end_share * self.peak
        return WarmCosine(self.peak, self.plan.warmup_epochs, end, self.plan.arc)(progress)


def _grown(step: int, since: int) -> float:
    """The share of its rate that a part has: 0 until it moves, 1 after as many steps again."""
    return 1.0 if since == 0 else min(max((step + 1 - since) / since, 0.0), 1.0)


def frozen_now(heads: Mapping[str, Head], progress: Progress) -> list[nn.Module]:
    """Modules of the heads that do not move in this step."""
    return [
        head.module
        for head in heads.values()
        if progress.epoch < head.freeze_epochs or progress.step < head.freeze_steps
    ]


def clip_gradients(parameters: list[Tensor], largest: float | None) -> Tensor:
    """Scale each parameter's gradient down to a norm of ``largest``, as DINO does.

    Returns the norm of all gradients together before clipping, on their device.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    if not grads:
        return torch.zeros(())
    norms = torch.stack(torch._foreach_norm(grads))
    if largest is not None:
        factors = (largest / (norms + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(grads, list(factors.unbind()))
    return torch.linalg.vector_norm(norms)


def _groups(plan: Optimisation, student: Network) -> Iterator[dict[str, object]]:
    """By part, whether it decays, and rate; a backbone that is tuned has several rates."""
    constant = {name for name, head in student.heads.items() if head.constant_lr}
    everything = {"lars": False, "larc": True}.get(plan.name, plan.decay_all)
    for name, part in student.parts().items():
        tuning = student.tuning if name == "backbone" else None
        own = {} if tuning is None else rates(part, tuning)
        groups: dict[tuple[bool, float], list[Tensor]] = {}
        for decays in (True, False):
            for key, p in part.named_parameters():
                if p.requires_grad and (everything or p.ndim > 1) == decays:
                    groups.setdefault((decays, own.get(key, 1.0)), []).append(p)
        for (decays, rate), chosen in groups.items():
            yield {
                "params": chosen,
                "decays": decays,
                "constant_lr": name in constant,
                "part": name,
                "rate": rate,
                "tuned": tuning is not None,
            }
