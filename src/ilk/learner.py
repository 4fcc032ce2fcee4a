"""`Learner`: training and embedding with scikit-learn's manners."""

import inspect
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from ilk.core import UserError


class Learner:
    """Learns an encoder from unlabelled images, then turns images into vectors.

    Parameters are kept as given and checked by ``fit``, so that ``get_params``, ``set_params``
    and ``sklearn.base.clone`` work. All data arguments take whatever ``ilk.data.open_source``
    takes: a folder, an archive, a parquet file, arrays, a data set object.

    Args:
        method: its name, see ``ilk methods``.
        mix: name of a mix, or None.
        kin: a kin rule to add, such as neighbours:5, fnc, fnc-eliminate or labels:0.1, or None.
        method_options: fields of the method that differ from the paper's.
        mix_options: fields of the mix that differ from its defaults.
        kin_options: fields of the kin rule that differ from its defaults.
        optimiser_options: fields of the method's optimisation that differ from the paper's.
        augment: full for the paper's views, no-hue without changes of colour, crops for crops
            and flips alone.
        background: remove, random or swap, such as random:0.2: what happens to the
            backgrounds of views, or None.
        masks: a folder of masks or saliency, where the data do not know their foreground.
        backbone: any timm model, or one of our own small ones; None fits images and machine.
        weights: to begin with: a file, a run, a hub folder or timm:NAME; None is random ones.
        epochs: length of the run; None together with steps and minutes fits the machine: some
            twenty minutes on a processor.
        steps: length in optimiser steps, in place of epochs.
        minutes: length on the clock, in place of epochs.
        image_size: in pixels; None fits the data.
        batch_size: over all devices; None fits method, images and memory.
        lr: peak learning rate; None is the method's.
        seed: of everything random.
        device: auto, cpu, cuda or mps.
        defaults: what is not named is fitted to images and machine, or is the paper's.
        directory: where the run is kept; None is a temporary one.

    Example:
        >>> from ilk import Learner
        >>> Learner("moco-v3", mix="sdmp", epochs=100).get_params()["mix"]
        'sdmp'
    """

    def __init__(
        self,
        method: str = "moco-v3",
        *,
        mix: str | None = None,
        kin: str | None = None,
        method_options: Mapping[str, Any] | None = None,
        mix_options: Mapping[str, Any] | None = None,
        kin_options: Mapping[str, Any] | None = None,
        optimiser_options: Mapping[str, Any] | None = None,
        augment: Literal["full", "no-hue", "crops"] = "full",
        background: str | None = None,
        masks: str | None = None,
        backbone: str | None = None,
        backbone_options: Mapping[str, Any] | None = None,
        weights: str | Path | None = None,
        epochs: float | None = None,
        steps: int | None = None,
        minutes: float | None = None,
        image_size: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        seed: int = 0,
        device: str = "auto",
        defaults: str = "fitted",
        directory: str | Path | None = None,
    ) -> None:
        self.method = method
        self.mix = mix
        self.kin = kin
        self.method_options = method_options
        self.mix_options = mix_options
        self.kin_options = kin_options
        self.optimiser_options = optimiser_options
        self.augment = augment
        self.background = background
        self.masks = masks
        self.backbone = backbone
        self.backbone_options = backbone_options
        self.weights = weights
        self.epochs = epochs
        self.steps = steps
        self.minutes = minutes
        self.image_size = image_size
        self.batch_size = batch_size
        self.lr = lr
        self.seed = seed
        self.device = device
        self.defaults = defaults
        self.directory = directory

    def fit(self, X: Any, y: object = None) -> "Learner":
        """Train on images; labels are not looked at, but by methods and kin rules that say so.

        Raises:
            UserError: a parameter or the data cannot be used.
        """
        from ilk.networks import load_encoder
        from ilk.train import Settings, train

        given: dict[str, Any] = self.get_params()
        given.pop("directory")
        given["weights"] = None if self.weights is None else str(self.weights)
        for name in (name for name in given if name.endswith("_options")):
            given[name] = dict(given[name] or {})
        directory = Path(self.directory or tempfile.mkdtemp(prefix="ilk-"))
        train(Settings(**given), X, directory, _Silent())
        self.directory_ = directory
        self.encoder_ = load_encoder(str(directory))
        self.n_features_out_ = self.encoder_.feature_dim
        return self

    def transform(self, X: Any) -> Float[np.ndarray, "N D"]:
        """One vector per image, in order; a single image gives a single row.

        Raises:
            UserError: the learner is not fitted, or an image cannot be read.
        """
        from ilk.data import open_source
        from ilk.embedding import embed

        made = embed(self._fitted(), open_source(X), device=self.device)
        if made.bad:
            raise UserError(
                f"transform: every image must be readable, {len(made.bad)} are not, first "
                f"{made.bad[0]}; `ilk embed` leaves such images out"
            )
        return made.vectors

    def fit_transform(self, X: Any, y: object = None) -> Float[np.ndarray, "N D"]:
        """Train on images and return their vectors."""
        return self.fit(X).transform(X)

    def score(self, X: Any, y: object = None) -> float:
        """Leave-one-out 20-NN accuracy of labelled images, in [0, 1].

        Args:
            X: labelled images, or any images together with ``y``.
            y: their labels.

        Raises:
            UserError: there are no labels.
        """
        from ilk.data import labels, open_source, unlabelled_because
        from ilk.embedding import leave_one_out

        source = open_source(X)
        known = (
            labels(source) if y is None else np.unique(np.asarray(y), return_inverse=True)[1]
        )
        if len(known) != len(source) or (known < 0).any():
            why = (
                "there is not one in y for each"
                if y is not None
                else unlabelled_because(source)
            )
            raise UserError(f"score: every image must have a label, in the data or in y: {why}")
        return leave_one_out(self.transform(X), known, k=20, temperature=0.07)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, as given."""
        names = list(inspect.signature(Learner.__init__).parameters)[1:]
        return {name: getattr(self, name) for name in names}

    def set_params(self, **params: Any) -> "Learner":
        """Change parameters.

        Raises:
            UserError: a name is not known.
        """
        for name, given in params.items():
            if name not in self.get_params():
                known = ", ".join(self.get_params())
                raise UserError(f"Learner: parameters are {known}, got {name!r}")
            setattr(self, name, given)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(Learner.__init__).parameters
        changed = (
            f"{k}={v!r}" for k, v in self.get_params().items() if v != defaults[k].default
        )
        return f"Learner({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")

    def _fitted(self) -> Any:
        if not self.__sklearn_is_fitted__():
            raise UserError("Learner: must be fitted first; call fit(images)")
        return self.encoder_


class _Silent:
    """A watcher that looks away; messages become warnings."""

    def stepped(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        pass

    def told(self, message: str) -> None:
        import warnings

        warnings.warn(message, stacklevel=2)
