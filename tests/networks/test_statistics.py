"""Statistics of batch norms that are measured over some batches."""

import torch
from torch import nn

from ilk.networks import with_measured_statistics


def test_they_are_the_mean_over_the_batches_and_the_network_stays_as_it_is():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU()).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    batches = [torch.randn(6, 3) + number for number in range(3)]
    measured = with_measured_statistics(network, iter(batches))
    with torch.no_grad():
        rows = [network[0](batch) for batch in batches]
    norm = measured[1]
    torch.testing.assert_close(
        norm.running_mean, torch.stack([r.mean(0) for r in rows]).mean(0)
    )
    torch.testing.assert_close(norm.running_var, torch.stack([r.var(0) for r in rows]).mean(0))
    assert norm.momentum == 0.1
    assert not measured.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
        if "running" not in name and "tracked" not in name:
            assert torch.equal(dict(measured.state_dict())[name], tensor)
