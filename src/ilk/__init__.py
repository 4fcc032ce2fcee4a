"""Learn visual representations from unlabelled images."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ilk.core.version import VERSION as __version__  # noqa: N811
    from ilk.learner import Learner

__all__ = ["Learner", "__version__"]


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: the command line starts without torch."""
    if name == "Learner":
        from ilk.learner import Learner

        return Learner
    if name == "__version__":
        from ilk.core.version import VERSION

        return VERSION
    raise AttributeError(f"module 'ilk' has no attribute {name!r}")
