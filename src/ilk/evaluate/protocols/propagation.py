"""Labels that spread over a graph of neighbours. Axes: N nodes, Q queries, K classes."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from scipy.sparse import coo_array, csr_array
from torch import Tensor

from ilk.embedding import nearest

SHARPNESS = 3  # power of a cosine that weighs an edge: Iscen et al., section 4


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Graph:
    """The nearest neighbours of all nodes, and of queries among them.

    Args:
        edges: symmetric, scaled by the roots of both degrees; no node meets itself.
        places: nodes nearest to each query.
        weights: of those.
    """

    edges: csr_array
    places: Int64[np.ndarray, "Q k"]
    weights: Float64[np.ndarray, "Q k"]


def graph(
    nodes: Float32[Tensor, "N D"], queries: Float32[Tensor, "Q D"], neighbours: int
) -> Graph:
    r"""The graph of Iscen et al., CVPR 2019, https://arxiv.org/abs/1904.04717, section 4.

    $W = A + A^T$ with $a_{ij} = \max(\cos_{ij}, 0)^3$ for the nearest j of i;
    $S = D^{-1/2} W D^{-1/2}$.

    Args:
        nodes: two at least.
        queries: which are no nodes: nothing spreads through them.
        neighbours: of each.
    """
    places, cosines = nearest(nodes, nodes, neighbours + 1)
    rows = torch.arange(len(nodes)).repeat_interleave(places.shape[1]).numpy()
    columns = places.cpu().numpy().ravel()
    weights = _weights(cosines).ravel()
    others = rows != columns
    one_way = coo_array(
        (weights[others], (rows[others], columns[others])), shape=(len(nodes), len(nodes))
    ).tocsr()
    both = csr_array(one_way + one_way.T)
    degrees = np.asarray(both.sum(1)).ravel()
    roots = np.where(degrees > 0, degrees, 1.0) ** -0.5
    scaled = csr_array(both.multiply(roots[:, None]).multiply(roots[None, :]))
    near, close = nearest(queries, nodes, neighbours)
    return Graph(edges=scaled, places=near.cpu().numpy(), weights=_weights(close))


def spread(
    edges: csr_array,
    seeds: Float64[np.ndarray, "N K"],
    *,
    alpha: float,
    tolerance: float,
    most_steps: int,
) -> Float64[np.ndarray, "N K"]:
    r"""$(I - \alpha S)^{-1} Y$: Zhou et al., NeurIPS 2003, by conjugate gradients.

    Args:
        edges: S, symmetric, no eigenvalue above 1.
        seeds: Y, one where a node is labelled with a class.
        alpha: in [0, 1); how far labels spread.
        tolerance: length of what is left over, as a share of the column's, where it ends.
        most_steps: at most.
    """
    found = np.zeros_like(seeds)
    left, way = seeds.copy(), seeds.copy()
    size = first = (left * left).sum(0)
    for _ in range(most_steps):
        if (size <= tolerance**2 * first).all():
            break
        along = way - alpha * (edges @ way)
        curve = (way * along).sum(0)
        step = np.divide(size, curve, out=np.zeros_like(size), where=curve > 0)
        found += step * way
        left -= step * along
        before, size = size, (left * left).sum(0)
        way = left + np.divide(size, before, out=np.zeros_like(size), where=before > 0) * way
    return found


def balanced(
    spread: Float64[np.ndarray, "N K"], seeds: Float64[np.ndarray, "N K"]
) -> Float64[np.ndarray, "N K"]:
    """Each class with as large a share of all mass as it has of the labels.

    Class mass normalization of Zhu, Ghahramani and Lafferty, ICML 2003, section 4. Without it
    the class whose labels happen to lie at hubs of the graph takes all.
    """
    masses = spread.sum(0)
    scale = np.divide(seeds.sum(0), masses, out=np.zeros_like(masses), where=masses > 0)
    return spread * scale


def called(graph: Graph, spread: Float64[np.ndarray, "N K"]) -> Int64[np.ndarray, " Q"]:
    """The class of each query: a vote of its nearest nodes, each sharing out one vote.

    A query of which no node near was reached by a label is called -1.
    """
    totals = spread.sum(1, keepdims=True)
    votes = np.divide(spread, totals, out=np.zeros_like(spread), where=totals > 0)
    summed = np.zeros((len(graph.places), spread.shape[1]))
    for near in range(graph.places.shape[1]):
        summed += graph.weights[:, near, None] * votes[graph.places[:, near]]
    return np.where(summed.max(1) > 0, summed.argmax(1), -1)


def _weights(cosines: Float32[Tensor, "Q k"]) -> Float64[np.ndarray, "Q k"]:
    return cosines.double().clamp_min(0).pow(SHARPNESS).cpu().numpy()
