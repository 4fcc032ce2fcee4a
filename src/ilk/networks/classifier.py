"""The classifier that a run has learned on its encoder. Axes: N rows, F features, K classes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import UserError
from ilk.core.fields import Kind, check_fields, listed, shown, text, whole
from ilk.networks.encoder import Encoder
from ilk.networks.storage import FACTS as ENCODER_FACTS
from ilk.networks.storage import WEIGHTS, save_encoder, write_weights
from ilk.networks.weights import (
    FINGERPRINT,
    check_finite,
    check_shapes,
    check_whole,
    fingerprint,
    read_weights,
)

CLASSIFIER = "classifier.safetensors"
LEARNED = (WEIGHTS, ENCODER_FACTS, CLASSIFIER)  # what a run keeps of what it has learned
FORMAT = 1
MOST = 10**6  # classes
FIELDS: Mapping[str, Kind] = {
    "format": whole(FORMAT, FORMAT),
    "classes": listed(text(10**4), MOST),
    "encoder": text(64),
    FINGERPRINT: text(64),
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Classifier:
    """A linear layer from features to scores of classes.

    Args:
        classes: K names, which are data and no more.
        weight: of each class.
        bias: of each class.
        encoder: fingerprint of the encoder whose features it reads.
    """

    classes: tuple[str, ...]
    weight: Float[Tensor, "K F"]
    bias: Float[Tensor, " K"]
    encoder: str

    @property
    def fingerprint(self) -> str:
        """Changes with any weight, class or encoder."""
        facts = {"classes": list(self.classes), "encoder": self.encoder}
        return fingerprint({"weight": self.weight, "bias": self.bias}, facts)

    @torch.inference_mode()
    def probabilities(self, vectors: Float[Tensor, "N F"]) -> Float[Tensor, "N K"]:
        """The probability of each class for each row."""
        vectors = vectors.to(self.weight)
        return torch.addmm(self.bias, vectors, self.weight.T).softmax(dim=1)


def save_learned(
    encoder: Encoder, classifier: Classifier | None, directory: Path | str
) -> None:
    """Write an encoder and, where there is one, ``classifier.safetensors``, each whole.

    Args:
        encoder: see `save_encoder`.
        classifier: of its features.
        directory: of the run.

    Raises:
        UserError: one cannot be written; the old one stays.
    """
    save_encoder(encoder, directory)
    if classifier is None:
        return
    facts = {
        "format": FORMAT,
        "classes": list(classifier.classes),
        "encoder": classifier.encoder,
        FINGERPRINT: classifier.fingerprint,
    }
    state = {"weight": classifier.weight, "bias": classifier.bias}
    write_weights(Path(directory) / CLASSIFIER, state, {"ilk": json.dumps(facts)})


def load_classifier(spec: str | Path, encoder: Encoder) -> Classifier:
    """The classifier that stands beside a run's encoder. Nothing in its file is more than data.

    Args:
        spec: the folder of a run, or a file in it.
        encoder: of the run.

    Raises:
        UserError: there is none, it is damaged, or it belongs to another encoder.
    """
    path = Path(spec)
    file = (path if path.is_dir() else path.parent) / CLASSIFIER
    if not file.exists():
        raise UserError(
            f"classifier: {spec} must be a run that learned classes, which holds {CLASSIFIER}, "
            "and holds none; train with labels and a method such as fixmatch, or evaluate with "
            "protocols that train a classifier, such as linear"
        )
    state, facts = read_weights(file, "classifier")
    where = f"classifier: {file}"
    check_fields(facts, FIELDS, where)
    count = len(facts["classes"])
    if (
        not count
        or len({*facts["classes"]}) < count
        or not all(map(_is_text, facts["classes"]))
    ):
        raise UserError(
            f"{where}: classes must be one or more names, each once and as text, got "
            f"{shown(facts['classes'])}; take one that ilk train wrote"
        )
    width = encoder.feature_dim
    wanted = {"weight": (count, width), "bias": (count,)}
    shapes = {name: (torch.Size(shape), torch.float32) for name, shape in wanted.items()}
    check_shapes(state, shapes, where)
    check_finite(state, where)
    covered = {name: facts[name] for name in ("classes", "encoder")}
    check_whole(state, covered, facts[FINGERPRINT], where)
    if facts["encoder"] != encoder.fingerprint:
        raise UserError(
            f"{where} must belong to the encoder beside it, got that of another; continue the "
            "run, which writes both again"
        )
    return Classifier(
        classes=tuple(facts["classes"]),
        weight=state["weight"],
        bias=state["bias"],
        encoder=facts["encoder"],
    )


def _is_text(name: str) -> bool:
    """Whether a name can be written: JSON may hold halves of letters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
