"""All protocols by name; a setting never changes under its name."""

from dataclasses import replace

from ilk.corruptions import COMMON, EXTRA, SEVERITIES
from ilk.evaluate.protocols.attentive import Attentive
from ilk.evaluate.protocols.classify import OwnClassifier
from ilk.evaluate.protocols.clusters import Clusters, FreeClusters
from ilk.evaluate.protocols.discovery import Discovery
from ilk.evaluate.protocols.few_label import FewLabels
from ilk.evaluate.protocols.few_label_tuned import TunedFewLabels
from ilk.evaluate.protocols.finetune import FineTune
from ilk.evaluate.protocols.knn import NearestNeighbours
from ilk.evaluate.protocols.linear import LogisticRegression
from ilk.evaluate.protocols.linear_aug import AugmentedLinear
from ilk.evaluate.protocols.protocol import Need, Protocol
from ilk.evaluate.protocols.quality import Quality
from ilk.evaluate.protocols.retrieval import Retrieval
from ilk.evaluate.protocols.robustness import Robustness
from ilk.evaluate.protocols.segmentation import PatchNeighbours, SegmentLinear
from ilk.evaluate.protocols.views_quality import ViewsQuality

IMAGES: frozenset[Need] = frozenset({"train", "labels", "images"})
WEIGHTS: frozenset[Need] = frozenset({*IMAGES, "weights"})
MASKED: frozenset[Need] = frozenset({"train", "images", "places", "masks"})
PATCHES = 20_000  # of train, at most: 60 MB at 768 features
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
            name="classify@1",
            procedure=OwnClassifier(),
            needs=frozenset({*IMAGES, "classifier"}),
        ),
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
            name="few-label@1",
            procedure=FewLabels(
                per_class=(1, 2, 5, 10), shares=(0.01, 0.1), resamples=10, neighbours=20,
                temperature=0.07, alpha=0.99, tolerance=1e-4, spread_tolerance=1e-6,
                most_steps=200,
            ),
        ),
        Protocol(
            name="cluster@1",
            procedure=Clusters(starts=10, most_steps=300),
            needs=frozenset({"labels"}),
        ),
        Protocol(
            name="cluster-free@1",
            procedure=FreeClusters(
                candidates=(
                    2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 25, 30, 35, 40, 50, 60, 70,
                    80, 100, 120, 150, 200, 300, 400,
                ),
                most_items=5000, starts=10, most_steps=300,
            ),
            needs=frozenset({"labels"}),
        ),
        Protocol(
            name="discover@1",
            procedure=Discovery(
                known=0.5, labelled=0.5, starts=10, most_steps=200, tolerance=1e-4
            ),
        ),
        Protocol(
            name="views-quality@1",
            procedure=ViewsQuality(
                images=1000, views=10, least_area=0.2, neighbours=10, delta=1e-4
            ),
            needs=frozenset({"images"}),
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
        Protocol(
            name="attentive@1",
            procedure=Attentive(
                lrs=(3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1), weight_decay=0.05, epochs=10,
                batch_size=256, min_scale=0.08, held_out=0.2,
            ),
            needs=frozenset({*IMAGES, "places"}),
        ),
        Protocol(
            name="patch-knn@1",
            procedure=PatchNeighbours(patches=PATCHES, neighbours=20, temperature=0.07),
            needs=MASKED,
        ),
        Protocol(
            name="segment-linear@1",
            procedure=SegmentLinear(
                patches=PATCHES, strengths=(1, 0.1, 0.01, 1e-3, 1e-4, 1e-5), tolerance=1e-4,
                most_steps=300, held_out=0.2,
            ),
            needs=MASKED,
        ),
        Protocol(name="linear-aug@1", procedure=SWEEP, needs=IMAGES),
        Protocol(name="linear-aug-4@1", procedure=replace(SWEEP, blocks=4), needs=IMAGES),
        Protocol(name="linear-aug-mini@1", procedure=replace(SWEEP, epochs=10), needs=IMAGES),
        Protocol(name="finetune@1", procedure=TUNE, needs=WEIGHTS),
        Protocol(name="finetune-mini@1", procedure=replace(TUNE, epochs=30), needs=WEIGHTS),
        Protocol(name="finetune-10@1", procedure=replace(TUNE, share=0.1), needs=WEIGHTS),
        Protocol(name="finetune-1@1", procedure=replace(TUNE, share=0.01), needs=WEIGHTS),
        Protocol(
            name="few-label-finetune@1",
            procedure=TunedFewLabels(
                per_class=(1, 2, 5, 10), shares=(0.01, 0.1), resamples=10, steps=300,
                recipe=TUNE,
            ),
            needs=WEIGHTS,
        ),
    )
}  # fmt: skip
