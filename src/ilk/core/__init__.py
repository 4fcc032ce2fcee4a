"""What every other part speaks: errors, seeding, schedules, compositions and rows."""

from ilk.core.composition import NOBODY, Composition, overlap
from ilk.core.detail import Detail
from ilk.core.errors import UserError
from ilk.core.files import check_writable, replacing, sweep, write_whole
from ilk.core.locks import Holder, holder, lock
from ilk.core.lots import lots, paired
from ilk.core.rows import (
    Field,
    Kin,
    KinRule,
    Look,
    Objective,
    Output,
    Role,
    Rows,
    Synthesis,
    mixed,
)
from ilk.core.schedules import Cosine, Line, Progress, Ramp, Scalar, WarmCosine, value
from ilk.core.scores import full, similarities
from ilk.core.shown import shown, stored

__all__ = [
    "NOBODY",
    "Composition",
    "Cosine",
    "Detail",
    "Field",
    "Holder",
    "Kin",
    "KinRule",
    "Line",
    "Look",
    "Objective",
    "Output",
    "Progress",
    "Ramp",
    "Role",
    "Rows",
    "Scalar",
    "Synthesis",
    "UserError",
    "WarmCosine",
    "check_writable",
    "full",
    "holder",
    "lock",
    "lots",
    "mixed",
    "overlap",
    "paired",
    "replacing",
    "shown",
    "similarities",
    "stored",
    "sweep",
    "value",
    "write_whole",
]
