"""Steps from lightly's modules, put together as its pages on BYOL, MoCo and DINO show.

The network is ours, with weights of its own; precision and compilation are those of the run
that it is measured beside. Views are floats on the host, as torch's loader collates them, in
pinned memory.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ilk.networks import backbone
from ilk.train.loop.loader import Batch
from ilk.train.setup import Setup
from ilk.views import normalise

Work = Callable[[], object]


class Engine:
    """What both methods share.

    Args:
        setup: the run that stands beside it.
        batch: its views.
        compiled: whether the backbones are compiled.
    """

    def __init__(self, setup: Setup, batch: Batch, compiled: bool) -> None:
        settings, self.device = setup.settings, setup.fabric.device
        self.half = setup.precision == "bf16-mixed"
        options: Mapping[str, Any] = settings.backbone_options
        made = backbone(settings.backbone or "", image_size=setup.image_size, options=options)
        self.encoder = made.to(self.device)
        self.width = int(made.num_features)
        self.slow = frozen(self.encoder)
        if compiled:
            self.encoder.compile()
            self.slow.compile()
        names = [view.name for view in setup.method.views]
        floats = (
            normalise(batch.views[name], *setup.statistics).contiguous() for name in names
        )
        pinned = self.device.type == "cuda"
        self.views = [view.pin_memory() if pinned else view for view in floats]

    def sent(self) -> list[Tensor]:
        """The views on the device."""
        return [view.to(self.device, non_blocking=True) for view in self.views]

    def autocast(self) -> torch.autocast:
        """The precision of the run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)


def frozen(network: nn.Module) -> nn.Module:
    """A copy that does not learn."""
    from lightly.models.utils import deactivate_requires_grad

    slow = copy.deepcopy(network)
    deactivate_requires_grad(slow)
    return slow


def moco(setup: Setup, batch: Batch, compiled: bool) -> Work:
    """MoCo v3: a predictor as in BYOL, keys of the batch as in MoCo with an empty memory."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import BYOLPredictionHead, MoCoProjectionHead
    from lightly.models.utils import update_momentum

    made = Engine(setup, batch, compiled)
    hidden, dim = sizes(setup, "hidden", 4096), sizes(setup, "dim", 256)
    head = MoCoProjectionHead(made.width, hidden, dim, num_layers=3, batch_norm=True)
    head, predict = head.to(made.device), BYOLPredictionHead(dim, hidden, dim).to(made.device)
    slow_head = frozen(head)
    learning = [*made.encoder.parameters(), *head.parameters(), *predict.parameters()]
    optimiser, criterion = torch.optim.AdamW(learning, lr=1e-4), NTXentLoss(temperature=0.2)

    def work() -> None:
        update_momentum(made.encoder, made.slow, m=0.99)
        update_momentum(head, slow_head, m=0.99)
        views = made.sent()
        with made.autocast():
            asks = [predict(head(made.encoder(view).flatten(start_dim=1))) for view in views]
            with torch.no_grad():
                keys = [slow_head(made.slow(view).flatten(start_dim=1)) for view in views]
            loss = 0.5 * (criterion(asks[0], keys[1]) + criterion(asks[1], keys[0]))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return work


def dino(setup: Setup, batch: Batch, compiled: bool) -> Work:
    """DINO: two large crops by the teacher, all by the student."""
    from lightly.loss import DINOLoss
    from lightly.models.modules import DINOProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    made = Engine(setup, batch, compiled)
    hidden, narrow, classes = (
        sizes(setup, *each) for each in (("hidden", 2048), ("dim", 256), ("prototypes", 65_536))
    )
    widths = (made.width, hidden, narrow, classes)
    head = DINOProjectionHead(*widths, freeze_last_layer=1).to(made.device)
    slow_head = DINOProjectionHead(*widths).to(made.device)
    deactivate_requires_grad(slow_head)
    criterion = DINOLoss(output_dim=classes, warmup_teacher_temp_epochs=5).to(made.device)
    learning = [*made.encoder.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(learning, lr=1e-4)

    def work() -> None:
        update_momentum(made.encoder, made.slow, m=0.99)
        update_momentum(head, slow_head, m=0.99)
        views = made.sent()
        with made.autocast():
            with torch.no_grad():
                taught = [slow_head(made.slow(v).flatten(start_dim=1)) for v in views[:2]]
            said = [head(made.encoder(view).flatten(start_dim=1)) for view in views]
            loss = criterion(taught, said, epoch=0)
        loss.backward()
        head.cancel_last_layer_gradients(current_epoch=0)
        optimiser.step()
        optimiser.zero_grad()

    return work


def sizes(setup: Setup, name: str, usual: int) -> int:
    """A width of the run's heads."""
    return int(setup.settings.method_options.get(name, usual))


PEERS: Mapping[str, Callable[[Setup, Batch, bool], Work]] = {"moco-v3": moco, "dino": dino}
