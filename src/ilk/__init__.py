"""Learn visual representations from unlabelled images."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ilk.core.version import VERSION as __version__  # noqa: N811
    from ilk.learner import Learner, NearestNeighbors

__all__ = ["Learner", "NearestNeighbors", "__version__"]


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: the command line starts without torch."""
    if name in {"Learner", "NearestNeighbors"}:
        from ilk import learner

        return getattr(learner, name)
    if name == "__version__":
        from ilk.core.version import VERSION

        return VERSION
    raise AttributeError(f"module 'ilk' has no attribute {name!r}")
