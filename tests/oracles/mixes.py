"""Oracles of methods whose queries are mixed; mixed images are given. Axes: B images."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tests.oracles.contrast import (
    moco_v3_key,
    moco_v3_momentum,
    moco_v3_move,
    moco_v3_query,
    simclr_projection,
)
from tests.oracles.crops import dino_moves, dino_scores
from tests.oracles.parts import (
    Moves,
    Run,
    Step,
    adamw,
    adamw_on_matrices,
    cross_entropy,
    lars,
    mean,
    warm_cosine,
)


def pairs(step: Step, view: str) -> list[tuple[int, int, float]]:
    """Places of the two images of each mixed row, and the share of the first."""
    items, shares = step.made_of[view]
    return [
        (step.items.index(first), step.items.index(second), share)
        for (first, second), (share, _) in zip(items.tolist(), shares.tolist(), strict=True)
    ]


def _source(scores: Tensor, first: int, second: int, share: float) -> Tensor:
    """``-share log p(first) - (1 - share) log p(second)``."""
    own, other = cross_entropy(scores, first), cross_entropy(scores, second)
    return share * own + (1 - share) * other


def _common(mixes: list[tuple[int, int, float]], row: int) -> float:
    """What a mix and the mix of the same two images the other way round have in common."""
    _, partner, share = mixes[row]
    other = mixes[partner][2]
    return min(share, 1 - other) + min(1 - share, other)


def sdmp_on_moco_v3(run: Run) -> Iterator[Tensor]:
    """Ren et al., CVPR 2022, https://arxiv.org/abs/2206.07692, Eq. 3 to 5."""
    moves = Moves(run.student, adamw, decay=0.1)
    for step in run.steps:
        clean = moco_v3_query(run.student, step.views["a"])
        mixed = moco_v3_query(run.student, step.views["b~"])
        run.teacher.follow(run.student, moco_v3_momentum(step))
        k = {v: moco_v3_key(run.teacher, step.views[v]) for v in ("a", "b", "a~")}
        mixes, losses = pairs(step, "b~"), []
        for i, (own, partner, share) in enumerate(mixes):
            c = _common(mixes, i)
            losses.append(
                cross_entropy(k["b"] @ clean[i] / 0.2, i)
                + 0.5 * _source(k["a"] @ mixed[i] / 0.2, own, partner, share)
                + 0.5 * _source(k["a~"] @ mixed[i] / 0.2, own, partner, 1 / (1 + c))
            )
        loss = 2 * 0.2 * mean(losses)
        moco_v3_move(run, step, moves, loss)
        yield loss


def sdmp_on_dino(run: Run) -> Iterator[Tensor]:
    """Ren et al., CVPR 2022, https://arxiv.org/abs/2206.07692, Eq. 7 to 9."""
    moves = Moves(run.student, adamw_on_matrices, clip=3.0)
    centre = run.memory["centre.value"]
    for step in run.steps:
        s = dino_scores(run.student, step, (("g1", "g2"), ("l1", "l2")))
        m = dino_scores(run.student, step, (("l3~", "l4~"),))
        t = dino_scores(run.teacher, step, (("g1", "g2"),))
        t |= dino_scores(run.teacher, step, (("g1~", "g2~"),))
        sharpness = 0.04 + 0.03 * min(step.epoch / 30, 1.0)
        p = {view: ((rows - centre) / sharpness).softmax(dim=1) for view, rows in t.items()}
        clean, source, mix = [], [], []
        for aim in ("g1", "g2"):
            for name, rows in s.items():
                if name != aim:
                    clean += [cross_entropy(rows[i] / 0.1, p[aim][i]) for i in range(len(rows))]
            for name, rows in m.items():
                mixes = pairs(step, name)
                for i, (own, partner, share) in enumerate(mixes):
                    label = share * p[aim][own] + (1 - share) * p[aim][partner]
                    source.append(cross_entropy(rows[i] / 0.1, label))
                    c, other = _common(mixes, i), p[f"{aim}~"]
                    label = other[own] / (1 + c) + other[partner] * c / (1 + c)
                    mix.append(cross_entropy(rows[i] / 0.1, label))
        loss = mean(clean) + mean(source) + mean(mix)
        dino_moves(run, step, moves, loss, t)
        yield loss


def i_mix(run: Run) -> Iterator[Tensor]:
    """Lee et al., ICLR 2021, https://arxiv.org/abs/2010.08887, Eq. 3, on MoCo v3."""
    moves = Moves(run.student, adamw, decay=0.1)
    for step in run.steps:
        q = {v: moco_v3_query(run.student, step.views[f"{v}~"]) for v in ("a", "b")}
        run.teacher.follow(run.student, moco_v3_momentum(step))
        k = {v: moco_v3_key(run.teacher, step.views[v]) for v in ("a", "b")}
        losses = [
            _source(k[y] @ q[x][i] / 0.2, *pair)
            for x, y in (("a", "b"), ("b", "a"))
            for i, pair in enumerate(pairs(step, f"{x}~"))
        ]
        loss = 2 * 0.2 * 2 * mean(losses)
        moco_v3_move(run, step, moves, loss)
        yield loss


def un_mix(run: Run) -> Iterator[Tensor]:
    """Shen et al., AAAI 2022, https://arxiv.org/abs/2003.05438, section 3, on MoCo v3.

    The first view is mixed by one share for the batch; that loss counts as much as both clean
    ones.
    """
    moves = Moves(run.student, adamw, decay=0.1)
    for step in run.steps:
        q = {v: moco_v3_query(run.student, step.views[v]) for v in ("a", "b", "a~")}
        run.teacher.follow(run.student, moco_v3_momentum(step))
        k = {v: moco_v3_key(run.teacher, step.views[v]) for v in ("a", "b")}
        mixes = pairs(step, "a~")
        assert len({share for _, _, share in mixes}) == 1
        clean = [
            cross_entropy(k[y] @ q[x][i] / 0.2, i)
            for x, y in (("a", "b"), ("b", "a"))
            for i in range(len(step.items))
        ]
        mixed = [_source(k["b"] @ q["a~"][i] / 0.2, *pair) for i, pair in enumerate(mixes)]
        loss = 2 * 0.2 * 2 * (mean(clean) + mean(mixed))
        moco_v3_move(run, step, moves, loss)
        yield loss


def mixco(run: Run) -> Iterator[Tensor]:
    """Kim et al., 2020, https://arxiv.org/abs/2010.06300, Eq. 3 and 4, on MoCo v3.

    Each view and its mixes, half as many, share a pass; mixes have a temperature of 0.05.
    """
    moves = Moves(run.student, adamw, decay=0.1)
    for step in run.steps:
        count = len(step.items)
        q = {
            v: moco_v3_query(run.student, torch.cat([step.views[v], step.views[f"{v}~"]]))
            for v in ("a", "b")
        }
        run.teacher.follow(run.student, moco_v3_momentum(step))
        k = {v: moco_v3_key(run.teacher, step.views[v]) for v in ("a", "b")}
        loss = torch.zeros(())
        for x, y in (("a", "b"), ("b", "a")):
            clean = [cross_entropy(k[y] @ q[x][i] / 0.2, i) for i in range(count)]
            mixed = [
                _source(k[y] @ q[x][count + i] / 0.05, *pair)
                for i, pair in enumerate(pairs(step, f"{x}~"))
            ]
            assert len(mixed) == count // 2
            loss = loss + 2 * 0.2 * (mean(clean) + mean(mixed))
        moco_v3_move(run, step, moves, loss)
        yield loss


def dacl(run: Run) -> Iterator[Tensor]:
    """Verma et al., ICML 2021, https://arxiv.org/abs/2011.04419, section 3, on SimCLR.

    A mix is held against the clean images of the other view; its larger share is its label.
    """
    moves = Moves(run.student, lars, decay=1e-6)
    for step in run.steps:
        clean = simclr_projection(run.student, step, ("a", "b"))
        mixed = simclr_projection(run.student, step, ("a~", "b~"))
        losses = []
        for x, y in (("a", "b"), ("b", "a")):
            for i, (own, _, share) in enumerate(pairs(step, f"{x}~")):
                assert share >= 0.9
                losses.append(cross_entropy(clean[y] @ mixed[f"{x}~"][i] / 0.1, own))
        loss = mean(losses)
        moves(loss, warm_cosine(step, 0.3 * run.batch / 256, warmup=10))
        yield loss
