"""The protocol of few labels: its splits are a function of keys and classes, and frozen."""

import numpy as np
import pytest

from ilk.core import UserError
from ilk.data import Arrays, Subset, labels, monitor_labels, pooled
from ilk.study import SEMI, labelled_alone

CLASSES = ("cat", "dog", "owl")
# Of 60 images with keys 0 to 59, classes in turn.
HASHES = {
    (4, 0): "405ea979687ef3cec29589634aa840c6b27bac8afaa4ed2372e16247ce903c8c",
    (4, 1): "ad2690f4deb90f05731262eb1bfab826e0f68f926276c82e97d3873632012e71",
    (8, 0): "05e2eff7b5c6cae4044c1840ee48c49f426c7c2548059d10b7eb24c5d9bd6225",
}


def photos(count: int = 60) -> Arrays:
    images = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    return Arrays(images, np.arange(count) % 3, name="photos", classes=CLASSES)


def keys(source, indices) -> set[str]:
    return {source.key(int(index)) for index in indices}


def test_the_protocol_is_frozen():
    assert SEMI.name == "semi@1"
    assert SEMI.hash == "3cb47c91d75d6c41aadc8ab61db50bb94c4498ad58f13dd6645ac79f9b4b9848"


@pytest.mark.parametrize(("per_class", "number"), HASHES)
def test_splits_are_those_that_were_published(per_class, number):
    split = SEMI.split(photos(), per_class, number)
    assert split.hash == HASHES[per_class, number]
    for part in (split.labelled, split.validation):
        assert np.bincount(labels(photos())[part]).tolist() == [per_class] * 3


def test_a_split_is_that_of_the_formula():
    import hashlib

    source = photos()

    def chance(index: int) -> str:
        return hashlib.sha256(f"semi@1/2/{source.key(index)}".encode()).hexdigest()

    cats = sorted(range(0, 60, 3), key=chance)
    split = SEMI.split(source, 4, 2)
    known = labels(source)
    assert split.labelled[known[split.labelled] == 0].tolist() == sorted(cats[:4])
    assert split.validation[known[split.validation] == 0].tolist() == sorted(cats[4:8])


def test_the_order_of_the_images_does_not_matter_and_what_else_there_is_neither():
    source = photos()
    turned = Subset(source, np.random.default_rng(0).permutation(60))
    one, other = (SEMI.split(s, 4, 0) for s in (source, turned))
    assert one.hash == other.hash
    assert keys(source, one.labelled) == keys(turned, other.labelled)
    assert keys(source, one.validation) == keys(turned, other.validation)
    fewer = Subset(source, np.union1d(one.labelled, one.validation))
    assert SEMI.split(fewer, 4, 0).hash == one.hash


def test_more_labels_contain_fewer_and_validation_is_apart_and_no_larger():
    source = photos()
    four, eight = (SEMI.split(source, count, 0) for count in (4, 8))
    assert set(four.labelled) < set(eight.labelled)
    for split in (four, eight):
        assert not set(split.labelled) & set(split.validation)
        assert len(split.validation) <= len(split.labelled)
    large = photos(3 * 220)
    assert len(SEMI.split(large, 110, 0).validation) == 3 * SEMI.most_validation


def test_images_of_no_known_class_are_never_drawn():
    unknown = np.where(np.arange(60) < 9, -1, np.arange(60) % 3)
    source = Arrays(np.zeros((60, 2, 2, 3), np.uint8), unknown, name="photos", classes=CLASSES)
    split = SEMI.split(source, 4, 0)
    assert min(*split.labelled, *split.validation) >= 9


def test_too_few_images_and_keys_that_repeat_are_refused():
    with pytest.raises(UserError, match="'cat' has 20"):
        SEMI.split(photos(), 11, 0)
    with pytest.raises(UserError, match="61 images and 60 keys"):
        SEMI.split(Subset(photos(), np.append(np.arange(60), 0)), 4, 0)


def test_all_other_labels_are_hidden_but_from_monitors():
    source = photos()
    known = SEMI.split(source, 4, 0).labelled
    few = labelled_alone(source, known)
    there = np.zeros(60, bool)
    there[known] = True
    assert few.classes == CLASSES
    assert np.array_equal(labels(few), np.where(there, np.arange(60) % 3, -1))
    assert np.array_equal(monitor_labels(few), np.arange(60) % 3)
    assert len(pooled(few)) == 60 + len(known)


def test_some_classes_alone_may_have_labels():
    source = photos()
    known = SEMI.split(source, 4, 0).labelled
    two = known[labels(source)[known] > 0]
    few = labelled_alone(source, two, CLASSES[1:])
    assert few.classes == ("dog", "owl")
    assert set(labels(few)) == {-1, 0, 1}
    with pytest.raises(UserError, match="must be of the classes dog, owl"):
        labelled_alone(source, known, CLASSES[1:])
