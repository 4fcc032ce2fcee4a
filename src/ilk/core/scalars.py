"""A number that is fixed or changes while training."""

from ilk.core.errors import UserError
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

Scalar = (
    float
    | Cosine
    | Line
    | Ramp
    | StepRamp
    | WarmCosine
    | SigmoidRamp
    | WarmMomentum
    | MeanMomentum
    | CyclicCosine
    | SignalAnnealing
)


def check_probability(name: str, scalar: Scalar) -> None:
    """Refuse a fixed number that is no probability.

    Args:
        name: what the field is called.
        scalar: its value; one that changes is not looked at.

    Raises:
        UserError: it is below 0 or above 1.
    """
    if isinstance(scalar, int | float) and not 0 <= scalar <= 1:
        raise UserError(f"{name}: must be a probability, 0 to 1, got {scalar:g}")


def value(scalar: Scalar, progress: Progress) -> float:
    """A plain number, whatever kind of scalar it is."""
    return scalar if isinstance(scalar, int | float) else scalar(progress)
