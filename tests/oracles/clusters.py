"""Plain k-means. Axes: N rows, K clusters, D features."""

import torch
from torch import Tensor

from tests.oracles.parts import Step, unit


def spherical_k_means(rows: Tensor, centroids: Tensor, rounds: int) -> Tensor:
    """Unit centroids by cosine; one without members stays where it is."""
    for _ in range(rounds):
        labels = (rows @ centroids.T).argmax(dim=1)
        centroids = torch.stack(
            [
                unit(rows[labels == c].sum(dim=0)) if (labels == c).any() else centroids[c]
                for c in range(len(centroids))
            ]
        )
    return centroids


def k_means(rows: Tensor, centroids: Tensor, rounds: int) -> Tensor:
    """The nearest centroid of each row, by distance, after some rounds of averaging."""
    for _ in range(rounds):
        labels = torch.cdist(rows, centroids).argmin(dim=1)
        sizes = [int((labels == c).sum()) for c in range(len(centroids))]
        assert min(sizes) > 0, "an empty cluster would have to be filled"
        centroids = torch.stack([rows[labels == c].mean(dim=0) for c in range(len(centroids))])
    return torch.cdist(rows, centroids).argmin(dim=1)


def agreement(a: list[int], b: list[int]) -> float:
    """Mutual information of two labelings over the mean of their entropies."""
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != -1 and y != -1]

    def entropy(labels: list) -> float:
        counts = torch.tensor([labels.count(x) for x in set(labels)]).double()
        shares = counts / counts.sum()
        return float(-(shares * shares.log()).sum())

    apart = entropy([x for x, _ in pairs]) + entropy([y for _, y in pairs])
    return 2 * (apart - entropy(pairs)) / apart


def cluster(
    memory: dict[str, Tensor], name: str, bank: str, step: Step, number: int = 0
) -> None:
    """Cluster a bank; the doubt of an item is the share of items surer of their cluster."""
    seen = (memory[f"{bank}.sources"] != -1).nonzero()[:, 0].tolist()
    count = len(memory[f"{name}.centroids"])
    if len(seen) < count:
        return
    rows = memory[f"{bank}.vectors"][seen]
    start = rows[step.starts(len(rows), number)[:count]]
    centroids = spherical_k_means(rows, start, 10)
    sure = (rows @ centroids.T).log_softmax(dim=1)
    memory[f"{name}.centroids"][:] = centroids
    memory[f"{name}.labels"][:] = -1
    memory[f"{name}.doubt"][:] = 1.0
    order = sorted(range(len(rows)), key=lambda i: -sure[i].max().item())
    for place, i in enumerate(order):
        memory[f"{name}.labels"][seen[i]] = sure[i].argmax()
        memory[f"{name}.doubt"][seen[i]] = place / len(rows)
