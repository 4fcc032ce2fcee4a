"""What every other part speaks: errors, seeding, schedules, compositions and rows."""

from ilk.core.composition import NOBODY, Composition, overlap
from ilk.core.errors import UserError
from ilk.core.rows import Field, Kin, KinRule, Look, Objective, Output, Role, Rows, mixed
from ilk.core.schedules import Cosine, Progress, Ramp, Scalar, WarmCosine, value
from ilk.core.scores import full, similarities

__all__ = [
    "NOBODY",
    "Composition",
    "Cosine",
    "Field",
    "Kin",
    "KinRule",
    "Look",
    "Objective",
    "Output",
    "Progress",
    "Ramp",
    "Role",
    "Rows",
    "Scalar",
    "UserError",
    "WarmCosine",
    "full",
    "mixed",
    "overlap",
    "similarities",
    "value",
]
