"""Random views with torchvision's semantics, and plain ones."""

from ilk.views.background import MATCHED, Background, Scenery
from ilk.views.derived import (
    TURNS,
    Chance,
    DerivedView,
    MixedView,
    RoleSwap,
    Rotations,
    ViewRows,
    derive,
)
from ilk.views.draws import Draws, Interpolation
from ilk.views.mixing import Draw, Mixed, Mixing, Strategy, common_snap, mix
from ilk.views.normalise import (
    CIFAR_MEAN,
    CIFAR_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    moments,
    normalise,
)
from ilk.views.pixels import apply
from ilk.views.plain import Plain
from ilk.views.recipes import (
    byol_pair,
    cifar_pair,
    dino_multicrop,
    fitted,
    local_size,
    moco_v2_pair,
    revisited_multicrop,
    simclr_pair,
    swav_multicrop,
    weak,
)
from ilk.views.view import View, draw, needed, render

__all__ = [
    "CIFAR_MEAN",
    "CIFAR_STD",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MATCHED",
    "TURNS",
    "Background",
    "Chance",
    "DerivedView",
    "Draw",
    "Draws",
    "Interpolation",
    "Mixed",
    "MixedView",
    "Mixing",
    "Plain",
    "RoleSwap",
    "Rotations",
    "Scenery",
    "Strategy",
    "View",
    "ViewRows",
    "apply",
    "byol_pair",
    "cifar_pair",
    "common_snap",
    "derive",
    "dino_multicrop",
    "draw",
    "fitted",
    "local_size",
    "mix",
    "moco_v2_pair",
    "moments",
    "needed",
    "normalise",
    "render",
    "revisited_multicrop",
    "simclr_pair",
    "swav_multicrop",
    "weak",
]  # fmt: skip
