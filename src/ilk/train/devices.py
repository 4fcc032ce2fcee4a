"""Devices, precision and distribution: what Lightning Fabric is given."""

import inspect
from dataclasses import replace
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.strategies import DDPStrategy, ModelParallelStrategy
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from ilk.core import UserError
from ilk.train.loop.passes import Runner
from ilk.train.processes.ranks import from_first, launched_processes
from ilk.train.processes.sharding import shard
from ilk.train.settings import Settings

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def launch_fabric(settings: Settings) -> tuple[Fabric, Precision]:
    """A launched Fabric and the precision it uses.

    One process drives one device. Several processes come from ``torchrun`` or Slurm, whose
    environment is read; they share the work by DDP, or by FSDP when asked.

    Raises:
        UserError: the device is not there.
    """
    device = device_of(settings)
    precision: Precision = from_first(lambda: _precision(settings, device))
    world, local = launched_processes()
    if settings.strategy == "fsdp" and world > 1:
        strategy = fully_sharded(world)
        if precision == "16-mixed":
            raise UserError(
                "strategy fsdp: needs precision bf16-mixed or 32-true, got 16-mixed"
            )
    else:
        # While heads learn alone, the backbone takes no part in the backward pass.
        resting = settings.tune is not None
        strategy = data_parallel(unused=resting) if world > 1 else "auto"
    half = precision == "bf16-mixed"  # asked for by its name, Fabric announces it
    fabric = Fabric(
        accelerator=device,
        devices=local,
        num_nodes=max(world // local, 1),
        strategy=strategy,
        precision=None if half else precision,
        plugins=[MixedPrecision("bf16-mixed", device)] if half else None,
    )
    fabric.launch()
    return fabric, precision


def data_parallel(*, unused: bool = False) -> DDPStrategy:
    """DDP that leaves buffers alone: synchronised normalisation has them equal on all ranks.

    Args:
        unused: whether there are steps in which a parameter gets no gradient.
    """
    known = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {name: False, "find_unused_parameters": unused}
    return DDPStrategy(**options)


def fully_sharded(world: int) -> ModelParallelStrategy:
    """FSDP over all processes: each holds its share of student, teacher and optimiser."""

    def cut(runner: Runner, mesh: DeviceMesh) -> Runner:
        shard(runner.network, mesh["data_parallel"])
        fully_shard(runner, mesh=mesh["data_parallel"])
        return runner

    return ModelParallelStrategy(cut, data_parallel_size=world, tensor_parallel_size=1)


def device_of(settings: Settings) -> str:
    """Where to compute: cpu, cuda or mps.

    Raises:
        UserError: the device is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if settings.device == "auto":
        return next(name for name, present in there.items() if present)
    if not there[settings.device]:
        raise UserError(f"device: {settings.device} must be there, torch sees none; use cpu")
    return settings.device


def _precision(settings: Settings, device: str) -> Precision:
    if settings.precision == "16-mixed" and device == "cpu":  # Fabric would take bfloat16
        raise UserError(
            "precision: 16-mixed needs a GPU, got a processor; use bf16-mixed or 32-true"
        )
    if settings.precision != "auto":
        return settings.precision
    fast = device == "cuda" and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if fast else "32-true"


def has_bfloat16() -> bool:
    """Whether this processor multiplies in bfloat16; others take many times as long so."""
    if not hasattr(torch.cpu, "get_capabilities"):  # of torch before its release 2.10
        return False
    there = torch.cpu.get_capabilities()
    return bool(there.get("avx512_bf16") or there.get("amx_bf16"))


def as_before(settings: Settings, precision: object) -> Settings:
    """Settings with the precision that a run began with, unless it is none for this machine.

    A processor has no float16, and some are slow in bfloat16.

    Args:
        settings: of the run.
        precision: what its record says.
    """
    if settings.precision == "16-mixed" and device_of(settings) == "cpu":
        return replace(settings, precision="auto")
    if settings.precision != "auto" or precision not in ("32-true", "bf16-mixed"):
        return settings
    slow = device_of(settings) != "cuda" and not has_bfloat16()
    if precision == "bf16-mixed" and slow:
        return settings
    return replace(settings, precision=precision)
