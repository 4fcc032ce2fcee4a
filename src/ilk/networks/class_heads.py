"""Class scores of crops and of their patches, as iBOT and DINOv2 have them."""

from ilk.networks.heads import Prototypes, dino_head
from ilk.networks.masked import HIDDEN, MaskToken
from ilk.networks.network import Head, SameAs
from ilk.networks.places import ASKED


def crop_and_patch_heads(
    width: int,
    patch_width: int,
    prototypes: int,
    *,
    hidden: int,
    dim: int,
    patch_dim: int | None,
    learn_scale: bool,
    freeze_epochs: float,
) -> dict[str, Head]:
    """Heads ``projector`` and ``prototypes`` of crops, the same of asked patches, a mask token.

    iBOT, Zhou et al., ICLR 2022, https://arxiv.org/abs/2111.07832, section 3.2: DINO's head,
    which both share, or one each as in DINOv2, Oquab et al., 2023.

    Args:
        width: of the feature and of tokens.
        patch_width: of an embedded patch.
        prototypes: number of classes.
        hidden: width of a projector's layers.
        dim: width of a projection of crops.
        patch_dim: width of a projection of patches, whose head is their own then; None shares.
        learn_scale: of prototypes, see `Prototypes`.
        freeze_epochs: how long prototypes do not move at first.
    """
    last = Prototypes(dim, prototypes, learn_scale=learn_scale)
    heads = {
        "projector": Head(dino_head(width, hidden, dim)),
        "prototypes": Head(last, on="projector", freeze_epochs=freeze_epochs),
        "mask_token": Head(MaskToken(patch_width), on=HIDDEN, teacher=False),
    }
    if patch_dim is None:
        return heads | {
            "patch_projector": Head(SameAs("projector"), on=ASKED),
            "patch_prototypes": Head(SameAs("prototypes"), on="patch_projector"),
        }
    own = Prototypes(patch_dim, prototypes, learn_scale=learn_scale)
    return heads | {
        "patch_projector": Head(dino_head(width, hidden, patch_dim), on=ASKED),
        "patch_prototypes": Head(own, on="patch_projector", freeze_epochs=freeze_epochs),
    }
