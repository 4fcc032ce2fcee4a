"""Methods with targets place by place. Axes: N patches, K classes, D features, B images."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.oracles.crops import dino_moves
from tests.oracles.parts import (
    Moves,
    Net,
    Run,
    Step,
    adamw_on_matrices,
    cross_entropy,
    half_cosine,
    mean,
    unit,
    warm_cosine,
)
from tests.oracles.pixels import affine, block, embedded, normed, sincos, transformer

LAYERS = "affine gelu affine gelu affine"
NORMED = "linear norm gelu linear norm gelu affine"
LOCAL = ("l1", "l2", "l3", "l4")
Scores = Callable[[Tensor], Tensor]


def ibot(run: Run) -> Iterator[Tensor]:
    """Zhou et al., ICLR 2022, Eq. 2 and 3, with DINO's centre for patches too."""
    moves = Moves(run.student, adamw_on_matrices, clip=3.0)
    for step in run.steps:
        aims, found = _aims(run, step, "")
        loss = _of_crops(run, step, aims) + _of_patches(run, step, found, "")
        _ibot_moves(run, step, moves, loss)
        yield loss


def sdmp_on_ibot(run: Run) -> Iterator[Tensor]:
    """SDMP on the class tokens of the last two small crops, which weigh what clean ones did."""
    moves = Moves(run.student, adamw_on_matrices, clip=3.0)
    for step in run.steps:
        aims, found = _aims(run, step, "")
        mixed, _ = _aims(run, step, "~")
        crops = _student_crops(run, step, ("m1", "m2", "l1", "l2"))
        pairs = [(n, v) for n in (1, 2) for v in crops if v != f"m{n}"]
        clean = mean([_pair(step, crops[v], v, aims[n], f"t{n}") for n, v in pairs])
        crops = _student_crops(run, step, ("l3~", "l4~"))
        pairs = [(n, v) for n in (1, 2) for v in crops]
        source = mean([_pair(step, crops[v], v, aims[n], f"t{n}") for n, v in pairs])
        mix = mean([_pair(step, crops[v], v, mixed[n], f"t{n}~") for n, v in pairs])
        # Two of five crops that each teacher's crop is compared with are mixed.
        loss = 0.6 * clean + 0.2 * source + 0.2 * mix + _of_patches(run, step, found, "")
        _ibot_moves(run, step, moves, loss)
        yield loss


def _pair(step: Step, rows: Tensor, view: str, aims: Tensor, teacher: str) -> Tensor:
    """Targets weighed by what both rows are made of, over all rows of a view."""
    losses = []
    for row, source, share in zip(rows, *step.made_of[view], strict=True):
        overlap = []
        for theirs, theirs_share in zip(*step.made_of[teacher], strict=True):
            both = [
                min(float(a), float(b))
                for s, a in zip(source.tolist(), share, strict=True)
                for t, b in zip(theirs.tolist(), theirs_share, strict=True)
                if s == t
            ]
            overlap.append(sum(both))
        weights = torch.tensor(overlap).to(aims) / sum(overlap)
        losses.append(cross_entropy(row / 0.1, weights @ aims))
    return mean(losses)


def _ibot_moves(run: Run, step: Step, moves: Moves, loss: Tensor) -> None:
    run.memory["centre.value"] = run.memory["prototypes.value"]
    crops = _teacher_scores(run, step, "")
    patches = [
        _scores(run.teacher, tokens[1:][_hidden(step, n, image)], "")
        for n in (1, 2)
        for image, tokens in enumerate(_tokens(run.teacher, step.views[f"t{n}"]))
    ]
    dino_moves(run, step, moves, loss, {f"g{n}": crops[n] for n in (1, 2)})
    del run.memory["centre.value"]
    if (seen := torch.cat(patches)).numel():
        centre = run.memory["patch_prototypes.value"]
        centre.copy_(0.9 * centre + 0.1 * seen.mean(dim=0))


def _sharpness(step: Step) -> float:
    return 0.04 + 0.03 * min(step.epoch / 30, 1.0)


def _aims(
    run: Run, step: Step, mixed: str
) -> tuple[dict[int, Tensor], dict[int, list[Tensor]]]:
    """Targets of crops [B, K], and of the hidden patches of each image [n, K]."""
    sharp = _sharpness(step)
    centre, own = (run.memory[f"{p}prototypes.value"] for p in ("", "patch_"))
    crops = {
        n: ((s - centre) / sharp).softmax(dim=1)
        for n, s in _teacher_scores(run, step, mixed).items()
    }
    patches = {
        n: [
            ((_scores(run.teacher, t[1:][_hidden(step, n, i)], "") - own) / sharp).softmax(1)
            for i, t in enumerate(_tokens(run.teacher, step.views[f"t{n}"]))
        ]
        for n in (1, 2)
    }
    return crops, patches


def _teacher_scores(run: Run, step: Step, mixed: str) -> dict[int, Tensor]:
    return {
        n: _scores(run.teacher, _tokens(run.teacher, step.views[f"t{n}{mixed}"])[:, 0], "")
        for n in (1, 2)
    }


def _hidden(step: Step, number: int, image: int) -> list[int]:
    return [n for n, away in enumerate(step.hidden[f"m{number}"][image]) if away]


def _scores(net: Net, rows: Tensor, part: str) -> Tensor:
    """What the last, weight-normalised layer says of rows."""
    z = net.head(f"{part}projector", rows, LAYERS)
    directions = net[f"{part}prototypes.scale"] * unit(net[f"{part}prototypes.weight"])
    return unit(z) @ directions.T


def _tokens(net: Net, images: Tensor, hidden: Sequence[Sequence[bool]] | None = None) -> Tensor:
    """All tokens of images, the mask token in the place of what is hidden: [B, 1 + N, D]."""
    side = images.shape[2] // 8
    table = net["backbone.pos_embed"][0]
    if side != 4:  # positions of another size, in single precision
        grid = table[1:].float().T.reshape(1, -1, 4, 4)
        finer = F.interpolate(grid, (side, side), mode="bicubic", antialias=True)
        table = torch.cat([table[:1], finer[0].flatten(1).T.to(table)])
    out = []
    for number, image in enumerate(images):
        rows = embedded(net, image)
        if hidden is not None:
            away = torch.tensor(hidden[number])[:, None]
            rows = torch.where(away, net["mask_token.vector"], rows)
        out.append(transformer(net, rows, range(side**2), table))
    return torch.stack(out)


def _student_crops(run: Run, step: Step, names: Sequence[str]) -> dict[str, Tensor]:
    return {
        name: _scores(
            run.student, _tokens(run.student, step.views[name], step.hidden.get(name))[:, 0], ""
        )
        for name in names
    }


def _of_crops(run: Run, step: Step, aims: Mapping[int, Tensor]) -> Tensor:
    """DINO's loss: over all pairs of a teacher's crop and another one."""
    crops = _student_crops(run, step, ("m1", "m2", *LOCAL))
    return mean([
        cross_entropy(row / 0.1, aim)
        for n, targets in aims.items()
        for name, rows in crops.items()
        if name != f"m{n}"
        for row, aim in zip(rows, targets, strict=True)
    ])  # fmt: skip


def _of_patches(
    run: Run, step: Step, aims: Mapping[int, Sequence[Tensor]], part: str
) -> Tensor:
    """The mean over large crops of the mean over the hidden patches of each, or nothing."""
    losses = []
    for n, of_images in aims.items():
        seen = _tokens(run.student, step.views[f"m{n}"], step.hidden[f"m{n}"])
        for image, (tokens, targets) in enumerate(zip(seen, of_images, strict=True)):
            said = _scores(run.student, tokens[1:][_hidden(step, n, image)], part)
            own = [cross_entropy(s / 0.1, t) for s, t in zip(said, targets, strict=True)]
            losses.append(mean(own) if own else torch.zeros(()).to(said))
    return mean(losses)


def dinov2(run: Run) -> Iterator[Tensor]:
    """Oquab et al., 2023, section 4: targets of both crops are balanced together."""
    moves = Moves(run.student, adamw_on_matrices, clip=3.0)
    for step in run.steps:
        sharp = _sharpness(step)
        scores = _teacher_scores(run, step, "")
        codes = _balanced(torch.cat([scores[1], scores[2]]), sharp).chunk(2)
        kept = [
            _scores(run.teacher, t[1:][_hidden(step, n, i)], "patch_")
            for n in (1, 2)
            for i, t in enumerate(_tokens(run.teacher, step.views[f"t{n}"]))
        ]
        of_patches = _balanced(torch.cat(kept), sharp).split([len(rows) for rows in kept])
        half = len(of_patches) // 2
        aims = {1: of_patches[:half], 2: of_patches[half:]}
        loss = _of_crops(run, step, {1: codes[0], 2: codes[1]})
        loss = loss + _of_patches(run, step, aims, "patch_")
        for n in (1, 2):
            tokens = _tokens(run.student, step.views[f"m{n}"], step.hidden[f"m{n}"])
            loss = loss + 0.1 * _koleo(tokens[:, 0])
        moves.decay = 0.2 - (0.2 - 0.04) * half_cosine(step.share)
        lr = warm_cosine(step, 1e-4 * (run.batch / 256) ** 0.5, warmup=10, end=1e-6)
        frozen = ("prototypes", "patch_prototypes") if step.epoch < 1 else ()
        moves(loss, lr, rates=dict.fromkeys(frozen, 0.0))
        for name in frozen:
            for weight in ("weight", "scale"):
                moves.states.pop(f"{name}.{weight}", None)
        run.teacher.follow(run.student, 1 - (1 - 0.994) * half_cosine(step.share))
        yield loss


def _balanced(scores: Tensor, sharpness: float) -> Tensor:
    """Three rounds that give each prototype, then each row, the same sum."""
    q = (scores / sharpness).exp()
    for _ in range(3):
        q = q / q.sum(dim=0)
        q = q / q.sum(dim=1, keepdim=True)
    return q


def _koleo(rows: Tensor) -> Tensor:
    """Minus the logarithm of the distance to the nearest other row, by loops."""
    ours = unit(rows)
    losses = []
    for i, row in enumerate(ours):
        others = [other for j, other in enumerate(ours) if j != i]
        nearest = max(others, key=lambda other, row=row: float((row @ other).detach()))
        losses.append(-((row - nearest + 1e-8).square().sum().sqrt() + 1e-8).log())
    return mean(losses)


def i_jepa(run: Run) -> Iterator[Tensor]:
    """Assran et al., CVPR 2023, section 3 and appendix A.1, block by block."""
    moves = Moves(run.student, adamw_on_matrices)
    for step in run.steps:
        losses = []
        for image, hidden, sets in zip(
            step.views["a"], step.hidden["context"], step.asked["context"], strict=True
        ):
            kept = [n for n in range(16) if not hidden[n]]
            seen = transformer(run.student, embedded(run.student, image), kept)
            whole = transformer(run.teacher, embedded(run.teacher, image), range(16))[1:]
            for cells in sets:
                asked = [n for n in range(16) if cells[n]]
                said = _predicted(run.student, seen, kept, asked)
                for n, row in zip(asked, said, strict=True):
                    apart = whole[n] - whole[n].mean()
                    aim = apart / (apart.square().mean() + 1e-5).sqrt()
                    d = (row - aim).abs()
                    losses.append(torch.where(d < 1, d.square() / 2, d - 0.5).mean())
        loss = mean(losses)
        moves.decay = 0.4 - (0.4 - 0.04) * half_cosine(step.share)
        moves(loss, warm_cosine(step, 1.25e-4 * run.batch / 256, warmup=1, end=1e-6))
        run.teacher.follow(run.student, 0.996 + 0.004 * step.share)
        yield loss


def msn(run: Run) -> Iterator[Tensor]:
    """Assran et al., ECCV 2022, Eq. 1 and 2, with the balanced targets of its section 3."""
    moves = Moves(run.student, adamw_on_matrices, clip=3.0)
    for step in run.steps:
        net, prototypes = run.student, unit(run.student["prototypes.weight"])
        left = [
            transformer(net, embedded(net, image), [n for n in range(16) if not hidden[n]])[0]
            for image, hidden in zip(step.views["large"], step.hidden["masked"], strict=True)
        ]
        small = _tokens(net, torch.cat([step.views[name] for name in LOCAL]))[:, 0]
        rows = torch.cat([
            unit(net.head("projector", shown, NORMED)) for shown in (torch.stack(left), small)
        ])  # fmt: skip
        whole = _tokens(run.teacher, step.views["target"])[:, 0]
        aims = unit(run.teacher.head("projector", whole, NORMED)) @ prototypes.detach().T
        codes = _balanced(aims, 0.1 * 0.25)
        scores = rows @ prototypes.T / 0.1
        said = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
        average = said.mean(dim=0)
        loss = mean([
            cross_entropy(row, codes[number % len(codes)]) for number, row in enumerate(scores)
        ]) + (average * average.log()).sum()  # fmt: skip
        moves.decay = 0.4 - (0.4 - 0.04) * half_cosine(step.share)
        moves(loss, warm_cosine(step, 2.5e-4 * run.batch / 256, warmup=1, end=1e-6))
        run.teacher.follow(run.student, 0.996 + 0.004 * step.share)
        yield loss


def _predicted(net: Net, seen: Tensor, kept: Sequence[int], asked: Sequence[int]) -> Tensor:
    """What is said of the asked places, from the class token and the visible patches."""
    shown = affine(net, "predictor.embed", seen)
    rows = [shown[0]]
    for number, n in enumerate(kept):
        rows.append(shown[1 + number] + sincos(n // 4, n % 4, 16).to(shown))
    rows += [net["predictor.asking"] + sincos(n // 4, n % 4, 16).to(shown) for n in asked]
    decoded = normed(net, "predictor.norm", block(net, "predictor.blocks.0", torch.stack(rows)))
    return affine(net, "predictor.predict", decoded[-len(asked) :])
