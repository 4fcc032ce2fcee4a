"""All protocols by name; a setting never changes under its name."""

from dataclasses import replace

from ilk.corruptions import COMMON, EXTRA, SEVERITIES
from ilk.evaluate.finetune import FineTune
from ilk.evaluate.knn import NearestNeighbours
from ilk.evaluate.linear import LogisticRegression
from ilk.evaluate.linear_aug import AugmentedLinear
from ilk.evaluate.protocol import Need, Protocol
from ilk.evaluate.quality import Quality
from ilk.evaluate.retrieval import Retrieval
from ilk.evaluate.robustness import Robustness

IMAGES: frozenset[Need] = frozenset({"train", "labels", "images"})
PROBE = LogisticRegression(
    strengths=(10, 3, 1, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5),
    tolerance=1e-4,
    most_steps=500,
    held_out=0.2,
)
SWEEP = AugmentedLinear(
    lrs=(1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
    momentum=0.9,
    epochs=100,
    batch_size=256,
    min_scale=0.08,
    blocks=1,
    held_out=0.2,
)
TUNE = FineTune(
    share=1.0,
    epochs=100,
    batch_size=512,
    lr=5e-4,
    end_lr=1e-5,
    warmup_epochs=5,
    weight_decay=0.05,
    layer_decay=0.75,
    drop_path=0.1,
    mixup=0.8,
    cutmix=1.0,
    smoothing=0.1,
    erasing=0.25,
)

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="knn@1",
            procedure=NearestNeighbours(neighbours=(20, 200), temperature=0.07, held_out=0.2),
        ),
        Protocol(name="linear@1", procedure=PROBE),
        Protocol(
            name="retrieval@1",
            procedure=Retrieval(precision_at=(10, 100), recall_at=(1, 5, 10)),
            needs=frozenset({"labels"}),
            takes_gallery=True,
        ),
        Protocol(
            name="quality@1",
            procedure=Quality(most_items=10_000, first=3, last=100),
            needs=frozenset(),
        ),
        Protocol(
            name="robustness@1",
            procedure=Robustness(
                probe=PROBE, corruptions=COMMON + EXTRA, severities=SEVERITIES
            ),
            needs=IMAGES,
        ),
        Protocol(
            name="robustness-mini@1",
            procedure=Robustness(
                probe=PROBE,
                corruptions=("gaussian_noise", "motion_blur", "fog", "jpeg_compression"),
                severities=(1, 3, 5),
            ),
            needs=IMAGES,
        ),
        Protocol(name="linear-aug@1", procedure=SWEEP, needs=IMAGES),
        Protocol(name="linear-aug-4@1", procedure=replace(SWEEP, blocks=4), needs=IMAGES),
        Protocol(name="linear-aug-mini@1", procedure=replace(SWEEP, epochs=10), needs=IMAGES),
        Protocol(name="finetune@1", procedure=TUNE, needs=IMAGES),
        Protocol(name="finetune-10@1", procedure=replace(TUNE, share=0.1), needs=IMAGES),
        Protocol(name="finetune-1@1", procedure=replace(TUNE, share=0.01), needs=IMAGES),
    )
}
