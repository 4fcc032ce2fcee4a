"""Labels that a network rewrites: worked examples, the lag of an epoch, and repair."""

import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from ilk.core import Composition, Progress, Rows, UserError
from ilk.kin import OwnClass
from ilk.memory import Labels
from ilk.memory.labels import refilled
from ilk.objectives import SoftCrossEntropy
from tests.kin.context import FakeLook, mixed_rows, plain


def said(items, classes, of: int = 4) -> Rows:
    items = torch.tensor(items)
    scores = 5.0 * torch.nn.functional.one_hot(torch.tensor(classes), of)
    return Rows(scores, Composition.plain(items), items)


@pytest.mark.parametrize(("count", "sizes"), [(8, [2, 2, 2, 2]), (10, [2, 2, 3, 3])])
def test_empty_classes_take_half_of_the_largest(count, sizes):
    labels = torch.zeros(count, dtype=torch.long).numpy()
    filled = refilled(labels, 4, seed=3)
    assert torch.bincount(torch.from_numpy(filled), minlength=4).tolist() == sizes
    assert (labels == 0).all()
    assert (refilled(filled, 4, seed=9) == filled).all()


def test_refilling_matches_a_loop_over_sizes():
    torch.manual_seed(0)
    labels = torch.randint(3, (40,)).numpy()
    sizes = [int((labels == c).sum()) for c in range(9)]
    for c in range(9):
        if sizes[c] == 0:
            largest = sizes.index(max(sizes))
            whole = sizes[largest]
            sizes[largest], sizes[c] = whole // 2, whole - whole // 2
    filled = refilled(labels, 9, seed=1)
    assert [int((filled == c).sum()) for c in range(9)] == sizes


def test_more_classes_than_images_are_refused():
    with pytest.raises(UserError, match="no more than the 3 images, got 4"):
        Labels(4, 3)


def test_what_is_said_counts_from_the_next_epoch_on():
    memory = Labels(4, 12)
    memory.refresh({}, Progress(0, 20, 5.0), seed=0)
    before = memory.labels.clone()
    assert torch.bincount(before, minlength=4).min() > 0
    memory.remember(said([0, 1, 2, 0], [2, 2, 3, 1]))
    memory.refresh({}, Progress(1, 20, 5.0), seed=0)
    assert torch.equal(memory.labels, before)
    memory.refresh({}, Progress(5, 20, 5.0), seed=0)
    assert memory.agreement.item() == pytest.approx(
        normalized_mutual_info_score(before, memory.labels), abs=1e-6
    )
    # Of two rows of one item the last one counts; whoever was not seen keeps the label.
    assert memory.labels[:3].tolist() == [1, 2, 3]
    assert torch.equal(memory.labels[3:], before[3:])


def test_nothing_but_labels_has_a_row_for_each_item():
    state = Labels(4, 12).state_dict()
    assert all(not t.is_floating_point() for t in state.values() if t.shape[:1] == (12,))


def test_classes_count_alike_whatever_their_size():
    memory = Labels(3, 8)
    memory.coming.copy_(torch.tensor([0, 0, 0, 0, 0, 1, 1, 2]))
    memory.refresh({}, Progress(0, 20, 5.0), seed=0)
    rows = plain(torch.randn(8, 3).double())
    context = FakeLook(memories={"labels": memory})
    kin = OwnClass(labels="labels")(rows, rows, context)
    assert kin.weights.argmax(1).tolist() == memory.labels.tolist()
    assert kin.importance.sum().item() == pytest.approx(8)
    for c in range(3):
        assert kin.importance[memory.labels == c].sum().item() == pytest.approx(8 / 3)
    drawn = SoftCrossEntropy(temperature=1.0)(rows.vectors, (), kin, context.progress)
    logs = rows.vectors.log_softmax(1)
    by_class = [
        sum(-float(logs[i, c]) for i in range(8) if memory.labels[i] == c)
        / sum(1 for i in range(8) if memory.labels[i] == c)
        for c in range(3)
    ]
    assert drawn.item() == pytest.approx(sum(by_class) / 3, rel=1e-6)


def test_a_mix_is_of_both_classes():
    memory = Labels(2, 2)
    memory.coming.copy_(torch.tensor([0, 1]))
    memory.refresh({}, Progress(0, 20, 5.0), seed=0)
    rows = mixed_rows(torch.randn(2, 2), [0.75, 0.75])
    kin = OwnClass(labels="labels")(rows, rows, FakeLook(memories={"labels": memory}))
    assert kin.weights.tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_the_first_loss_of_a_head_of_zeros_is_that_of_chance():
    memory = Labels(3000, 4000)
    memory.refresh({}, Progress(0, 20, 5.0), seed=0)
    rows = plain(torch.zeros(4000, 3000))
    kin = OwnClass(labels="labels")(rows, rows, FakeLook(memories={"labels": memory}))
    loss = SoftCrossEntropy(temperature=1.0)(rows.vectors, (), kin, Progress(0, 1, 1.0))
    assert loss.item() == pytest.approx(8.006368, abs=1e-5)
