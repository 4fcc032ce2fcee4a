"""Patches and pixels by their features, against readings that take one at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import jaccard_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from ilk.core import UserError
from ilk.data import Arrays, LabelMaps, open_label_maps
from ilk.embedding import Embeddings, embed
from ilk.evaluate import Images, evaluate, oriented_gradients
from ilk.evaluate.protocols.mapped import majority, train_patches
from ilk.evaluate.protocols.protocol import Labelled, Task
from ilk.evaluate.protocols.segmentation import PatchNeighbours, SegmentLinear
from ilk.networks import Encoder, load_encoder
from ilk.rendered import Rendered

SIZE, CELL = 16, 4
GRID = SIZE // CELL
KNN = PatchNeighbours(patches=10_000, neighbours=5, temperature=0.1)
LINEAR = SegmentLinear(
    patches=10_000, strengths=(1.0, 0.01), tolerance=1e-6, most_steps=500, held_out=0.25
)


class Colours(nn.Module):
    """The mean colour of each cell, and of the whole."""

    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward_features(self, images: Tensor) -> Tensor:
        return self.scale * F.avg_pool2d(images, CELL)

    def forward_head(self, shown: Tensor) -> Tensor:
        return shown.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


def colours() -> Encoder:
    return Encoder(
        module=Colours().eval(), name="colours", options={}, image_size=SIZE, channels=3,
        mean=(0.4,) * 3, std=(0.3,) * 3, feature_dim=3, fingerprint="colours",
    )  # fmt: skip


def scenes(count: int, seed: int, ignored: bool = True) -> tuple[Arrays, Arrays]:
    """Coloured stripes with noise, and which stripe each pixel is of; 255 is none."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, SIZE, SIZE), np.uint8)
    for mask in masks:
        first, second = np.sort(rng.integers(2, SIZE - 2, 2))
        mask[:, first:], mask[:, second:] = 3, 7
        if ignored:
            mask[rng.integers(0, SIZE, 2)] = 255
    paint = np.array([[200, 60, 60], [60, 190, 60], [70, 60, 180]])
    images = paint[np.select([masks == 3, masks == 7], [1, 2], 0)]
    images = (images + rng.normal(0, 40, images.shape)).clip(0, 255).astype(np.uint8)
    return Arrays(images), Arrays(masks)


def task_of(n_train: int = 12, n_test: int = 9, batch_size: int = 5, seed: int = 0) -> Task:
    (train, train_masks), (test, test_masks) = scenes(n_train, 1), scenes(n_test, 2)
    images = Images(
        encoder=colours(), train=train, test=test, batch_size=batch_size, device="cpu",
        train_masks=open_label_maps(train_masks, train),
        test_masks=open_label_maps(test_masks, test),
    )  # fmt: skip
    parts = (
        Labelled(vectors=torch.zeros(n, 3), labels=torch.full((n,), -1))
        for n in (n_train, n_test)
    )
    return Task(train=next(parts), test=next(parts), classes=(), seed=seed, images=images)


def cells(source: Arrays, masks: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean colours and commonest value of each cell, one by one, and the image of each."""
    rows, values, items = [], [], []
    for item in range(len(source)):
        for top in range(0, SIZE, CELL):
            for left in range(0, SIZE, CELL):
                part = np.s_[top : top + CELL, left : left + CELL]
                rows.append(source.item(item)[part].reshape(-1, 3).mean(0))
                seen, counts = np.unique(masks.item(item)[part], return_counts=True)
                values.append(seen[counts.argmax()])
                items.append(item)
    return (np.array(rows) / 255 - 0.4) / 0.3, np.array(values), np.array(items)


def pixels(scores: np.ndarray, masks: Arrays) -> tuple[float, np.ndarray]:
    """Mean IoU of scores [cells, classes] that are interpolated to pixels."""
    grid = torch.from_numpy(scores).float().view(len(masks), GRID, GRID, -1)
    large = F.interpolate(grid.permute(0, 3, 1, 2), (SIZE, SIZE), mode="bilinear")
    found = np.array([0, 3, 7])[large.argmax(1).numpy().ravel()]
    true = np.concatenate([masks.item(item).ravel() for item in range(len(masks))])
    each = jaccard_score(true[true < 255], found[true < 255], average=None)
    return each.mean(), each


def test_patches_by_their_neighbours_as_a_slow_reading_would():
    found = KNN.measure(task_of())
    rows, values, _ = cells(*scenes(12, 1))
    rows, values = rows[values < 255], values[values < 255]
    asked, _, _ = cells(*scenes(9, 2))
    scores = np.zeros((len(asked), 3))
    for place, row in enumerate(asked):
        cosines = rows @ row / np.linalg.norm(rows, axis=1) / np.linalg.norm(row)
        nearest = np.argsort(-cosines, kind="stable")[:5]
        for near in nearest:
            scores[place, [0, 3, 7].index(values[near])] += np.exp(cosines[near] / 0.1)
        scores[place] /= scores[place].sum()
    expected, each = pixels(scores, scenes(9, 2)[1])
    assert found.value == pytest.approx(expected, abs=1e-3)
    assert 0.5 < found.value < 0.99
    assert found.interval[0] < found.value < found.interval[1]
    assert found.details["iou by class"] == pytest.approx(
        dict(zip("037", each, strict=True)), abs=2e-3
    )
    assert found.details["patches by class"] == {
        name: int((values == int(name)).sum()) for name in "037"
    }
    assert found.selected == {"k": 5}
    assert "pixels of the value 255 are not counted" in found.details["in words"][0]


def test_pixels_by_a_linear_classifier_as_a_slow_reading_would():
    found = LINEAR.measure(task_of())
    rows, values, _ = cells(*scenes(12, 1))
    rows, values = rows[values < 255], values[values < 255]
    scale = StandardScaler().fit(rows)
    (strength,) = found.selected.values()
    model = LogisticRegression(C=1 / (len(rows) * strength), tol=1e-8, max_iter=5000)
    model.fit(scale.transform(rows), values)
    asked, truth, _ = cells(*scenes(9, 2))
    scores = model.decision_function(scale.transform(asked))
    expected, _ = pixels(scores, scenes(9, 2)[1])
    assert found.value == pytest.approx(expected, abs=2e-3)
    named = model.predict(scale.transform(asked))
    right = (named == truth)[truth < 255].mean()
    assert found.details["patch_accuracy"] == pytest.approx(right, abs=0.01)
    assert found.selected_on.startswith("3 held-out train images, mean IoU of patches ")


def test_nothing_is_chosen_on_test_and_batches_do_not_matter():
    task = task_of()
    other, masks = scenes(9, 5)
    images = replace(task.images, test=other, test_masks=open_label_maps(masks, other))
    first, second = (LINEAR.measure(replace(task, images=i)) for i in (task.images, images))
    assert (first.selected, first.selected_on) == (second.selected, second.selected_on)
    assert first.value != second.value
    assert LINEAR.measure(task_of(batch_size=2)).value == pytest.approx(first.value, abs=1e-6)


def test_few_patches_are_drawn_by_seed_from_all_images():
    task = task_of()
    some = train_patches(task, 36)
    assert np.bincount(some.items).tolist() == [3] * 12
    assert torch.equal(some.vectors, train_patches(replace(task), 36).vectors)
    assert not torch.equal(some.vectors, train_patches(replace(task, seed=1), 36).vectors)
    few = train_patches(task, 5)
    assert len(few.values) == len(np.unique(few.items)) == 5
    rows, values, items = cells(*scenes(12, 1))
    for vector, value, item in zip(some.vectors, some.values, some.items, strict=True):
        distance = np.abs(rows - vector.numpy()).max(1)
        place = distance.argmin()
        assert distance[place] < 1e-5
        assert (values[place], items[place]) == (value, item)


def test_the_majority_of_cells_that_do_not_divide_the_view():
    masks = np.random.default_rng(0).integers(0, 3, (2, 10, 10), dtype=np.uint8)
    found = majority(masks, (3, 4))
    for image in range(2):
        for row in range(3):
            for column in range(4):
                inside = [
                    masks[image, y, x] for y in range(10) for x in range(10)
                    if (y + 0.5) // (10 / 3) == row and (x + 0.5) // 2.5 == column
                ]  # fmt: skip
                assert found[image, row, column] == np.bincount(inside).argmax()


def rendered_parts(encoder: Encoder) -> tuple[list[Embeddings], Images]:
    sources = Rendered(20, size=32), Rendered(10, size=32, split="test")
    train, test = (open_label_maps(None, source) for source in sources)
    parts = [embed(encoder, source, device="cpu", workers=1) for source in sources]
    images = Images(
        encoder=encoder, train=sources[0], test=sources[1], device="cpu",
        train_masks=train, test_masks=test,
    )  # fmt: skip
    return parts, images


def test_rendered_images_have_a_foreground():
    encoder = load_encoder("random:vit_mini", image_size=32)
    parts, images = rendered_parts(encoder)
    knn, linear = evaluate(*parts, ["patch-knn", "segment-linear"], images=images)
    for found in (knn, linear):
        assert set(found.details["iou by class"]) == {"background", "foreground"}
        assert 0.2 < found.value < 1
        assert found.masks_data
        assert found.scores is None
    assert type(knn).of_dict(knn.to_dict(), None, "here").identity == knn.identity
    (again,) = evaluate(*parts, ["patch-knn"], images=replace(
        images, test_masks=images.test_masks.take(np.arange(10))))  # fmt: skip
    assert again.identity == knn.identity


def test_what_cannot_be_measured_is_refused_with_the_reason():
    parts, images = rendered_parts(oriented_gradients())
    with pytest.raises(UserError, match="patch-knn@1 needs .* place by place, got hog"):
        evaluate(*parts, ["patch-knn"], images=images)
    parts, images = rendered_parts(colours())
    with pytest.raises(UserError, match="test_masks: must be given for segment-linear@1"):
        evaluate(*parts, ["segment-linear"], images=replace(images, test_masks=None))
    task = task_of()
    flat = Arrays(np.full((12, SIZE, SIZE), 3, np.uint8))
    with pytest.raises(UserError, match="two classes or more, got the value 3 only"):
        KNN.measure(_with_masks(task, open_label_maps(flat, task.images.train)))
    assert task.images is not None
    alone = replace(task.images, test_masks=open_label_maps(flat, task.images.test))
    for protocol in (KNN, LINEAR):
        with pytest.raises(
            UserError, match="masks of test must show two classes .* got 3 only"
        ):
            protocol.measure(replace(task, images=alone))
    _, two = scenes(12, 1)
    fewer = Arrays(np.where(two._images == 7, 3, two._images))
    with pytest.raises(UserError, match="must be in those of train, 7 not; .* soft edges"):
        KNN.measure(_with_masks(task, open_label_maps(fewer, task.images.train)))
    small = Arrays(np.zeros((12, SIZE, 9), np.uint8))
    with pytest.raises(UserError, match=r"0 must be readable with its mask, got 'mask: must"):
        KNN.measure(_with_masks(task, open_label_maps(small, task.images.train)))


def _with_masks(task: Task, masks: LabelMaps | None) -> Task:
    assert task.images is not None
    return replace(task, images=replace(task.images, train_masks=masks))
