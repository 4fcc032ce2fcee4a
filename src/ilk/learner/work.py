"""What a `Learner` has done for it: a run that is shown, and rows with the index of a frame."""

import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from ilk.core import shown
from ilk.progress import TrainDisplay, error_console
from ilk.train import Settings


def trained(settings: Settings, X: Any, directory: Path, *, verbose: bool) -> None:
    """Train a run in a directory.

    Args:
        settings: of the run.
        X: the images.
        directory: of the run.
        verbose: whether plan and progress are shown.

    Raises:
        UserError: a setting or the data cannot be used.
        KeyboardInterrupt: by Ctrl-C, after a checkpoint.
        ilk.train.Interrupted: by SIGTERM or SIGHUP, after a checkpoint.
        ilk.train.Collapsed: the features collapsed and ``stop_on_collapse`` is set.
    """
    from ilk.train import Collapsed, Interrupted, Worsened, train

    console = error_console(quiet=not verbose)

    def say(line: str) -> None:
        console.print(shown(line), markup=False, highlight=False, soft_wrap=True)

    try:
        with TrainDisplay(console, "fit", tell=_warn) as display:
            train(settings, X, directory, display, say if verbose else None)
    except Worsened as stop:  # what it leaves is an encoder no worse than the start
        warnings.warn(f"fit: {stop}", stacklevel=4)
    except (Collapsed, Interrupted) as stop:
        stop.add_note(f"The run is kept in {directory}.")
        if isinstance(stop, Interrupted) and stop.exit_code == 128 + signal.SIGINT:
            raise KeyboardInterrupt(f"the run is kept in {directory}") from stop
        raise


def framed(
    vectors: Float32[np.ndarray, "K D"], kept: Int64[np.ndarray, " K"], X: Any, size: int
) -> Any:
    """A pandas frame whose index shows which rows were skipped.

    Args:
        vectors: of the images that could be read.
        kept: their positions.
        X: the images as they were given; an index that it has is kept.
        size: number of images.
    """
    import pandas

    index = X.index if isinstance(X, pandas.Series) else pandas.RangeIndex(size)
    return pandas.DataFrame(vectors, index=index[kept])


def _warn(message: str) -> None:
    """Messages of a run are warnings, which a program can catch."""
    warnings.warn(message, stacklevel=3)
