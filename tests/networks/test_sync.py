import copy
import multiprocessing
import queue

import pytest
import torch
import torch.distributed as dist
from torch import nn

from ilk.networks import mlp, sync_batch_norm

RANKS, ROWS = 2, 4


def network(*, joint):
    """Batch norms of one and two dimensions, with and without learnt scale."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3),
        nn.BatchNorm2d(5),
        nn.Flatten(),
        mlp(5 * 4 * 4, 8, 6, layers=2, last_batch_norm="plain"),
    ).double()
    return sync_batch_norm(net, torch.device("cpu")) if joint else net


def pass_through(net, images, targets):
    """The summed loss's gradients and what the batch norms remember."""
    out = net(images)
    (out * targets).sum().backward()
    gradients = {name: p.grad for name, p in net.named_parameters()}
    return out.detach(), gradients, dict(net.named_buffers())


def batch():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(RANKS * ROWS, 3, 8, 8, generator=generator, dtype=torch.float64)
    return images * 2 + 1, torch.randn(
        RANKS * ROWS, 6, generator=generator, dtype=torch.float64
    )


def run_rank(rank, meeting, answers):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=RANKS
    )
    images, targets = (rows.chunk(RANKS)[rank] for rows in batch())
    out, gradients, buffers = pass_through(network(joint=True), images, targets)
    for gradient in gradients.values():
        dist.all_reduce(gradient)
    numbers = {"out": out, **gradients, **{f"buffer.{k}": b for k, b in buffers.items()}}
    answers.put((rank, {name: tensor.tolist() for name, tensor in numbers.items()}))
    dist.destroy_process_group()


def test_two_processes_equal_one_with_the_joint_batch(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    args = (str(tmp_path / "meeting"), answers)
    ranks = [spawn.Process(target=run_rank, args=(r, *args)) for r in range(RANKS)]
    try:
        for process in ranks:
            process.start()
        found = dict(answers.get(timeout=120) for _ in ranks)
        for process in ranks:
            process.join(timeout=60)
    except queue.Empty:
        pytest.fail("a rank did not answer")
    finally:
        for process in ranks:
            process.kill()
    out, gradients, buffers = pass_through(network(joint=False), *batch())
    for rank in range(RANKS):
        expected = {"out": out.chunk(RANKS)[rank], **gradients}
        expected |= {f"buffer.{name}": tensor for name, tensor in buffers.items()}
        assert set(expected) == set(found[rank])
        for name, tensor in expected.items():
            torch.testing.assert_close(torch.tensor(found[rank][name]).to(tensor), tensor)


def test_alone_it_is_plain_batch_norm():
    plain, joint = network(joint=False), network(joint=True)
    assert list(plain.state_dict()) == list(joint.state_dict())
    for one, other in zip(
        pass_through(plain, *batch()), pass_through(joint, *batch()), strict=True
    ):
        torch.testing.assert_close(one, other)
    images = batch()[0]
    torch.testing.assert_close(plain.eval()(images), joint.eval()(images))


def test_timms_norms_keep_their_activation(conv):
    images = torch.randn(4, 3, 32, 32)
    joint = sync_batch_norm(copy.deepcopy(conv), torch.device("cpu"))
    plain = (nn.BatchNorm2d, nn.BatchNorm1d)
    assert not any(isinstance(part, plain) for part in joint.modules())
    torch.testing.assert_close(joint(images), conv(images), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(joint.eval()(images), conv.eval()(images))


def test_parameters_are_the_same_objects(conv):
    before = {name: parameter for name, parameter in conv.named_parameters()}
    after = dict(sync_batch_norm(conv, torch.device("cpu")).named_parameters())
    assert set(before) == set(after)
    assert all(after[name] is parameter for name, parameter in before.items())
