"""How images, clips and windows are looked at: random views, and plain ones to measure."""

from ilk.views.adversarial import AdversarialView
from ilk.views.background import MATCHED, Background, Scenery
from ilk.views.clip import ClipView, PlainClip
from ilk.views.ctaugment import BINS, CTAugment
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
from ilk.views.image_view import ImageView, draw
from ilk.views.masked import MaskedView, masked_crops
from ilk.views.masks import (
    BlockCells,
    MaskChance,
    MaskSampler,
    RandomCells,
    least_block,
    mask_unit,
)
from ilk.views.mixed import Mixed, mix
from ilk.views.mixing import Draw, Mixing, Strategy, common_snap
from ilk.views.multi_block import MultiBlock
from ilk.views.noisy import GreyView, NoisyView
from ilk.views.normalise import (
    CIFAR_MEAN,
    CIFAR_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Moments,
    moments,
    normalise,
)
from ilk.views.operations import HUE_CHANGING, NAMES, Policy
from ilk.views.orders import orders
from ilk.views.patch_grid import PatchGrid
from ilk.views.pixels import apply
from ilk.views.plain import Plain
from ilk.views.randaugment import RandAugment, RandomMagnitudes
from ilk.views.recipes import (
    amdim_pair,
    bicubic_crop,
    byol_pair,
    cifar_pair,
    diet_view,
    dino_multicrop,
    fitted,
    fixmatch_views,
    local_size,
    moco_v2_pair,
    revisited_multicrop,
    shifted,
    simclr_pair,
    strong,
    swav_multicrop,
    weak,
)
from ilk.views.rendering import needed, plain_view, render, tasks_of
from ilk.views.sides import check_sides
from ilk.views.tiles import Colours, Shuffled, Tiles, mosaic, nine_tiles
from ilk.views.union import UnionMix
from ilk.views.view import View
from ilk.views.window import PlainWindow, WindowView

__all__ = [
    "BINS",
    "CIFAR_MEAN",
    "CIFAR_STD",
    "HUE_CHANGING",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MATCHED",
    "NAMES",
    "TURNS",
    "AdversarialView",
    "Background",
    "BlockCells",
    "CTAugment",
    "Chance",
    "ClipView",
    "Colours",
    "DerivedView",
    "Draw",
    "Draws",
    "GreyView",
    "ImageView",
    "Interpolation",
    "MaskChance",
    "MaskSampler",
    "MaskedView",
    "Mixed",
    "MixedView",
    "Mixing",
    "Moments",
    "MultiBlock",
    "NoisyView",
    "PatchGrid",
    "Plain",
    "PlainClip",
    "PlainWindow",
    "Policy",
    "RandAugment",
    "RandomCells",
    "RandomMagnitudes",
    "RoleSwap",
    "Rotations",
    "Scenery",
    "Shuffled",
    "Strategy",
    "Tiles",
    "UnionMix",
    "View",
    "ViewRows",
    "WindowView",
    "amdim_pair",
    "apply",
    "bicubic_crop",
    "byol_pair",
    "check_sides",
    "cifar_pair",
    "common_snap",
    "derive",
    "diet_view",
    "dino_multicrop",
    "draw",
    "fitted",
    "fixmatch_views",
    "least_block",
    "local_size",
    "mask_unit",
    "masked_crops",
    "mix",
    "moco_v2_pair",
    "moments",
    "mosaic",
    "needed",
    "nine_tiles",
    "normalise",
    "orders",
    "plain_view",
    "render",
    "revisited_multicrop",
    "shifted",
    "simclr_pair",
    "strong",
    "swav_multicrop",
    "tasks_of",
    "weak",
]  # fmt: skip
