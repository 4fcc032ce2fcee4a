"""Which places of an image a network looks at.

Axes: B images, N tokens, H W places, C channels, D of a head, h heads.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ilk.networks.places import FEATURE, MAP, feature_and_places

CLASS_TOKEN = "attention of the class token"
POOLING = "attention of the pooling query"
LIKENESS = "similarity of each place to the feature"


class Looked(NamedTuple):
    """What a network made of some images.

    Args:
        places: the map before pooling.
        weights: what each place counts; attention of an image sums to one at most, since some
            of it is paid to tokens of no place, and similarity lies in [-1, 1].
        kind: what the weights are, in words.
    """

    places: Float[Tensor, "B C H W"]
    weights: Float[Tensor, "B H W"]
    kind: str


@torch.no_grad()
def looked_at(backbone: nn.Module, images: Float[Tensor, "B _ S S"]) -> Looked:
    """The map of a backbone, and how much each place of it counts.

    Of a vision transformer the attention of the class token in the last block, as DINO shows it
    (Caron et al., ICCV 2021, https://arxiv.org/abs/2104.14294, figure 1), the mean over heads;
    where a query pools all tokens, its attention. Of all others, the cosine similarity of each
    place to the feature, or to the mean of all places where the feature is of another width.

    Args:
        backbone: a timm model or one of our own, in evaluation mode.
        images: normalised.

    Raises:
        ValueError: the backbone has no places.
    """
    module, query = _reader(backbone)
    caught: list[Tensor] = []
    handle = None
    if module is not None:
        handle = module.register_forward_pre_hook(lambda _m, given: caught.append(given[0]))
    try:
        shown = feature_and_places(backbone, images)
    finally:
        if handle is not None:
            handle.remove()
    places = shown[MAP].float()
    if module is None or not caught:
        return Looked(places, _likeness(places, shown[FEATURE].float()), LIKENESS)
    weights = query(module, caught[-1])
    kind = CLASS_TOKEN if query is _of_class_token else POOLING
    height, width = places.shape[2:]
    ours = weights[:, -height * width :].float()  # tokens of no place are first
    return Looked(places, ours.unflatten(1, (height, width)), kind)


Query = Callable[[Any, Tensor], Tensor]


def _reader(backbone: nn.Module) -> tuple[nn.Module | None, Query]:
    """The module whose attention is shown, where it is one that can be read."""
    from timm.layers.attention import Attention
    from timm.layers.attention_pool import AttentionPoolLatent

    network: Any = backbone
    pooling = getattr(network, "attn_pool", None)
    if type(pooling) is AttentionPoolLatent:
        return pooling, _of_pooling
    blocks = getattr(network, "blocks", None)
    last = getattr(blocks[-1], "attn", None) if blocks is not None and len(blocks) else None
    first = bool(getattr(network, "has_class_token", False))
    return (last if type(last) is Attention and first else None), _of_class_token


def _of_class_token(module: Any, tokens: Tensor) -> Float[Tensor, "B N"]:
    """What the first token's query attends to, the mean over heads."""
    parts = module.qkv(tokens).unflatten(2, (3, module.num_heads, -1)).permute(2, 0, 3, 1, 4)
    return _attention(module, parts[0][:, :, :1], parts[1])


def _of_pooling(module: Any, tokens: Tensor) -> Float[Tensor, "B N"]:
    """What the learned queries attend to, the mean over them and over heads."""
    if module.pos_embed is not None:
        tokens = tokens + module.pos_embed.unsqueeze(0)
    keys = module.kv(tokens).unflatten(2, (2, module.num_heads, -1)).permute(2, 0, 3, 1, 4)[0]
    queries = module.q(module.latent.expand(len(tokens), -1, -1))
    queries = queries.unflatten(2, (module.num_heads, -1)).transpose(1, 2)
    return _attention(module, queries, keys)


def _attention(
    module: Any, queries: Float[Tensor, "B h _ D"], keys: Float[Tensor, "B h N D"]
) -> Float[Tensor, "B N"]:
    queries, keys = module.q_norm(queries), module.k_norm(keys)
    weights = (queries * module.scale) @ keys.transpose(2, 3)
    return weights.softmax(dim=3).mean(dim=(1, 2))


def _likeness(
    places: Float[Tensor, "B C H W"], feature: Float[Tensor, "B _"]
) -> Float[Tensor, "B H W"]:
    same = feature.ndim == 2 and feature.shape[1] == places.shape[1]
    centre = feature if same else places.mean((2, 3))
    return F.cosine_similarity(places, centre[:, :, None, None], dim=1)
