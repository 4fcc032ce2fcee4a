"""Protocols that can be trusted: frozen, versioned, everything chosen on train alone."""

from ilk.evaluate.baselines import pixels
from ilk.evaluate.heldout import held_out
from ilk.evaluate.interval import wilson
from ilk.evaluate.protocol import Labelled, Measured, Procedure, Protocol, Task, top1
from ilk.evaluate.result import Result
from ilk.evaluate.suite import PROTOCOLS, evaluate, protocol

__all__ = [
    "PROTOCOLS", "Labelled", "Measured", "Procedure", "Protocol", "Result", "Task", "evaluate",
    "held_out", "pixels", "protocol", "top1", "wilson",
]  # fmt: skip
