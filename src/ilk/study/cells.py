"""What is compared: one cell for each method, kin rule and mix."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ilk.core import UserError
from ilk.data import Source
from ilk.train import Settings

NONE = "none"
UNTRAINED, PIXELS = "untrained", "pixels"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One way of learning, or a baseline.

    Args:
        name: of its row in the table.
        settings: settings of its runs, the seed apart; None for ``untrained``, ``pixels`` and
            a network that is scored as it is.
        plain: name of the cell that differs by the mix alone; empty for cells without a mix.
        learned: images that this cell learns from; None for those of the study.
        encoder: a network that is scored as it is, as `ilk.networks.load_encoder` reads it;
            empty for all others.
    """

    name: str
    settings: Settings | None = None
    plain: str = ""
    learned: Source | None = None
    encoder: str = ""


def baselines() -> tuple[Cell, ...]:
    """The network before training, and raw pixels."""
    return Cell(name=UNTRAINED), Cell(name=PIXELS)


def cells(
    shared: Settings,
    *,
    methods: Sequence[str],
    mixes: Sequence[str] = (NONE,),
    kin: Sequence[str] = (NONE,),
    options: Mapping[str, Mapping[str, object]] | None = None,
) -> tuple[Cell, ...]:
    """A cell for each combination.

    Args:
        shared: settings of all runs; their method, mix and kin rule are replaced.
        methods: names.
        mixes: names, or ``none``.
        kin: kin rules, or ``none``.
        options: fields that differ from the paper's, by the name of the method.

    Raises:
        UserError: a list is empty, or holds a name twice.
    """
    lists = {"methods": methods, "mixes": mixes, "kin": kin}
    for name, names in lists.items():
        if not names or len(set(names)) < len(names):
            raise UserError(
                f"{name}: must name one thing at least and none twice, got "
                f"{','.join(names) or 'nothing'}"
            )
    out: list[Cell] = []
    for method, rule, mix in itertools.product(methods, kin, mixes):
        plain = "-".join(part for part in (method, rule) if part != NONE)
        plain = plain.replace(":", "-").replace("/", "-")  # kin may name a path
        out.append(
            Cell(
                name=plain if mix == NONE else f"{plain}-{mix}",
                plain=plain if mix != NONE and NONE in mixes else "",
                settings=replace(
                    shared,
                    method=method,
                    method_options={
                        **shared.method_options,
                        **(options or {}).get(method, {}),
                    },
                    kin=None if rule == NONE else rule,
                    mix=None if mix == NONE else mix,
                    mix_options={} if mix == NONE else shared.mix_options,
                    kin_options={} if rule == NONE else shared.kin_options,
                ),
            )
        )
    return tuple(out)
