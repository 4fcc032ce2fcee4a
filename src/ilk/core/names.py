"""What a name may have been meant for: methods, mixes, kin rules and backbones are apart.

They are read from ``catalogue.json``, which ``docs/generate.py`` writes from the code, so that
each list can speak of the others without importing them; a test compares the two.
"""

import difflib
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

Kind = Literal["method", "mix", "kin rule"]
STRATEGIES = ("mixup", "cutmix", "resizemix", "cutout", "saliencymix", "puzzlemix")
# Other words for a kin rule, as they are written without marks.
_RULES = {
    **dict.fromkeys(("knn", "nn", "kneighbours", "kneighbors", "nearest"), "neighbours:5"),
    **dict.fromkeys(("label", "supervised", "classes"), "labels:0.1"),
}
# Families of timm that people know by name.
_BACKBONES = re.compile(
    "(wide)?resnet|resnext|regnet|vit|deit|beit|swin|convnext|efficientnet|mobilenet|densenet"
)


CATALOGUE = Path(__file__).parent / "catalogue.json"


def did_you_mean(
    given: str,
    names: Iterable[str],
    otherwise: str,
    *,
    count: int = 1,
    cutoff: float = 0.6,
    prefix: str = "",
) -> str:
    """The end of a message about a name that is not known: the nearest ones, or another advice.

    Args:
        given: the name.
        names: that there are.
        otherwise: what to say where none is near.
        count: names to offer at most.
        cutoff: how similar they must be, 0 to 1.
        prefix: what to write before each name that is offered.

    Example:
        >>> did_you_mean("temperatur", ["temperature", "momentum"], "leave it out")
        'did you mean temperature?'
    """
    close = difflib.get_close_matches(given, list(names), count, cutoff)
    offered = " or ".join(f"{prefix}{name}" for name in close)
    return f"did you mean {offered}?" if close else otherwise


@lru_cache
def catalogue() -> dict[str, Any]:
    """Entries by kind and name, and which fits which.

    ``method``, ``mix`` and ``kin rule`` hold for each name ``header`` (title, Paper, Idea and
    so on), ``needs``, ``recipes`` (what each sets) and ``fields`` (name, default, type);
    ``optimiser`` holds the fields of an optimisation, ``backbones`` our own networks, and
    ``fits`` why a method refuses a mix or a kin rule, empty where it takes it.
    """
    return json.loads(CATALOGUE.read_text())


def known(kind: Kind) -> tuple[str, ...]:
    """The names of a kind, in their order."""
    return tuple(catalogue()[kind])


def suggestion(kind: Kind, given: str) -> str:
    """The name that was meant, or where it belongs, or what there is.

    Args:
        kind: what was asked for.
        given: no name of that kind.

    Example:
        >>> suggestion("method", "mocov3")
        'did you mean moco-v3?'
        >>> suggestion("mix", "dino")
        'dino is a method: method="dino"'
    """
    meant, own = _letters(given), known(kind)
    same = [name for name in own if _letters(name) == meant]
    if same:
        return f"did you mean {same[0]}?"
    elsewhere = _elsewhere(kind, meant)
    if elsewhere:
        return elsewhere
    family = [name for name in own if len(meant) > 2 and _letters(name).startswith(meant)]
    if family:
        return f"did you mean {' or '.join(family)}?"
    return did_you_mean(given.lower(), own, f"choose from {', '.join(own)}")


def _elsewhere(kind: Kind, meant: str) -> str:
    """What a word is, when it is no name of this kind."""
    if meant in STRATEGIES:
        return (
            f'{meant} is a strategy of the mix sdmp: mix="sdmp" with '
            f'mix_options={{"strategies": "{meant}"}}'
        )
    if meant in _RULES:
        rule = _RULES[meant]
        if kind == "kin rule":
            return f"did you mean {rule}?"
        return _as("kin rule", rule)
    others: tuple[Kind, ...] = get_args(Kind)
    for other in others:
        same = _same(meant, known(other))
        if same:
            return _as(other, same)
    if _BACKBONES.match(meant):
        return f'a network is a backbone: backbone="NAME" beside the {kind}'
    return ""


def _as(kind: Kind, name: str) -> str:
    option = kind.split()[0]
    return f'{name} is a {kind}: {option}="{name}"'


def _same(meant: str, names: Iterable[str]) -> str:
    return next((name for name in names if _letters(name) == meant), "")


def _letters(name: str) -> str:
    """A name without marks, in small letters; a number behind a colon does not count."""
    return re.sub("[^a-z0-9]", "", name.partition(":")[0].lower())
