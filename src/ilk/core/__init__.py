"""What every other part speaks: errors, seeding, schedules, compositions and rows.

What needs torch is loaded when it is asked for: an error of the command line does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ilk.core.errors import UserError
from ilk.core.files import check_writable, replacing, sweep, sweep_old, write_whole
from ilk.core.locks import Busy, Holder, holder, lock
from ilk.core.min_pixels import MinPixels
from ilk.core.scalars import Scalar, check_probability, value
from ilk.core.schedules import (
    Cosine,
    CyclicCosine,
    Line,
    MeanMomentum,
    Progress,
    Ramp,
    SigmoidRamp,
    SignalAnnealing,
    StepRamp,
    WarmCosine,
    WarmMomentum,
)
from ilk.core.shown import shown, stored
from ilk.core.unknown import UNKNOWN

if TYPE_CHECKING:
    from ilk.core.composition import Composition, overlap
    from ilk.core.hashing import hash_uniform, paired
    from ilk.core.kin import AlignedKin, Kin
    from ilk.core.masks import Mask
    from ilk.core.rows import (
        AlignedObjective,
        AlignedRule,
        HeadName,
        KinRule,
        MemoryName,
        Mixability,
        NegativeSynthesis,
        Objective,
        Output,
        Role,
        RowFacts,
        Rows,
        StepContext,
        ViewName,
    )
    from ilk.core.scores import full, row_similarities, similarities

# No name may be that of a module here, which would come in its place.
_HOMES = {
    "composition": "Composition overlap",
    "hashing": "hash_uniform paired",
    "kin": "AlignedKin Kin",
    "masks": "Mask",
    "rows": "AlignedObjective AlignedRule HeadName KinRule MemoryName "
    "Mixability NegativeSynthesis Objective Output Role RowFacts Rows StepContext ViewName",
    "scores": "full row_similarities similarities",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "UNKNOWN",
    "AlignedKin",
    "AlignedObjective",
    "AlignedRule",
    "Busy",
    "Composition",
    "Cosine",
    "CyclicCosine",
    "HeadName",
    "Holder",
    "Kin",
    "KinRule",
    "Line",
    "Mask",
    "MeanMomentum",
    "MemoryName",
    "MinPixels",
    "Mixability",
    "NegativeSynthesis",
    "Objective",
    "Output",
    "Progress",
    "Ramp",
    "Role",
    "RowFacts",
    "Rows",
    "Scalar",
    "SigmoidRamp",
    "SignalAnnealing",
    "StepContext",
    "StepRamp",
    "UserError",
    "ViewName",
    "WarmCosine",
    "WarmMomentum",
    "check_probability",
    "check_writable",
    "full",
    "hash_uniform",
    "holder",
    "lock",
    "overlap",
    "paired",
    "replacing",
    "row_similarities",
    "shown",
    "similarities",
    "stored",
    "sweep",
    "sweep_old",
    "value",
    "write_whole",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
