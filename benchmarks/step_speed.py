"""Training steps beside the passes they need, one another, and lightly's modules.

Everything takes turns on one thread, and a ratio is the median over rounds of two times
measured next to each other. Times are processor seconds of this process, which other work on
the machine disturbs least; on an idle machine they are those of the clock.
"""

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from benchmarks.mini import DINO, MOCO_V3
from ilk.core import Progress
from ilk.networks import backbone
from ilk.train import Settings
from ilk.train.assemble import assemble
from ilk.train.loop.loader import Batch
from ilk.train.loop.trainer import Trainer
from ilk.views import Mixing, mix, moments, normalise
from ilk.views.mixing import Strategy

BATCH, SIZE = 128, 32
STRATEGIES = Mixing().strategies
MOCO = MOCO_V3["method_options"] | {"optimiser": "adamw", "base_lr": 1.5e-4}
Work = Callable[[], object]


def rows(runs: int) -> list[dict[str, Any]]:
    """The rows of the table that are about steps."""
    moco, sdmp = trainer("moco-v3", MOCO), trainer("moco-v3", MOCO, mix="sdmp")
    dino = trainer("dino", DINO["method_options"])
    images = float_views(moco)[0]
    mixes = {name: mixing(images, name) for name in STRATEGIES}
    works = {
        "bare": bare(moco),
        "encoder": encoder_step(moco),
        "moco-v3": step(moco),
        "sdmp": step(sdmp),
        "dino": step(dino),
        **mixes,
    }
    absent = "" if find_spec("lightly") else "lightly is not installed; make bench-peers"
    if not absent:
        works |= {"lightly moco-v3": lightly_moco(moco), "lightly dino": lightly_dino(dino)}
    spent = interleaved(works, runs)
    rounds = zip(*(spent[name] for name in STRATEGIES), strict=True)
    spent["mixing"] = [statistics.mean(each) for each in rounds]
    table = [
        ("MoCo v3 step", "moco-v3", "its bare passes", "bare", 1.05),
        ("SDMP step (replace)", "sdmp", "MoCo v3 step", "moco-v3", 1.15),
        ("mixing both views", "mixing", "encoder step", "encoder", 0.01),
        *((f"of these, {name}", name, "encoder step", "encoder", 0.01) for name in STRATEGIES),
    ]
    out = [
        compared(work, spent[ours], against, spent[theirs], at_most=limit)
        for work, ours, against, theirs, limit in table
    ]
    for work, name in (("MoCo v3 step", "moco-v3"), ("DINO step", "dino")):
        if absent:
            out.append({"work": work, "against": "lightly", "at_least": 1.1, "skipped": absent})
        else:
            theirs = spent[f"lightly {name}"]
            out.append(compared(work, spent[name], "lightly", theirs, at_least=1.1))
    return out


def compared(
    work: str, ours: list[float], against: str, theirs: list[float], **wanted: float
) -> dict[str, Any]:
    """A row: our time over theirs where it has a ceiling, else theirs over ours."""
    upside = "at_least" in wanted
    pairs = zip(theirs, ours, strict=True) if upside else zip(ours, theirs, strict=True)
    return {
        "work": work,
        "against": against,
        "ratio": statistics.median(a / b for a, b in pairs),
        **wanted,
        "seconds": statistics.median(ours),
        "seconds_against": statistics.median(theirs),
    }


def interleaved(works: Mapping[str, Work], runs: int) -> dict[str, list[float]]:
    """Processor seconds of every work in every round; a first round is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for run in range(runs + 1):
        for name, work in works.items():
            began = time.process_time()
            work()
            if run:
                spent[name].append(time.process_time() - began)
    return spent


def trainer(
    method: str,
    options: Mapping[str, Any],
    *,
    items: int = BATCH,
    classes: int = 0,
    **changes: Any,
) -> Trainer:
    """A trainer of the mini backbone for a data set of so many items and classes.

    Args:
        method: its name.
        options: fields of the method.
        items: how many images there are.
        classes: how many classes they have.
        changes: other settings.
    """
    torch.manual_seed(0)
    usual = {"backbone": "resnet_mini", "image_size": SIZE, "batch_size": BATCH}
    settings = Settings(method=method, method_options=options, device="cpu", **usual | changes)
    record, student = assemble(settings, settings.image_size, items, classes)
    fabric = Fabric(accelerator="cpu", devices=1)
    return Trainer(
        record,
        student,
        fabric=fabric,
        batch_size=settings.batch_size,
        lr=None,
        statistics=moments(3),
        seed=0,
    )


def batch_for(made: Trainer, count: int = BATCH) -> Batch:
    """Views of noise, in memory as the loader's are."""
    chance = np.random.default_rng(0)
    views = {
        view.name: torch.from_numpy(
            chance.integers(0, 256, (count, view.size, view.size, 3), dtype=np.uint8)
        ).permute(0, 3, 1, 2)
        for view in made.method.views
    }
    return Batch(np.arange(count), views)


def step(made: Trainer, count: int = BATCH) -> Work:
    """Everything but decoding and rendering."""
    batch = batch_for(made, count)
    return lambda: made.take_step([batch], Progress(made.step, 10_000, 400.0))


def float_views(made: Trainer) -> list[torch.Tensor]:
    """What a network reads."""
    return [normalise(view, *moments(3)) for view in batch_for(made).views.values()]


def bare(made: Trainer) -> Work:
    """The passes of a MoCo v3 step alone: two with gradients, two without."""
    assert made.teacher is not None
    student, teacher = made.student, made.teacher.network
    views = [view.contiguous(memory_format=made.layout) for view in float_views(made)]

    def work() -> None:
        student.zero_grad(set_to_none=True)
        said = [student(view, {"predictor"})["predictor"] for view in views]
        with torch.no_grad():
            for view in views:
                teacher(view, {"projector"})
        torch.stack([rows.sum() for rows in said]).sum().backward()

    return work


def encoder_step(made: Trainer) -> Work:
    """The backbone alone, forward and backward, on both views."""
    views = [view.contiguous(memory_format=made.layout) for view in float_views(made)]
    encoder = copy.deepcopy(made.student.backbone)

    def work() -> None:
        encoder.zero_grad(set_to_none=True)
        torch.stack([encoder(view).sum() for view in views]).sum().backward()

    return work


def mixing(images: torch.Tensor, strategy: Strategy) -> Work:
    """Both views mixed."""
    items, plan = np.arange(len(images)), Mixing(strategies=(strategy,))

    def work() -> None:
        draw = plan.draw(items, epoch=0, step=0, seed=0)
        for view in ("a", "b"):
            mix(images, draw, view=view)

    return work


def lightly_moco(made: Trainer) -> Work:
    """The same step from lightly's modules, as their pages on BYOL and MoCo show."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import BYOLPredictionHead, MoCoProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    hidden, dim = MOCO["hidden"], MOCO["dim"]
    encoder = backbone("resnet_mini", image_size=SIZE)
    head = MoCoProjectionHead(encoder.num_features, hidden, dim, num_layers=2, batch_norm=True)
    predict = BYOLPredictionHead(dim, hidden, dim)
    slow, slow_head = copy.deepcopy(encoder), copy.deepcopy(head)
    for network in (slow, slow_head):
        deactivate_requires_grad(network)
    learning = [*encoder.parameters(), *head.parameters(), *predict.parameters()]
    optimiser, criterion = torch.optim.AdamW(learning, lr=1e-4), NTXentLoss(temperature=0.2)
    views = [view.contiguous() for view in float_views(made)]  # as torch collates them

    def work() -> None:
        update_momentum(encoder, slow, m=0.99)
        update_momentum(head, slow_head, m=0.99)
        asks = [predict(head(encoder(view).flatten(start_dim=1))) for view in views]
        with torch.no_grad():
            keys = [slow_head(slow(view).flatten(start_dim=1)).detach() for view in views]
        loss = 0.5 * (criterion(asks[0], keys[1]) + criterion(asks[1], keys[0]))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return work


def lightly_dino(made: Trainer) -> Work:
    """The same step from lightly's modules, as their page on DINO shows."""
    from lightly.loss import DINOLoss
    from lightly.models.modules import DINOProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    options = DINO["method_options"]
    encoder = backbone("resnet_mini", image_size=SIZE)
    sizes = (encoder.num_features, options["hidden"], options["dim"], options["prototypes"])
    head = DINOProjectionHead(*sizes, freeze_last_layer=1)
    slow, slow_head = copy.deepcopy(encoder), DINOProjectionHead(*sizes)
    for network in (slow, slow_head):
        deactivate_requires_grad(network)
    criterion = DINOLoss(output_dim=options["prototypes"], warmup_teacher_temp_epochs=5)
    optimiser = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=1e-4)
    views = [view.contiguous() for view in float_views(made)]  # as torch collates them

    def work() -> None:
        update_momentum(encoder, slow, m=0.99)
        update_momentum(head, slow_head, m=0.99)
        with torch.no_grad():
            taught = [slow_head(slow(view).flatten(start_dim=1)) for view in views[:2]]
        said = [head(encoder(view).flatten(start_dim=1)) for view in views]
        criterion(taught, said, epoch=0).backward()
        head.cancel_last_layer_gradients(current_epoch=0)
        optimiser.step()
        optimiser.zero_grad()

    return work
