"""Methods whose targets are pixels. Axes: B images, N patches, P values of one, D features."""

import itertools
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.oracles.parts import (
    Moves,
    Net,
    Run,
    adamw_on_matrices,
    mean,
    warm_cosine,
)

PATCH, WIDTH, HEADS, DEPTH = 8, 16, 2, 2


def mae(run: Run) -> Iterator[Tensor]:
    """He et al., CVPR 2022, section 3: only visible patches are encoded."""
    moves = Moves(run.student, adamw_95_on_matrices, decay=0.05)
    for step in run.steps:
        images, net, losses = step.views["a"], run.student, []
        for image, hidden in zip(images, step.hidden["masked"], strict=True):
            kept = [n for n in range(16) if not hidden[n]]
            tokens = transformer(net, embedded(net, image), kept)
            decoded = _decoded(net, tokens, kept)
            for n in range(16):
                if hidden[n]:
                    target = patches(image)[n]
                    target = (target - target.mean()) / (
                        target.var(unbiased=True) + 1e-6
                    ).sqrt()
                    losses.append((decoded[n] - target).square().mean())
        loss = mean(losses)
        moves(loss, warm_cosine(step, 1.5e-4 * run.batch / 256, warmup=1))
        yield loss


def _decoded(net: Net, tokens: Tensor, kept: list[int]) -> Tensor:
    """The class token, then each patch or the mask token, with fixed positions: [N, P]."""
    shown = affine(net, "decoder.embed", tokens)
    rows = [shown[0]]
    for n in range(16):
        token = shown[1 + kept.index(n)] if n in kept else net["decoder.mask_token"]
        rows.append(token + sincos(n // 4, n % 4, 16).to(token))
    rows = block(net, "decoder.blocks.0", torch.stack(rows))
    return affine(net, "decoder.predict", normed(net, "decoder.norm", rows))[1:]


def sincos(row: int, column: int, dim: int) -> Tensor:
    """In single precision, in which fixed positions are."""
    slow = 10_000.0 ** -(torch.arange(dim // 4) / (dim // 4))
    return torch.cat([wave(p * slow) for p in (row, column) for wave in (torch.sin, torch.cos)])


def simmim(run: Run) -> Iterator[Tensor]:
    """Xie et al., CVPR 2022, Eq. 1 and 2: the L1 loss of raw pixels over what is hidden."""
    moves = Moves(run.student, adamw_on_matrices, decay=0.05, clip=5.0)
    for step in run.steps:
        net, total, count = run.student, torch.zeros(()), 0
        for image, hidden in zip(step.views["a"], step.hidden["masked"], strict=True):
            rows = embedded(net, image)
            shown = [
                net["mask_token.vector"] if hidden[n] else row for n, row in enumerate(rows)
            ]
            tokens = transformer(net, torch.stack(shown), range(16))[1:]
            values = affine(net, "pixels.predict", tokens)  # by channel, row and column
            for n in range(16):
                if hidden[n]:
                    theirs = patches(image)[n].view(PATCH, PATCH, 3).permute(2, 0, 1)
                    total = total + (values[n] - theirs.flatten()).abs().sum()
                    count += 3 * PATCH**2
        loss = total / count
        moves(loss, warm_cosine(step, 5e-5 * run.batch / 256, warmup=10))
        yield loss


def inpainting(run: Run) -> Iterator[Tensor]:
    """Pathak et al., CVPR 2016, Eq. 1: squared errors within the hole."""
    moves = Moves(run.student, adamw_on_matrices, decay=0.05)
    for step in run.steps:
        net, rows = run.student, []
        for image, hidden in zip(step.views["a"], step.hidden["cut"], strict=True):
            seen = embedded(net, image) * torch.tensor(hidden).logical_not()[:, None]
            rows.append(transformer(net, seen, range(16))[0])
        drawn = _image(net, "drawn", torch.stack(rows))
        losses = [
            (patches(ours)[n] - patches(image)[n]).square().mean()
            for ours, image, hidden in zip(
                drawn, step.views["a"], step.hidden["cut"], strict=True
            )
            for n in range(16)
            if hidden[n]
        ]
        moves(mean(losses), warm_cosine(step, 1e-3 * run.batch / 256, warmup=5))
        yield mean(losses)


def denoising(run: Run) -> Iterator[Tensor]:
    """Vincent et al., JMLR 2010, section 3: the clean image from the corrupted one."""
    moves = Moves(run.student, adamw_on_matrices, decay=0.05)
    for step in run.steps:
        net = run.student
        drawn = _image(net, "decoder.0", net.feature(step.views["noisy"]))
        loss = (drawn - step.views["a"]).square().mean()
        moves(loss, warm_cosine(step, 1e-3 * run.batch / 256, warmup=5))
        yield loss


def variational(run: Run) -> Iterator[Tensor]:
    """Kingma and Welling, ICLR 2014, Eq. 10 with one draw, divided by half of the values."""
    moves = Moves(run.student, adamw_on_matrices, decay=0.05)
    for step in run.steps:
        net, images = run.student, step.views["a"]
        code = affine(net, "code", net.feature(images))
        middle, spread = code[:, :8], code[:, 8:]
        step.chance_of("network/0")
        drawn = middle + (spread / 2).exp() * torch.randn(len(images), 8, dtype=code.dtype)
        errors = (_image(net, "decoder.0", drawn) - images).square().sum(dim=(1, 2, 3)) / 2
        prior = (1 + spread - middle.square() - spread.exp()).sum(dim=1) / -2
        loss = (errors + prior).mean() / (images[0].numel() / 2)
        moves(loss, warm_cosine(step, 1e-3 * run.batch / 256, warmup=5))
        yield loss


def colorization(run: Run) -> Iterator[Tensor]:
    """Zhang et al., ECCV 2016, Eq. 2 to 4, place by place on the grid of 8 x 8."""
    moves = Moves(run.student, adamw_on_matrices, decay=1e-3)
    bins = _bins()
    prior = torch.tensor([math.exp(-math.hypot(a, b) / 7.5) for a, b in bins])
    prior = (prior / prior.sum()).double()
    rare = 1 / (0.5 * prior + 0.5 / len(bins))
    rare = rare / (rare * prior).sum()
    centres = torch.tensor(bins, dtype=torch.float64)
    for step in run.steps:
        net, losses = run.student, []
        for grey, image in zip(step.views["grey"], step.views["a"], strict=True):
            tokens = transformer(net, embedded(net, grey), range(16))[1:]
            fine = affine(net, "places.predict", tokens).view(4, 4, 8, 2, 2)
            colours = _ab(image / 4 + 0.5)  # normalised by 0.5 and 0.25
            for y, x in itertools.product(range(8), range(8)):
                ab = colours[:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean(dim=(1, 2))
                row = F.gelu(fine[y // 2, x // 2, :, y % 2, x % 2])
                logs = affine(net, "colours.head.1", row).log_softmax(0)
                apart = (centres - ab).square().sum(dim=1)
                found = apart.topk(5, largest=False)
                close = (-found.values / 50).exp()
                losses.append(
                    -rare[found.indices[0]] * (close / close.sum() * logs[found.indices]).sum()
                )
        loss = mean(losses)
        moves(loss, warm_cosine(step, 1e-3 * run.batch / 256, warmup=5))
        yield loss


def _bins() -> list[tuple[float, float]]:
    axis = torch.linspace(0, 1, 33, dtype=torch.float64)
    colours = torch.cartesian_prod(axis, axis, axis).T.reshape(3, -1, 1)
    found = {tuple(ab) for ab in (_ab(colours) / 10).round().flatten(1).T.tolist()}
    return [(10 * a, 10 * b) for a, b in sorted(found)]


def _ab(pixels: Tensor) -> Tensor:
    """CIE 15: a and b of sRGB under D65."""
    low = pixels.clamp(0, 1)
    linear = torch.where(low > 0.04045, ((low + 0.055) / 1.055) ** 2.4, low / 12.92)
    red, green, blue = linear
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    fx, fy, fz = (
        torch.where(t > 216 / 24389, t.clamp(min=1e-9) ** (1 / 3), (24389 / 27 * t + 16) / 116)
        for t in (x, y, z)
    )
    return torch.stack([500 * (fx - fy), 200 * (fy - fz)])


def patches(image: Tensor) -> list[Tensor]:
    """Values of each patch by row, column and channel."""
    side = image.shape[1] // 8
    return [
        image[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].permute(1, 2, 0).flatten()
        for row in range(side)
        for column in range(side)
    ]


def embedded(net: Net, image: Tensor) -> Tensor:
    """Each patch times the projection: [N, D]."""
    weight = net["backbone.patch_embed.proj.weight"].permute(0, 2, 3, 1).flatten(1)
    return torch.stack(patches(image)) @ weight.T + net["backbone.patch_embed.proj.bias"]


def transformer(net: Net, rows: Tensor, kept, positions: Tensor | None = None) -> Tensor:
    """Dosovitskiy et al., ICLR 2021, Eq. 1 to 4, of the class token and some patches."""
    positions = net["backbone.pos_embed"][0] if positions is None else positions
    tokens = [net["backbone.cls_token"][0, 0] + positions[0]]
    tokens += [rows[n] + positions[1 + n] for n in kept]
    shown = torch.stack(tokens)
    for number in range(DEPTH):
        shown = block(net, f"backbone.blocks.{number}", shown)
    return normed(net, "backbone.norm", shown)


def block(net: Net, name: str, rows: Tensor) -> Tensor:
    given = affine(net, f"{name}.attn.qkv", normed(net, f"{name}.norm1", rows))
    heads = []
    for head in range(HEADS):
        width = WIDTH // HEADS
        q, k, v = (
            given[:, part * WIDTH + head * width : part * WIDTH + (head + 1) * width]
            for part in range(3)
        )
        heads.append((q @ k.T / math.sqrt(width)).softmax(dim=1) @ v)
    rows = rows + affine(net, f"{name}.attn.proj", torch.cat(heads, dim=1))
    hidden = affine(net, f"{name}.mlp.fc1", normed(net, f"{name}.norm2", rows))
    return rows + affine(net, f"{name}.mlp.fc2", F.gelu(hidden))


def affine(net: Net, name: str, rows: Tensor) -> Tensor:
    """A linear layer with a bias."""
    return rows @ net[f"{name}.weight"].T + net[f"{name}.bias"]


def normed(net: Net, name: str, rows: Tensor) -> Tensor:
    """Layer norm."""
    apart = rows - rows.mean(dim=-1, keepdim=True)
    scaled = apart / (apart.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()
    return scaled * net[f"{name}.weight"] + net[f"{name}.bias"]


def _image(net: Net, name: str, rows: Tensor) -> Tensor:
    """From 4 x 4 places by doubling three times: [B, 3, 32, 32]."""
    shown = affine(net, f"{name}.first", rows).view(len(rows), 8, 4, 4)
    shown = net._norm(f"{name}.layers.0", shown).relu()
    for layer in (3, 7, 11):
        shown = shown.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        shown = F.conv2d(shown, net[f"{name}.layers.{layer}.weight"], padding=1)
        shown = net._norm(f"{name}.layers.{layer + 1}", shown).relu()
    last = affine(net, f"{name}.last.predict", shown.permute(0, 2, 3, 1))
    return last.permute(0, 3, 1, 2)


def adamw_95_on_matrices(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, decay: float
) -> Tensor:
    """AdamW with a second moment over 20 steps, without decay of biases and norms."""
    zero = torch.zeros_like(grad)
    state["t"] = state.get("t", torch.zeros(())) + 1
    state["m"] = 0.9 * state.get("m", zero) + 0.1 * grad
    state["v"] = 0.95 * state.get("v", zero) + 0.05 * grad.square()
    t = int(state["t"])
    first, second = state["m"] / (1 - 0.9**t), state["v"] / (1 - 0.95**t)
    decay = decay if weight.ndim > 1 else 0.0
    return weight - lr * decay * weight - lr * first / (second.sqrt() + 1e-8)
