"""A plan that was made: what a run does and takes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ilk.train.length import Length
from ilk.train.planning.packing import Gain
from ilk.train.planning.survey import Survey
from ilk.train.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run does and takes.

    Args:
        settings: with nothing left open.
        length: in steps.
        survey: a survey of the images.
        chosen: what was not named and is not the paper's, by name.
        mixing: why images are mixed or not; empty where that was named.
        seconds: seconds of the whole run, scores included; None when it was not measured.
        step_seconds: seconds of a step, likewise.
        memory: the most that will be held, in bytes, likewise.
        reachable: what may be held, in bytes.
        packing: what it would change to pack the images; None where it cannot help.
        warnings: what a person should know, in sentences.
    """

    settings: Settings
    length: Length
    survey: Survey
    chosen: Mapping[str, Any]
    mixing: str = ""
    seconds: float | None = None
    step_seconds: float | None = None
    memory: int | None = None
    reachable: int = 0
    packing: Gain | None = None
    warnings: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """For run.json."""
        return {
            "survey": asdict(self.survey),
            "chosen": dict(self.chosen),
            **({"mixing": self.mixing} if self.mixing else {}),
            "seconds": self.seconds,
            "step_seconds": self.step_seconds,
            "memory": self.memory,
            "reachable_memory": self.reachable,
            "packing": None if self.packing is None else asdict(self.packing),
            "warnings": list(self.warnings),
        }
