import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ilk.networks import Head, Network, Teacher, backbone, mlp

SMALL_VIT = {"patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 2}


def moved(student, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))


def test_starts_as_a_copy_without_predictor(network):
    teacher = Teacher(network).network
    assert list(teacher.parts()) == ["backbone", "projector", "prototypes"]
    theirs = network.state_dict()
    for name, tensor in teacher.state_dict().items():
        assert torch.equal(tensor, theirs[name])
        assert tensor.data_ptr() != theirs[name].data_ptr()
    assert teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())


@settings(max_examples=20, deadline=None)
@given(momenta=st.lists(st.floats(0, 1), min_size=1, max_size=4), seed=st.integers(0, 999))
def test_equals_a_slow_average(momenta, seed):
    torch.manual_seed(seed)
    student = Network(
        torch.nn.Linear(3, 4),
        {"a": Head(mlp(4, 5, 2, layers=2)), "b": Head(mlp(2, 3, 2, layers=1), "a", False)},
    )
    teacher = Teacher(student)
    slow = {name: p.double().clone() for name, p in teacher.network.named_parameters()}
    for step, momentum in enumerate(momenta):
        moved(student, seed + step)
        teacher.update(student, momentum)
        theirs = dict(student.named_parameters())
        for name, average in slow.items():
            flat, other = average.view(-1), theirs[name].detach().double().reshape(-1)
            for i in range(len(flat)):
                flat[i] = momentum * flat[i] + (1 - momentum) * other[i]
    for name, parameter in teacher.network.named_parameters():
        torch.testing.assert_close(parameter.double(), slow[name], atol=1e-5, rtol=1e-5)


def test_momentum_of_one_and_zero_are_exact(network):
    teacher = Teacher(network)
    before = {name: p.clone() for name, p in teacher.network.named_parameters()}
    moved(network, 1)
    teacher.update(network, 1.0)
    assert all(torch.equal(p, before[n]) for n, p in teacher.network.named_parameters())
    teacher.update(network, 0.0)
    theirs = dict(network.named_parameters())
    assert all(torch.equal(p, theirs[n]) for n, p in teacher.network.named_parameters())


def test_buffers_are_the_teachers_own(network):
    teacher = Teacher(network)
    network(torch.randn(8, 3, 32, 32) + 5, {"prototypes"})
    before = {name: b.clone() for name, b in teacher.network.named_buffers()}
    teacher.update(network, 0.5)
    assert all(torch.equal(b, before[n]) for n, b in teacher.network.named_buffers())
    teacher.network(torch.randn(8, 3, 32, 32), {"prototypes"})
    assert not torch.equal(
        teacher.network.projector[1].running_mean, before["projector.1.running_mean"]
    )


def test_update_makes_no_gradient_and_frozen_parameters_stay(network):
    network.projector[0].weight.requires_grad_(False)
    teacher = Teacher(network)
    kept = network.projector[0].weight.clone()
    for _ in range(5):
        teacher.update(network, 0.9)
    assert torch.equal(teacher.network.projector[0].weight, kept)
    assert not any(p.requires_grad or p.grad is not None for p in teacher.network.parameters())


def test_noise_is_taken_out_of_the_copy_only():
    options = {**SMALL_VIT, "proj_drop_rate": 0.4}
    student = Network(
        backbone("vit_tiny_patch16_224", image_size=32, options=options, drop_path=0.5)
    )
    teacher = Teacher(student)
    images = torch.randn(16, 3, 32, 32)
    once, again = (teacher.network(images, {"feature"})["feature"] for _ in range(2))
    assert torch.equal(once, again)
    once, again = (student(images, {"feature"})["feature"] for _ in range(2))
    assert not torch.equal(once, again)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18", {"drop_rate": 0.5, "drop_block_rate": 0.3, "layers": (1, 1, 1, 1)}),
        ("mobilenetv3_small_050", {"drop_rate": 0.5}),
        ("vit_tiny_patch16_224", {**SMALL_VIT, "patch_drop_rate": 0.5, "attn_drop_rate": 0.5}),
    ],
)
def test_functions_that_drop_are_silent_in_the_copy_only(name, options):
    student = Network(backbone(name, image_size=32, options=options))
    teacher = Teacher(student).network
    images = torch.randn(8, 3, 32, 32)
    once, again = (teacher(images, {"feature"})["feature"] for _ in range(2))
    assert torch.equal(once, again)
    once, again = (student(images, {"feature"})["feature"] for _ in range(2))
    assert not torch.equal(once, again)


def test_the_copy_keeps_all_patches():
    options = {**SMALL_VIT, "patch_drop_rate": 0.5}
    student = Network(backbone("vit_tiny_patch16_224", image_size=32, options=options))
    images = torch.randn(2, 3, 32, 32)
    assert Teacher(student).network(images, {"map"})["map"].shape == (2, 32, 4, 4)
    assert student.backbone.patch_drop.prob == 0.5


def test_attention_between_heads_is_silent_in_the_copy_only():
    class Attends(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attend = torch.nn.MultiheadAttention(4, 2, dropout=0.5)

    student = Network(torch.nn.Linear(3, 4), {"a": Head(Attends())})
    assert Teacher(student).network.a.attend.dropout == 0.0
    assert student.a.attend.dropout == 0.5


def test_student_of_other_shape_is_refused(network):
    with pytest.raises((KeyError, RuntimeError)):
        Teacher(network).update(Network(torch.nn.Linear(2, 2)), 0.5)
