"""Every method by name: the one list of them."""

import difflib
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from ilk.core import UserError
from ilk.method import Method, typed_options
from ilk.methods.barlow_twins import BarlowTwins
from ilk.methods.byol import BYOL
from ilk.methods.cmsf import CMSF
from ilk.methods.dac import DAC
from ilk.methods.deepcluster import DeepCluster
from ilk.methods.deepcluster_v2 import DeepClusterV2
from ilk.methods.dino import DINO
from ilk.methods.fnc import FNC
from ilk.methods.ifnd import IFND
from ilk.methods.iic import IIC
from ilk.methods.imsat import IMSAT
from ilk.methods.interclr import InterCLR
from ilk.methods.mochi import MoCHi
from ilk.methods.moco_v2 import MoCoV2
from ilk.methods.moco_v3 import MoCoV3
from ilk.methods.msf import MSF
from ilk.methods.nnclr import NNCLR
from ilk.methods.rekd import ReKD
from ilk.methods.relic_v2 import ReLICv2
from ilk.methods.ressl import ReSSL
from ilk.methods.revisiting import Revisiting
from ilk.methods.simclr import SimCLR
from ilk.methods.simsiam import SimSiam
from ilk.methods.supcon import SupCon
from ilk.methods.swav import SwAV
from ilk.methods.uic import UIC
from ilk.methods.vicreg import VICReg


@runtime_checkable
class Recipe(Protocol):
    """Settings of a method; the defaults are its paper's."""

    def build(self, feature_dim: int, image_size: int) -> Method:
        """Assemble the parts for a backbone that emits ``feature_dim`` features."""
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
}


def recipe(name: str, options: Mapping[str, Any]) -> Recipe:
    """A method's settings with some of them changed.

    Raises:
        UserError: the method or a field is not known, or a value has the wrong type.
    """
    if name not in METHODS:
        close = difflib.get_close_matches(name, METHODS, 1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(METHODS)}"
        raise UserError(f"--method: must be a known method, got {name!r}; {hint}")
    return typed_options(METHODS[name], name, options)
