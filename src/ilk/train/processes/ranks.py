"""Several processes that act as one.

Whatever decides which way a run goes, such as whether there is a checkpoint, is found out by
rank 0 and sent to all: on a slow network disk, or while another save is in flight, every rank
may see something else. A rank that does not come is named when the wait ends.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Generator, Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from torch import Tensor

from ilk.core import UserError

T = TypeVar("T")
TIMEOUT = "ILK_RANK_TIMEOUT"  # seconds
USUAL_TIMEOUT = 1800.0
GRACE = 5.0  # seconds for the others to say that they wait as well


@contextlib.contextmanager
def processes() -> Generator[None]:
    """Bring all processes of a launcher together, and name those that go missing later.

    Raises:
        UserError: a process did not come, ended, or let the others wait too long.
    """
    try:
        _meet()
        yield
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise _missing(error) from error


def leave() -> None:
    """Take leave of the other processes, as one of the last things that a process does.

    One that simply ends may abort while its threads still talk to the others.
    """
    if several():
        dist.barrier()
        dist.destroy_process_group()


def from_first(work: Callable[[], T]) -> T:
    """What rank 0 finds, on every rank; the others do not look.

    Raises:
        UserError: rank 0 raised it; every rank does.
    """
    if not several():
        return work()
    told: list[Any] = [None, None]
    failed: Exception | None = None
    if dist.get_rank() == 0:
        try:
            told[0] = work()
        except Exception as error:
            failed, told[1] = error, _in_words(error)
    dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
    if failed is not None:
        raise failed
    if told[1] is not None:
        raise UserError(told[1])
    return cast(T, told[0])


def tensors_from_first(
    work: Callable[[], tuple[Mapping[str, Tensor], T]],
) -> tuple[dict[str, Tensor], T]:
    """Tensors on the CPU and facts that rank 0 reads, on every rank.

    Raises:
        UserError: rank 0 raised it; every rank does.
    """
    read: dict[str, Tensor] = {}

    def shapes() -> tuple[dict[str, tuple[torch.Size, torch.dtype]], T]:
        tensors, facts = work()
        read.update(tensors)
        return {name: (t.shape, t.dtype) for name, t in tensors.items()}, facts

    layout, facts = from_first(shapes)
    for name, (shape, dtype) in layout.items():
        tensor = read.setdefault(name, torch.empty(shape, dtype=dtype))
        if several() and tensor.numel():
            dist.broadcast(tensor.view(-1).view(torch.uint8), src=0)
    return read, facts


def together(work: Callable[[], T]) -> T:
    """Work that every rank does for itself; all go on, or none.

    Raises:
        UserError: it failed somewhere; the message names the rank where others got through.
    """
    if not several():
        return work()
    found: T | None = None
    failed: Exception | None = None
    try:
        found = work()
    except Exception as error:
        failed = error
    everywhere: list[str | None] = [None] * dist.get_world_size()
    dist.all_gather_object(everywhere, None if failed is None else _in_words(failed))
    if failed is not None:
        raise failed
    for rank, words in enumerate(everywhere):
        if words is not None:
            raise UserError(f"{_called(rank)}: {words}")
    return cast(T, found)


def check_same(value: str, subject: str, what: str) -> None:
    """Make sure that all ranks found the same.

    Args:
        value: of this rank.
        subject: what the message of an error begins with.
        what: it is that must be the same.

    Raises:
        UserError: a rank found something else than rank 0; every rank raises it.
    """
    if not several():
        return
    everywhere: list[str] = [""] * dist.get_world_size()
    dist.all_gather_object(everywhere, value)
    for rank, other in enumerate(everywhere):
        if other != everywhere[0]:
            raise UserError(
                f"{subject}: all processes must see the same {what}, got {everywhere[0]} on "
                f"{_called(0)} and {other} on {_called(rank)}; give all of them one place, and "
                f"start again once it shows the same everywhere"
            )


def largest(number: int) -> int:
    """The largest number that any rank brings."""
    if not several():
        return number
    brought = torch.tensor(number)
    dist.all_reduce(brought, dist.ReduceOp.MAX)
    return int(brought)


def several() -> bool:
    """Whether there is more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def launched_processes() -> tuple[int, int]:
    """All processes and those of this machine, as torchrun or Slurm tell them."""
    if _by_torchrun():
        return int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") != "interactive":
        world = int(os.environ["SLURM_NTASKS"])
        return world, int(os.environ.get("SLURM_NTASKS_PER_NODE", world))
    return 1, 1


def _by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ or "LOCAL_WORLD_SIZE" in os.environ


def _meet() -> None:
    """Make the group that Fabric uses as well: it must be there before settings are read."""
    if launched_processes()[0] == 1 or dist.is_initialized():
        return
    launcher = TorchElasticEnvironment() if _by_torchrun() else SLURMEnvironment()
    os.environ["MASTER_ADDR"] = launcher.main_address
    os.environ["MASTER_PORT"] = str(launcher.main_port)
    gpus = torch.cuda.is_available() and dist.is_nccl_available()
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if gpus else "gloo",
        rank=launcher.global_rank(),
        world_size=launcher.world_size(),
        timeout=timedelta(seconds=_patience()),
    )
    _store().set(f"ilk/host/{dist.get_rank()}", socket.gethostname())


def _patience() -> float:
    given = os.environ.get(TIMEOUT, str(USUAL_TIMEOUT))
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UserError(f"{TIMEOUT}: must be a number of seconds above zero, got {given!r}")
    return seconds


def _store() -> dist.Store:
    return dist.distributed_c10d._get_default_store()


def _missing(error: RuntimeError) -> UserError:
    """Ranks that did not come: those that wait in vain say so, and the others are missing."""
    reason = str(error).strip().partition("\n")[0]
    if not dist.is_initialized():
        world = launched_processes()[0]
        return UserError(
            f"processes: all {world} must meet within {_patience():.0f} s, got '{reason}'; see "
            f"what the others say, or set {TIMEOUT} to more seconds"
        )
    silent = _silent_ranks()
    names = ", ".join(map(_called, silent)) or "another process"
    return UserError(
        f"processes: all must go on within {_patience():.0f} s of each other, {names} did not "
        f"({reason}); see what it says, then resume the run"
    )


def _silent_ranks() -> list[int]:
    others = set(range(dist.get_world_size())) - {dist.get_rank()}
    try:
        store = _store()
        store.set(f"ilk/waited/{dist.get_rank()}", "")
        until = time.monotonic() + GRACE
        while others and time.monotonic() < until:
            others -= {rank for rank in others if store.check([f"ilk/waited/{rank}"])}
            time.sleep(0.1)
    except RuntimeError:  # the store is gone, and lives with rank 0 where no launcher keeps it
        return [0]
    return sorted(others)


def _called(rank: int) -> str:
    with contextlib.suppress(RuntimeError):
        key = f"ilk/host/{rank}"
        if _store().check([key]):
            return f"rank {rank} on {_store().get(key).decode()}"
    return f"rank {rank}"


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, UserError) else f"failed by {error!r}"
