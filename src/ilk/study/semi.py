"""The protocol of few labels: which images have a label, and which are put aside.

Paper: Oliver et al., NeurIPS 2018, https://arxiv.org/abs/1804.09170

Axes: N items, L labelled, V of validation, K known.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Int64

from ilk.core import UNKNOWN, UserError
from ilk.core.facts import LABEL, Fact
from ilk.data import Source, WithFacts, labels
from ilk.data.labelled import Hidden


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Which items of a source have a label, and on which settings may be chosen.

    Args:
        labelled: their indices, ascending.
        validation: of others, ascending; no method learns from them.
        hash: SHA-256 of the keys of both, in hexadecimal; the order of the source does not
            matter.
    """

    labelled: Int64[np.ndarray, " L"]
    validation: Int64[np.ndarray, " V"]
    hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FewLabelProtocol:
    """What a method with few labels is measured by; settings never change under a name.

    A method is trained on a split's labelled images and all others but those of validation,
    and the network at the end of the run, the averaged one where the method has an average, is
    scored once on the test images by ``scored_by``. No checkpoint is chosen. Settings may be
    chosen on the validation images, which are no more than the labelled ones.

    Args:
        name: with its version.
        per_class: labelled images a class.
        splits: that a figure needs at least.
        most_validation: images of validation a class, and never more than labelled ones.
        scored_by: protocol for the test images.
    """

    name: str
    per_class: tuple[int, ...]
    splits: int
    most_validation: int
    scored_by: str

    @property
    def hash(self) -> str:
        """SHA-256 of name and settings, in hexadecimal."""
        return _sha256(asdict(self))

    def split(self, source: Source, per_class: int, number: int) -> Split:
        """Draw labelled and validation images, equally many of each class.

        Within a class images stand in the order of the SHA-256 of protocol, number of the split
        and key: the first are labelled, the next are for validation. So a split depends on keys
        and classes alone, and one with more labels contains those with fewer.

        Args:
            source: labelled images; those whose class is not known are never drawn.
            per_class: labelled images a class.
            number: number of the split, from 0.

        Raises:
            UserError: a class has too few images, or two images have one key.
        """
        known, keys = labels(source), [source.key(index) for index in range(len(source))]
        if len(set(keys)) < len(keys):
            raise UserError(
                f"{self.name}: every image of {source.name} must have a key of its own, got "
                f"{len(keys)} images and {len(set(keys))} keys"
            )
        aside = min(per_class, self.most_validation)
        chance = [_chance(self.name, number, key) for key in keys]
        labelled, validation = [], []
        for place, title in enumerate(source.classes):
            members = sorted(np.flatnonzero(known == place).tolist(), key=chance.__getitem__)
            if len(members) < per_class + aside:
                raise UserError(
                    f"{self.name}: every class must have {per_class} images to be labelled and "
                    f"{aside} for validation, {title!r} has {len(members)}; take fewer a class"
                )
            labelled += members[:per_class]
            validation += members[per_class : per_class + aside]
        named = {
            "protocol": self.name,
            "number": number,
            "labelled": sorted(keys[index] for index in labelled),
            "validation": sorted(keys[index] for index in validation),
        }
        return Split(
            labelled=np.sort(np.array(labelled, np.int64)),
            validation=np.sort(np.array(validation, np.int64)),
            hash=_sha256(named),
        )


SEMI = FewLabelProtocol(
    name="semi@1",
    per_class=(4, 25, 400),
    splits=3,
    most_validation=100,
    scored_by="classify@1",
)


def labelled_alone(
    source: Source, known: Int64[np.ndarray, " K"], classes: Sequence[str] = ()
) -> Source:
    """The same images, of which some have a label and all others hide it.

    Args:
        source: labelled images.
        known: indices of those that keep their label.
        classes: classes of those; empty is all classes of the source.

    Raises:
        UserError: one of the known images is of another class.
    """
    names = tuple(classes) or source.classes
    mine = labels(source, names)
    if (mine[known] < 0).any():
        raise UserError(
            f"{SEMI.name}: every labelled image must be of the classes {', '.join(names)}"
        )
    codes = np.full(len(source), UNKNOWN, np.int32)
    codes[known] = mine[known]
    because = "they are not in the labelled part of the split"
    return WithFacts(Hidden(source, because), {LABEL: Fact(names, codes, because)})


def _chance(name: str, number: int, key: str) -> bytes:
    return hashlib.sha256(f"{name}/{number}/{key}".encode()).digest()


def _sha256(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
