"""Batch norm over all processes. Axes: B rows, C channels."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def sync_batch_norm(module: nn.Module, device: torch.device) -> Any:
    """The same network, same tensors, whose batch norms see the rows of all processes.

    Names in the state stay, and so do the activations that timm's batch norms carry.

    Args:
        module: not wrapped for distribution yet.
        device: that it will live on; torch's own synchronised norm is for accelerators only.
    """
    if device.type != "cpu":
        from timm.layers import convert_sync_batchnorm

        return convert_sync_batchnorm(module)
    return _joined(module)


def _joined(module: nn.Module) -> Any:
    out = module
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        out = _JointBatchNorm(module)
    for name, child in module.named_children():
        out.add_module(name, _joined(child))
    return out


class _JointBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over all processes for processors, with timm's dropout and activation."""

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine)
        self.drop, self.act = nn.Identity(), nn.Identity()  # timm's replace them
        self.track_running_stats = norm.track_running_stats
        self.training = norm.training
        for kind in ("_parameters", "_buffers"):
            for name, tensor in getattr(norm, kind).items():
                setattr(self, name, tensor)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes after the channels will do."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise by the moments of all processes in training, by the running ones else."""
        return self.act(
            self.drop(self._joint(input) if self.training else super().forward(input))
        )

    def _joint(self, rows: Tensor) -> Tensor:
        axes = [0, *range(2, rows.ndim)]
        broadcast = (1, -1, *[1] * (rows.ndim - 2))
        wide = rows.float() if rows.dtype in {torch.float16, torch.bfloat16} else rows
        count = _sum(wide.new_tensor(wide.numel() / wide.shape[1]))
        mean = _sum(wide.sum(axes)) / count
        centred = wide - mean.view(broadcast)
        variance = _sum(centred.square().sum(axes)) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        out = centred * torch.rsqrt(variance + self.eps).view(broadcast)
        if self.affine:
            out = out * self.weight.view(broadcast) + self.bias.view(broadcast)
        return out.to(rows.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        seen = self.num_batches_tracked
        if not self.track_running_stats or seen is None:
            return
        if self.running_mean is None or self.running_var is None:
            return
        seen.add_(1)
        rate = 1 / float(seen) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), rate)
        self.running_var.lerp_(variance.to(self.running_var), rate)


def _sum(local: Tensor) -> Tensor:
    if not (dist.is_available() and dist.is_initialized()):
        return local
    return _AllReduce.apply(local)


class _AllReduce(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of what every process asks of it."""

    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        total = local.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _sum(grads[0])
