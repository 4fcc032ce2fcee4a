"""`Learner`: training and embedding with scikit-learn's manners."""

import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, fields
from inspect import cleandoc
from pathlib import Path
from re import sub
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
from jaxtyping import Float32
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from ilk.core import UserError, shown
from ilk.learner.work import coded, embedded, framed, labelled, probabilities, trained, warn_of
from ilk.train import Settings, checked_settings

if TYPE_CHECKING:
    from ilk.networks import Encoder


@dataclass(eq=False, repr=False)
class Learner(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learns an encoder from unlabelled images, then turns images into vectors.

    All settings of a run are parameters. They are kept as given and checked by ``fit``, so that
    ``get_params``, ``set_params``, ``sklearn.base.clone`` and searches over parameters work.
    Images are whatever ``ilk.data.open_source`` takes: a folder, an archive, a parquet file, a
    data set object, one array of images, or a list of paths, Pillow images and arrays, of any
    sizes and mixed as you like.

    Args:
        (the settings of a run: as in `ilk.train.Settings`, put here when this is loaded)
        directory: where the run is kept, a folder without a run. None makes one in the
            temporary folder of the system, which is not removed.
        bad: what becomes of an image that cannot be read. ``skip`` leaves it out: ``fit`` takes
            others in its place, up to ``max_bad_share``, ``transform`` gives it no row and
            ``kept_`` holds the positions of those that have one; both warn. ``nan`` differs in
            ``transform`` alone, which gives it a row of NaN. ``error`` refuses it in both.
        verbose: whether the plan and a progress bar are shown on standard error while ``fit``
            and long calls of ``transform`` work; without a terminal, a line each half minute.

    Attributes:
        encoder_: what was learned, an `ilk.networks.Encoder`.
        n_features_out_: D, the length of a vector.
        directory_: the folder of the run.
        kept_: after ``transform``, the positions of the images that could be read.
        classes_: what ``predict`` chooses from, where the method has learned classes.
        classifier_: likewise, an `ilk.networks.Classifier`.

    Example:
        >>> from ilk import Learner
        >>> Learner("moco-v3", mix="sdmp", epochs=100)
        Learner(epochs=100, mix='sdmp')
    """

    # A test holds these to `ilk.train.Settings`: names, order, types and defaults.
    method: str = "moco-v3"
    _: KW_ONLY
    method_options: Mapping[str, Any] | None = None
    mix: str | None = None
    mix_options: Mapping[str, Any] | None = None
    kin: str | None = None
    kin_options: Mapping[str, Any] | None = None
    optimiser_options: Mapping[str, Any] | None = None
    augment: Literal["full", "no-hue", "crops"] = "full"
    background: str | None = None
    masks: str | Path | None = None
    backbone: str | None = None
    backbone_options: Mapping[str, Any] | None = None
    weights: str | Path | None = None
    labelled: str | Path | None = None
    labels: str | Path | None = None
    subset: str | Path | None = None
    anchor: str | None = None
    tune: Literal["auto", "lora", "last", "norms", "full"] | None = None
    tune_options: Mapping[str, Any] | None = None
    guard: Literal["auto", "off"] = "auto"
    guard_every: float | None = None
    image_size: int | None = None
    channels: int = 3
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    batch_size: int | None = None
    accumulate: int = 1
    lr: float | None = None
    seed: int = 0
    workers: int | None = None
    checkpoint_every: int | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    compile: bool = False
    knn_every: float | None = None
    max_bad_share: float = 0.1
    stop_on_collapse: bool = False
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    profile: bool = False
    defaults: Literal["fitted", "paper"] = "fitted"
    # Its own.
    directory: str | Path | None = None
    bad: Literal["skip", "nan", "error"] = "skip"
    verbose: bool = True

    def fit(self, X: Any, y: Any = None) -> "Learner":
        """Train on images.

        Args:
            X: the images. Labels that they come with are used by the online k-NN score, and by
                methods and kin rules that say so.
            y: a class for each image, a name or a number, in the place of labels that the
                images come with; -1, an empty name, None and NaN are unlabelled. It is not
                looked at where the method learns from no labels.

        Raises:
            UserError: a parameter or the data cannot be used.
            KeyboardInterrupt: by Ctrl-C, after a checkpoint.
            ilk.train.Interrupted: by SIGTERM or SIGHUP, after a checkpoint.
            ilk.train.Collapsed: the features collapsed and ``stop_on_collapse`` is set.
        """
        from ilk.train import read_record

        settings = self._settings()
        directory = Path(self.directory or tempfile.mkdtemp(prefix="ilk-"))
        try:
            data, classes = labelled(settings, X, y)
            trained(settings, data, directory, verbose=self.verbose)
        finally:
            if self.directory is None:
                with suppress(OSError):
                    directory.rmdir()  # goes through where the run did not begin
        self._read(directory, classes)
        warn_of(read_record(directory)["bad_files"])
        return self

    @classmethod
    def load(cls, directory: str | Path) -> "Learner":
        """A fitted learner from the folder of a run, whichever way it was trained.

        Its parameters are the settings of the run with what was chosen for it. Device, number
        of threads and ``directory`` are left open: another ``fit`` makes another run.

        Raises:
            UserError: the folder holds no run, or no encoder yet.
        """
        from ilk.train import read_record, settings_asked
        from ilk.train.records.record import recorded_settings

        folder = Path(directory)
        record = read_record(folder)
        chosen = recorded_settings(record | {"settings": settings_asked(folder, record)})
        settings = chosen.as_record() | {"device": "auto", "workers": None}
        given: dict[str, Any] = {
            name: None if value == {} else value for name, value in settings.items()
        }
        learner = cls(**given)
        learner._read(folder)
        if record["status"] != "finished":
            warnings.warn(
                f"load: the run in {shown(str(folder))} has not finished, its encoder is of "
                f"step {record.get('step', 0)} of {record['length']['steps']}",
                stacklevel=2,
            )
        return learner

    def transform(self, X: Any) -> Any:
        """One vector per image, in order; a single image gives a single row.

        Returns:
            Vectors [N, D], float32: an array, or the data frame that ``set_output`` asks for.

        Raises:
            UserError: the learner is not fitted, these are no images, or one cannot be read
                and ``bad`` is ``error``.
        """
        from ilk.data import open_source

        source = open_source(X)
        self._check_own()
        rows, self.kept_ = embedded(self, source, "transform", self.bad)
        everywhere = get_config()["transform_output"]
        asked = getattr(self, "_sklearn_output_config", {}).get("transform", everywhere)
        if len(rows) == len(source) or asked != "pandas":
            return rows
        return framed(rows, self.kept_, X, len(source))

    def places(
        self, X: Any, field: Literal["tokens", "map"] = "tokens"
    ) -> Float32[np.ndarray, "N D *rest"]:
        """The places of each image in the place of one vector, in memory; as ``transform``.

        Args:
            X: images.
            field: ``tokens`` [N, T, D], or ``map`` [N, D, H, W], which is pooled into a vector.

        Raises:
            UserError: as in ``transform``, or the backbone shows no places.
        """
        from ilk.data import open_source

        self._check_own()
        rows, self.kept_ = embedded(self, open_source(X), "places", self.bad, field)
        return rows

    def predict_proba(self, X: Any) -> Float32[np.ndarray, "N K"]:
        """The probability of each of ``classes_``, for every image that can be read, in order.

        Raises:
            UserError: as in ``transform``, or the learner has learned no classes.
        """
        from ilk.data import open_source

        self._check_own()
        bad = "error" if self.bad == "error" else "skip"
        rows, self.kept_ = embedded(self, open_source(X), "predict", bad)
        return probabilities(getattr(self, "classifier_", None), rows, self.method)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable of ``classes_`` for each image; errors as in ``predict_proba``."""
        found = self.predict_proba(X)  # first, for it says what is not fitted
        return self.classes_[found.argmax(axis=1)]

    def score(self, X: Any, y: Any = None) -> float:
        """Leave-one-out 20-NN accuracy of the labelled images that can be read, in [0, 1].

        Args:
            X: labelled images, or any images together with ``y``.
            y: their labels.

        Raises:
            UserError: there are no labels.
        """
        from ilk.data import labels, open_source, unlabelled_because
        from ilk.embedding import leave_one_out

        source = open_source(X)
        known = labels(source) if y is None else coded(y, len(source))[1]
        if (known < 0).any():
            why = unlabelled_because(source) if y is None else "there is not one in y for each"
            raise UserError(f"score: every image must have a label, in the data or in y: {why}")
        self._check_own()
        bad = "error" if self.bad == "error" else "skip"
        rows, kept = embedded(self, source, "score", bad)
        return leave_one_out(rows, known[kept], k=20, temperature=0.07)

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may take for granted: images are no table of numbers."""
        tags: Any = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    @property
    def _n_features_out(self) -> int:
        """By this name scikit-learn asks, to name the columns learner0, learner1 and so on."""
        return self.n_features_out_

    def _settings(self) -> Settings:
        """The settings of a run; errors name the parameter."""
        self._check_own()
        given = {field.name: getattr(self, field.name) for field in fields(Settings)}
        if self.bad == "error":
            given["max_bad_share"] = 0.0
        return checked_settings(given)

    def _check_own(self) -> None:
        from ilk.embedding import OnBad

        if self.bad not in get_args(OnBad):
            choices = ", ".join(get_args(OnBad))
            raise UserError(f"bad: must be one of {choices}, got {self.bad!r}")
        place = cast("object", self.directory)
        if not isinstance(place, str | Path | None):
            raise UserError(f"directory: must be a path or None, got {place!r}")

    def _read(self, directory: Path, classes: np.ndarray | None = None) -> None:
        from ilk.networks import Classifier, load_classifier, load_encoder
        from ilk.networks.classifier import CLASSIFIER

        self.encoder_: Encoder = load_encoder(str(directory))
        self.n_features_out_ = self.encoder_.feature_dim
        self.directory_ = directory
        if (directory / CLASSIFIER).exists():
            self.classifier_: Classifier = load_classifier(directory, self.encoder_)
            names = np.array(self.classifier_.classes)
            self.classes_ = names if classes is None else classes
        else:
            vars(self).pop("classifier_", None)
            vars(self).pop("classes_", None)


if Learner.__doc__ and Settings.__doc__:  # python -OO leaves them out
    _ARGS = cleandoc(Settings.__doc__).partition("Args:\n")[2].rstrip()
    Learner.__doc__ = sub(r" *\(the settings of a run.*\)", _ARGS, cleandoc(Learner.__doc__))
