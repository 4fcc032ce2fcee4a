"""Classes that a network gave to items before."""

import numpy as np
import pytest
import torch

from ilk.core.facts import Fact
from ilk.memory import GivenClasses
from ilk.networks import Teacher, classifier
from ilk.networks.network import Head, Network
from tests.laws.world import Trunk

VALUES = np.array([2, -1, 0, 1], np.int32)
ITEMS = torch.tensor([3, 0, 1, -1, 3])


def test_the_most_probable_class_is_all_where_there_are_no_shares():
    memory = GivenClasses(3, 4, fact="f")
    memory.read(Fact(tuple("abc"), VALUES))
    found, known = memory.predicted(ITEMS)
    assert known.tolist() == [True, True, False, False, True]
    assert found.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_shares_are_given_as_probabilities():
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 4).astype(np.float16)
    memory = GivenClasses(3, 4, fact="f")
    memory.read(Fact(tuple("abc"), VALUES, "", shares))
    found, known = memory.predicted(ITEMS)
    for row, item, here in zip(found, ITEMS.tolist(), known.tolist(), strict=True):
        wanted = shares[item].astype(np.float64) * here
        assert row.tolist() == pytest.approx(wanted / max(wanted.sum(), 1e-9), abs=1e-6)
    assert found.dtype == torch.float32


def test_nothing_of_it_is_in_a_checkpoint_and_nothing_is_known_before_it_is_read():
    memory = GivenClasses(3, 4, fact="f")
    assert not memory.state_dict()
    found, known = memory.predicted(ITEMS)
    assert not known.any()
    assert not found.any()


def test_a_student_does_not_see_some_features_and_its_teacher_sees_all():
    head = classifier(Trunk.num_features, 5, dropout=0.5)
    student = Network(Trunk(), {"classifier": Head(head)})
    teacher = Teacher(student)
    assert set(head.state_dict()) == {"weight", "bias"}
    rows = torch.randn(4, Trunk.num_features)
    assert not torch.equal(head(rows), head(rows))
    calm = teacher.network.heads["classifier"].module
    assert torch.equal(calm(rows), calm(rows))
    plain = rows @ head.weight.T + head.bias
    torch.testing.assert_close(head.eval()(rows), plain)
    assert torch.equal(calm(rows), head(rows))
