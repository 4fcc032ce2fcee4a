"""What a `Learner` has done for it: a run that is shown, and rows with the index of a frame."""

import signal
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int32, Int64
from sklearn.exceptions import NotFittedError

from ilk.core import UserError, shown
from ilk.core.counts import count
from ilk.progress import TrainDisplay, error_console
from ilk.train import Settings

if TYPE_CHECKING:
    from ilk.data import Source
    from ilk.embedding import OnBad
    from ilk.learner.learner import Learner
    from ilk.networks import Classifier, Field

BATCH = 256  # images that are embedded at once


class NotFitted(UserError, NotFittedError):
    """A learner or a search was asked before ``fit``."""


def trained(settings: Settings, X: Any, directory: Path, *, verbose: bool) -> None:
    """Train a run in a directory.

    Args:
        settings: the run's.
        X: the images.
        directory: the run's.
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


def labelled(settings: Settings, X: Any, y: Any) -> tuple[Any, np.ndarray | None]:
    """Images with the classes that a person gives for them, and those classes.

    Args:
        settings: the run's; where it learns from no labels, the images stay as they are.
        X: the images.
        y: a class for each; -1 or an empty name where it is not known. None is none.

    Raises:
        UserError: there is not one for each image, they are of fewer than two classes, or
            a setting says the classes as well.
    """
    from ilk.core.facts import LABEL, Fact
    from ilk.data import WithFacts, open_source
    from ilk.data.labelled import Hidden
    from ilk.train.assemble import method_without_weights

    method = method_without_weights(settings)
    learns = LABEL in method.facts or settings.kin is not None
    if y is None or not learns:
        return X, None
    for name in ("labelled", "labels"):
        if getattr(settings, name) is not None:
            raise UserError(
                f"y: must be left out, for {name} says which images have which class, got both"
            )
    source = open_source(X)
    classes, codes = coded(y, len(source))
    if LABEL in method.facts and len(classes) < 2:
        raise UserError(
            f"y: must have two classes at least for {settings.method}, got {len(classes)}; "
            "negative numbers, empty names, None and NaN are none"
        )
    why = "y gives them none" if (codes < 0).any() else ""
    return WithFacts(
        Hidden(source, why), {LABEL: Fact(tuple(map(str, classes)), codes, why)}
    ), classes


def coded(y: Any, size: int) -> tuple[np.ndarray, Int32[np.ndarray, " N"]]:
    """The classes in ``y`` in their order, and the position of each among them, -1 for none.

    Args:
        y: whole numbers, of which the negative ones are no class, or names, of which an empty
            one is none. None and NaN are none either.
        size: N.

    Raises:
        UserError: there is not one for each image, or they are neither whole numbers nor names.
    """
    from ilk.data.classes import as_values

    given = as_values(y)
    if given.shape != (size,):
        raise UserError(f"y: must be one class for each of {size} images, got {given.shape}")
    if given.dtype.kind not in "iubU":
        given = _without_missing(given)
    known = given != "" if given.dtype.kind == "U" else given >= 0
    codes: Int32[np.ndarray, " N"] = np.full(size, -1, np.int32)
    classes, codes[known] = np.unique(given[known], return_inverse=True)
    return classes, codes


def _without_missing(given: np.ndarray) -> np.ndarray:
    """Names or whole numbers, empty or negative where the class is missing."""
    from ilk.data.classes import plain_label

    try:
        values = [plain_label(one) for one in given.tolist()]
    except ValueError as error:
        raise UserError(f"y: {error}") from error
    if all(isinstance(one, str | None) for one in values):
        return np.array([one or "" for one in values], str)
    if all(isinstance(one, int | None) for one in values):
        return np.array([-1 if one is None else one for one in values])
    raise UserError("y: must be whole numbers or names, got both")


def warn_of(lost: Sequence[Mapping[str, Any]]) -> None:
    """Warn of images that a run could not read.

    Args:
        lost: entries of its record.
    """
    if lost:
        first = shown(f"{lost[0]['key']}: {lost[0]['reason']}")
        warnings.warn(
            f"fit: {count(len(lost), 'image')} could not be read, others are taken in place; "
            f"first {first}",
            stacklevel=3,
        )


def probabilities(
    classifier: "Classifier | None", vectors: Float32[np.ndarray, "N D"], method: str
) -> Float32[np.ndarray, "N K"]:
    """The probability of each class for each vector.

    Args:
        classifier: that was learned with them.
        vectors: one of each image.
        method: that was trained.

    Raises:
        UserError: there is no classifier.
    """
    if classifier is None:
        raise UserError(
            f"predict: the method must learn classes, as fixmatch does, got {method}"
        )
    from torch import from_numpy

    return classifier.probabilities(from_numpy(vectors)).numpy()


def embedded(
    learner: "Learner", source: "Source", title: str, bad: "OnBad", field: "Field" = "feature"
) -> tuple[Float32[np.ndarray, "rows ..."], Int64[np.ndarray, " kept"]]:
    """What an encoder shows of images, and the positions of those that could be read.

    Args:
        learner: whose encoder, device and display.
        source: of the images.
        title: of what is done.
        bad: what becomes of an image that cannot be read.
        field: vectors, maps or tokens.

    Raises:
        UserError: the learner is not fitted, or as in `embed_readable`.
    """
    from ilk.embedding import embed_readable

    if not hasattr(learner, "encoder_"):
        raise NotFitted(f"{title}: the learner must be fitted first; call fit(images)")
    # One batch alone is over before there is something to show.
    console = error_console(quiet=not learner.verbose or len(source) <= BATCH)
    with TrainDisplay(console, title) as display:
        return embed_readable(
            learner.encoder_, source, bad, title=title, device=learner.device, field=field,
            progress=lambda done, of: display.on_step(done, of, {}),
        )  # fmt: skip


def framed(
    vectors: Float32[np.ndarray, "K D"], kept: Int64[np.ndarray, " K"], X: Any, size: int
) -> Any:
    """A pandas frame whose index shows which rows were skipped.

    Args:
        vectors: those of the images that could be read.
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
