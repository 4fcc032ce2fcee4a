"""One training step of any method, and the whole state between two steps."""

import math
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int
from lightning_fabric import Fabric
from lightning_fabric.strategies import ModelParallelStrategy
from lightning_fabric.wrappers import _FabricOptimizer
from torch import Tensor, nn
from torch._functorch import config as functorch

from ilk.core import UNKNOWN, Progress, Rows, seeding, value
from ilk.method import EMA, Method, asks_for_places, passes, shown_views
from ilk.networks import Network, Teacher, fastest_layout, merged
from ilk.train.loop.head_start import HeadStart
from ilk.train.loop.loader import Batch
from ilk.train.loop.memories import refresh, remember, to_remember
from ilk.train.loop.optimiser import Pace, build_optimiser, clip_gradients, frozen_now, peak_lr
from ilk.train.loop.passes import reseed, runner_of
from ilk.train.loop.profile import Clock, no_clock
from ilk.train.loop.pseudo_labels import unlabelled_norm
from ilk.train.loop.renewal import renew
from ilk.train.loop.step import Step
from ilk.train.loop.step_result import NonFiniteLoss, StepResult
from ilk.train.loop.teachers import as_trained, start_of, teacher_of
from ilk.train.loop.view_maker import ViewMaker
from ilk.train.processes.sharding import Uncut, cut_like, shard, whole
from ilk.views import ViewRows

Labels = Int[Tensor, " M"] | None  # of all items


class Trainer:
    """Interprets a method: passes, terms, backward, teacher, memory, in the paper's order.

    Args:
        method: what to do.
        student: its network, with the method's heads.
        fabric: devices, precision and distribution.
        batch_size: over all devices and micro-batches.
        lr: peak learning rate; None takes the method's, scaled to the batch.
        statistics: mean and standard deviation of each channel, for pixels in [0, 1].
        seed: of the run.
        compiled: whether the backbones are compiled.
    """

    def __init__(
        self,
        method: Method,
        student: Network,
        *,
        fabric: Fabric,
        batch_size: int,
        lr: float | None,
        statistics: tuple[Sequence[float], Sequence[float]],
        seed: int,
        compiled: bool = False,
    ) -> None:
        self.method = method
        self.fabric = fabric
        self.seed, self.step = seed, 0
        self.clock: Clock = no_clock
        unknown = torch.full((1,), UNKNOWN, device=fabric.device)
        self.facts = dict.fromkeys(method.facts, unknown)
        asked = passes(method)
        sharded = isinstance(fabric.strategy, ModelParallelStrategy)
        # FSDP cuts contiguous parameters only.
        self.layout = torch.contiguous_format if sharded else fastest_layout(student)
        student = student.to(memory_format=self.layout)
        teacher = teacher_of(method, student, statistics, self.layout)
        start = start_of(method, student)
        self.student = student
        self._uncut = Uncut(student.backbone) if sharded else None
        standing = {"teacher": teacher.network if teacher else None, "start": start}
        for network in (student, *standing.values()):
            if compiled and network is not None:
                # Norms of single terms' gradients are taken before the step goes backward.
                functorch.donated_buffer = False
                network.backbone.compile()
        self._student_runner = fabric.setup_module(runner_of(student, asked, method, "student"))
        self.teacher, self._start = teacher, start
        self.settle = HeadStart(student, teacher)
        self._standing_runners = {
            role: runner_of(network, asked, method, role).to(fabric.device)
            for role, network in standing.items()
            if network is not None
        }
        for runner in self._standing_runners.values():
            if isinstance(fabric.strategy, ModelParallelStrategy):
                shard(runner.network, fabric.strategy.device_mesh["data_parallel"])
        self.memory = nn.ModuleDict(dict(method.memory)).to(fabric.device)
        self._view_maker = ViewMaker(
            method=method,
            wanted=shown_views(method),
            device=fabric.device,
            layout=self.layout,
            statistics=statistics,
            seed=seed,
        )
        plan = method.optimisation
        self.optimiser = cast(
            _FabricOptimizer, fabric.setup_optimizers(build_optimiser(plan, student))
        )
        peak = peak_lr(plan, batch_size) if lr is None else lr
        self.pace = Pace(plan, peak)

    def reveal(self, name: str, values: Int[Tensor, " M"]) -> None:
        """Tell a fact of each item of the data set, -1 where unknown; at first all are."""
        self.facts[name] = values.to(self.fabric.device)

    def take_step(
        self, batches: Sequence[Batch], progress: Progress, monitor_labels: Labels = None
    ) -> StepResult:
        """Forward, backward and update on the micro-batches of one step.

        Args:
            batches: of this rank.
            progress: where the run stands.
            monitor_labels: labels to hold what kin rules find against, unseen by the method.

        Raises:
            NonFiniteLoss: before anything has been changed but the teacher.
        """
        self.settle(self.step)
        renew(self.student, self.optimiser.optimizer, progress, self.seed)
        self._reseed()
        refresh(self.memory, progress, self.seed)
        lr = self.pace.apply(self.optimiser.optimizer, progress, self.settle.until)
        self.optimiser.zero_grad(set_to_none=True)
        total: dict[str, Tensor] = {}
        context: Step | None = None
        found: list[list[Rows]] = []
        for number, batch in enumerate(batches):
            last = number == len(batches) - 1
            with self.fabric.no_backward_sync(self._student_runner, enabled=not last):
                context = self._look(
                    batch, progress, first=number == 0, monitor_labels=monitor_labels
                )
                with self.clock("loss"):
                    losses = self._losses(context)
                    loss = torch.stack(list(losses.values())).sum() / len(batches)
                if monitor_labels is not None and self._uncut is None and last:
                    context.numbers |= unlabelled_norm(self.method, losses, self.student)
                with self.clock("backward"):
                    self.fabric.backward(loss)
            found.append(to_remember(self.method, self.memory, context))
            for name, part in losses.items():
                total[name] = total.get(name, 0) + part.detach() / len(batches)
        assert context is not None, "a step needs a batch"
        with self.clock("optimiser"):
            return self._update(total, found, context, progress, lr)

    def _reseed(self) -> None:
        """Make what networks draw in this step a function of seed, step and rank."""
        number = seeding.integer(self.seed, self.step, f"network/{self.fabric.global_rank}")
        reseed(number, self.fabric.device)

    def _look(
        self, batch: Batch, progress: Progress, *, first: bool, monitor_labels: Labels = None
    ) -> Step:
        # Where items may come again in an epoch, they are mixed in another way.
        when = int(progress.epoch) if self.method.sampling is None else self.step
        views, row_facts = self._view_maker(batch, epoch=when, step=self.step, clock=self.clock)
        teacher = self.method.teacher
        masks = {name: f.mask for name, f in row_facts.items() if f.mask is not None}
        scales = {
            name: value(head.reverse, progress)
            for name, head in self.method.heads.items()
            if head.reverse is not None
        }
        with self.fabric.autocast():
            with self.clock("student"):
                outputs = {"student": self._student_runner(views, scales, masks)}
            if isinstance(teacher, EMA) and teacher.update == "before" and first:
                with self.clock("optimiser"):
                    self._move_teacher(progress)
            if self._start is not None:
                as_trained(self._start, self.student)
            for role, runner in self._standing_runners.items():
                with torch.no_grad(), self.clock("teacher"):
                    outputs[role] = runner(views, scales, masks)
        context = Step(
            outputs=outputs,
            views={
                name: ViewRows(views[name], known, self._view_maker.statistics)
                for name, known in row_facts.items()
            },
            student=self.student,
            memory=self.memory,
            progress=progress,
            facts=self.facts,
            seed=self.seed,
            monitor_labels=monitor_labels,
        )
        some = any(view.subset != "all" for view in self.method.views)
        context.uneven = some or asks_for_places(self.method)
        return context

    def _losses(self, context: Step) -> dict[str, Float[Tensor, ""]]:
        losses: dict[str, Tensor] = {}
        for term in self.method.terms:
            weight = term.weight * value(term.schedule, context.progress)
            part = weight * context.loss(term)
            losses[term.name] = losses[term.name] + part if term.name in losses else part
        return losses

    def _update(
        self, total: dict[str, Tensor], found: Sequence[Sequence[Rows]], context: Step,
        progress: Progress, lr: float,
    ) -> StepResult:  # fmt: skip
        scaled = self._unscale()
        for module in frozen_now(self.student.heads, progress):
            for parameter in module.parameters():
                parameter.grad = None
        clip = self.method.optimisation.clip
        groups = self.optimiser.optimizer.param_groups
        norm = whole(clip_gradients([p for group in groups for p in group["params"]], clip))
        local = torch.stack(list(total.values())).sum()
        loss = cast(Tensor, self.fabric.all_reduce(local, reduce_op="mean"))
        # The one point where the host waits for the device: nothing may move on a broken loss.
        loss_now, norm_now, *terms = torch.stack(
            [loss, norm.to(loss), *total.values()]
        ).tolist()
        terms_now = dict(zip(total, terms, strict=True))
        if not (math.isfinite(loss_now) and (scaled or math.isfinite(norm_now))):
            raise NonFiniteLoss(self.step, terms_now | {"gradient norm": norm_now})
        self.optimiser.step()
        remember(self.method, self.memory, found)
        teacher = self.method.teacher
        if isinstance(teacher, EMA) and teacher.update == "after":
            self._move_teacher(progress)
        self.step += 1
        return StepResult(loss_now, terms_now, norm_now, lr, context)

    def _unscale(self) -> bool:
        """Undo fp16's loss scaling before gradients are looked at; whether there was any."""
        if self.scaler is None:
            return False
        self.scaler.unscale_(self.optimiser.optimizer)
        return True

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        """What scales the loss under fp16; None elsewhere."""
        return getattr(self.fabric.strategy.precision, "scaler", None)

    def _move_teacher(self, progress: Progress) -> None:
        assert isinstance(self.method.teacher, EMA)
        assert isinstance(self.teacher, Teacher)
        self.teacher.update(self.student, value(self.method.teacher.momentum, progress))

    def state(self) -> dict[str, Tensor]:
        """Everything that training changes, by name; all processes must ask at once."""
        return {name: whole(tensor) for name, tensor in self._tensors().items()}

    def shapes(self) -> dict[str, tuple[torch.Size, torch.dtype]]:
        """Shape and type of everything in ``state``, by name."""
        return {name: (t.shape, t.dtype) for name, t in self._tensors().items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` took."""
        for part, module in self._parts().items():
            start = f"{part}."
            now = module.state_dict()
            module.load_state_dict(
                {
                    name.removeprefix(start): cut_like(tensor, now[name.removeprefix(start)])
                    for name, tensor in tensors.items()
                    if name.startswith(start)
                }
            )

    def _tensors(self) -> dict[str, Tensor]:
        return {
            f"{part}.{name}": tensor
            for part, module in self._parts().items()
            for name, tensor in module.state_dict().items()
        }

    def _parts(self) -> dict[str, nn.Module]:
        out: dict[str, nn.Module] = {"student": self.student}
        if self.teacher is not None:
            out["teacher"] = self.teacher.network
        return out | {"memory": self.memory}

    def encoder_network(self) -> nn.Module:
        """The backbone that is kept, whole; all processes must ask at once."""
        kept = self.student.backbone
        if self.method.encoder == "teacher" and self.teacher is not None:
            kept = self.teacher.network.backbone
        return merged(kept if self._uncut is None else self._uncut.of(kept))
