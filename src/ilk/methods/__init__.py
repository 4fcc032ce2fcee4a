"""Every method by name: the one list of them."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from ilk.core import UserError
from ilk.core.names import suggestion
from ilk.method import Given, Method, Staged, check_ranges, typed_changes, typed_options
from ilk.methods.amdim import AMDIM
from ilk.methods.barlow_twins import BarlowTwins
from ilk.methods.byol import BYOL
from ilk.methods.cmsf import CMSF
from ilk.methods.colorization import Colorization
from ilk.methods.context import Context
from ilk.methods.cpc import CPC
from ilk.methods.dac import DAC
from ilk.methods.dcl import DCL
from ilk.methods.deepcluster import DeepCluster
from ilk.methods.deepcluster_v2 import DeepClusterV2
from ilk.methods.denoising import DenoisingAutoencoder
from ilk.methods.densecl import DenseCL
from ilk.methods.diet import DIET
from ilk.methods.dim import DIM
from ilk.methods.dino import DINO
from ilk.methods.dinov2 import DINOv2
from ilk.methods.distill import Distill
from ilk.methods.exemplar import Exemplar
from ilk.methods.fast_swa import FastSWA
from ilk.methods.fixmatch import FixMatch
from ilk.methods.flexmatch import FlexMatch
from ilk.methods.fnc import FNC
from ilk.methods.i_jepa import IJEPA
from ilk.methods.ibot import IBOT
from ilk.methods.ifnd import IFND
from ilk.methods.iic import IIC
from ilk.methods.imsat import IMSAT
from ilk.methods.inpainting import Inpainting
from ilk.methods.interclr import InterCLR
from ilk.methods.jigsaw import Jigsaw
from ilk.methods.mae import MAE
from ilk.methods.mean_teacher import MeanTeacher
from ilk.methods.mixmatch import MixMatch
from ilk.methods.mochi import MoCHi
from ilk.methods.moco_v2 import MoCoV2
from ilk.methods.moco_v3 import RECIPES as MOCO_V3_RECIPES
from ilk.methods.moco_v3 import MoCoV3
from ilk.methods.msf import MSF
from ilk.methods.msn import MSN
from ilk.methods.nnclr import NNCLR
from ilk.methods.noisy_student import NoisyStudent
from ilk.methods.pi_model import PiModel
from ilk.methods.pseudo_label import PseudoLabel
from ilk.methods.rekd import ReKD
from ilk.methods.relic_v2 import ReLICv2
from ilk.methods.ressl import ReSSL
from ilk.methods.revisiting import Revisiting
from ilk.methods.rotation import Rotation
from ilk.methods.s4l_exemplar import S4LExemplar
from ilk.methods.s4l_moam import S4LMOAM
from ilk.methods.s4l_rotation import S4LRotation
from ilk.methods.simclr import SimCLR
from ilk.methods.simmim import SimMIM
from ilk.methods.simsiam import SimSiam
from ilk.methods.supcon import SupCon
from ilk.methods.supervised import Supervised
from ilk.methods.swav import SwAV
from ilk.methods.temporal_ensembling import TemporalEnsembling
from ilk.methods.tico import TiCo
from ilk.methods.uda import UDA
from ilk.methods.uic import UIC
from ilk.methods.variational import VariationalAutoencoder
from ilk.methods.vat import VAT
from ilk.methods.vat_entmin import VATEntMin
from ilk.methods.vicreg import VICReg
from ilk.methods.vicregl import VICRegL
from ilk.methods.w_mse import WMSE


@runtime_checkable
class Recipe(Protocol):
    """Settings of a method; the defaults are its paper's."""

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        ...


METHODS: Mapping[str, type[Recipe]] = {
    "simclr": SimCLR,
    "moco-v2": MoCoV2,
    "moco-v3": MoCoV3,
    "byol": BYOL,
    "simsiam": SimSiam,
    "barlow-twins": BarlowTwins,
    "vicreg": VICReg,
    "swav": SwAV,
    "dino": DINO,
    "nnclr": NNCLR,
    "fnc": FNC,
    "supcon": SupCon,
    "ressl": ReSSL,
    "msf": MSF,
    "cmsf": CMSF,
    "ifnd": IFND,
    "deepcluster-v2": DeepClusterV2,
    "mochi": MoCHi,
    "relic-v2": ReLICv2,
    "iic": IIC,
    "imsat": IMSAT,
    "dac": DAC,
    "uic": UIC,
    "deepcluster": DeepCluster,
    "rekd": ReKD,
    "interclr": InterCLR,
    "revisiting": Revisiting,
    "rotation": Rotation,
    "w-mse": WMSE,
    "diet": DIET,
    "distill": Distill,
    "supervised": Supervised,
    "noisy-student": NoisyStudent,
    "fixmatch": FixMatch,
    "flexmatch": FlexMatch,
    "uda": UDA,
    "mixmatch": MixMatch,
    "s4l-rotation": S4LRotation,
    "s4l-exemplar": S4LExemplar,
    "s4l-moam": S4LMOAM,
    "pseudo-label": PseudoLabel,
    "pi-model": PiModel,
    "temporal-ensembling": TemporalEnsembling,
    "mean-teacher": MeanTeacher,
    "fast-swa": FastSWA,
    "vat": VAT,
    "vat-entmin": VATEntMin,
    "mae": MAE,
    "simmim": SimMIM,
    "denoising": DenoisingAutoencoder,
    "variational": VariationalAutoencoder,
    "inpainting": Inpainting,
    "colorization": Colorization,
    "densecl": DenseCL,
    "vicregl": VICRegL,
    "context": Context,
    "jigsaw": Jigsaw,
    "exemplar": Exemplar,
    "dcl": DCL,
    "tico": TiCo,
    "ibot": IBOT,
    "dinov2": DINOv2,
    "i-jepa": IJEPA,
    "dim": DIM,
    "amdim": AMDIM,
    "cpc": CPC,
    "msn": MSN,
}


# Settings that a paper has beside the defaults, by the word for --set recipe=WORD.
RECIPES: Mapping[str, Mapping[str, Recipe]] = {"moco-v3": MOCO_V3_RECIPES}


def whole_recipe(name: str) -> Recipe:
    """A method's default settings with all of its parts, to be described.

    Those of a method in stages are as in a stage that learns from an earlier one.
    """
    made = recipe(name, {})
    return recipe(name, {"pseudo_labels": "table"}) if isinstance(made, Staged) else made


def recipe(name: str, options: Mapping[str, Any]) -> Recipe:
    """A method's settings with some of them changed.

    Args:
        name: of the method.
        options: by field; ``recipe`` names the settings that the others change, where a method
            has several.

    Raises:
        UserError: the method, a recipe or a field is not known, or a value has the wrong type
            or is out of its range.
    """
    made = _recipe(name, options)
    check_ranges(name, made, options.keys() - {"recipe"})
    return made


def _recipe(name: str, options: Mapping[str, Any]) -> Recipe:
    if name not in METHODS:
        hint = suggestion("method", name)
        raise UserError(f"method: must be a known method, got {name!r}; {hint}")
    known = RECIPES.get(name, {})
    if "recipe" not in options or not known:
        return typed_options(METHODS[name], name, options)
    word = options["recipe"]
    if not isinstance(word, str) or word not in known:
        raise UserError(f"{name}: recipe must be one of {', '.join(known)}, got {word!r}")
    changes = {field: value for field, value in options.items() if field != "recipe"}
    return typed_changes(known[word], name, changes)
