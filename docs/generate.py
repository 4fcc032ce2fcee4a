"""Write the pages and the catalogue that follow from the code: ``make docs``."""

import dataclasses
import json
from pathlib import Path

import torch

from ilk.cli import catalogue
from ilk.cli.matrix import NOTE, fits, numbered
from ilk.cli.methods import header, recipes
from ilk.cli.needs import memories, needs
from ilk.core.names import CATALOGUE
from ilk.kin_rules import KIN_RULES
from ilk.method import Given, Method, Pretrained
from ilk.methods import METHODS, whole_recipe
from ilk.mixes import MIXES
from ilk.train.planning import choices as chosen

PAGE = Path(__file__).parent / "methods.md"
CHOICES = Path(__file__).parent / "choices.md"
FEATURES, SIZE = 8, 224  # no default depends on them but the sizes of layers and views

RULES = {f"kin.{name}": kind for name, kind in KIN_RULES.items()}

TOP = """\
# Methods, mixes and kin rules

Written by `docs/generate.py` from the code; change the code, then call `make docs`.
The same on a terminal: `ilk methods`, and `ilk methods sdmp` for all about one.

A default is the paper's. Learning rates are for a batch of 256 and grow with the batch as the
scaling says; `--lr` sets the peak itself. Where you do not choose
yourself, a run takes other values for small images, networks or machines, see
[choices](choices.md).
"""

CHOSEN = """\
# What is chosen when nothing is named

Written by `docs/generate.py` from `ilk/train/planning/defaults.py`; change the code, then call
`make docs`.

`ilk train photos/` chooses network, image size, batch, length and the settings of the method
from number and size of the images, device, memory and `--time`, says so in four lines before
the first step, and writes all of it to `run.json` under `plan`. `ilk train photos/ --dry-run`
says it and stops. What is named is never changed. `--defaults paper` leaves this table aside:
then the network is `vit_small_patch16_224`, the length 100 epochs, the batch the method's but
256 a device at most, and every setting the paper's; memory is looked at in either case. In
Python the same are `Settings(defaults="paper")` and `Learner(defaults="paper")`.

The first row of `network` that holds is taken. A named backbone keeps the other rows. Rows for
small networks are the settings of the learning check and of the table of all methods, chosen on
other images than those reported. Rows for a GPU come from papers and were not measured here.

`--time 10m` is the time of the whole command: what has passed before the first step and what
follows the last one is taken off, and where online scores are not set, they take a tenth
of it at most. The steps are counted at the pace that is measured at the start, and so a machine
that becomes busier later makes the run longer. Few images are seen often: of 200 photos a small
network learned more with every doubling from 25 to 800 epochs
(`benchmarks/results/plan/length.json`). A network that cuts images into patches gets a multiple
of its patch as image size, and `--image-size` must be one.

Nothing is mixed unless a mix is named. `--mix auto` decides by the nearest regime that was
measured, and says why with its numbers: see
[when mixing pays](results.md#when-does-mixing-pay).

"""


def page() -> str:
    """The whole page."""
    with torch.device("meta"):  # only shapes are needed; some heads take seconds to draw
        return _page()


def _page() -> str:
    given = Given(width=FEATURES, size=SIZE)
    records = {name: whole_recipe(name).build(given) for name in METHODS}
    parts = [
        TOP,
        "## Methods\n",
        _table(("method", "what it is", "needs"), [_line(name) for name in METHODS]),
        "## Mixes\n",
        _table(("mix", "what it is", "paper"), [_axis_line(*mix) for mix in MIXES.items()]),
        "## Kin rules\n",
        _table(
            ("kin rule", "what it is", "paper"), [_axis_line(*rule) for rule in RULES.items()]
        ),
        "## Which mix and which kin rule fits which method\n",
        _matrix(),
        *(_section(name, METHODS[name], records[name]) for name in METHODS),
        *(_section(name, MIXES[name], None) for name in MIXES),
        *(_section(name, RULES[name], None) for name in RULES),
    ]
    return "\n".join(parts)


def _line(name: str) -> tuple[str, ...]:
    return f"[{name}](#{name})", _title(METHODS[name]), needs(name)


def _axis_line(name: str, kind: type) -> tuple[str, ...]:
    place = name.replace(".", "")  # as a heading is addressed
    return f"[{name}](#{place})", _title(kind), header(kind)["Paper"]


def _title(kind: type) -> str:
    return header(kind)["title"].partition(": ")[2].rstrip(".")


def _matrix() -> str:
    rows, reasons = numbered(fits())
    head = ("method", *next(iter(fits().values())))
    cells = [(f"[{name}](#{name})", *row) for name, row in rows.items()]
    notes = "".join(f"\n{number}. {reason}" for number, reason in enumerate(reasons, 1))
    return f"{NOTE}\n\n{_table(head, cells)}{notes}\n"


def _section(name: str, kind: type, record: Method | None) -> str:
    head = header(kind)
    lines = [f"## {name}\n", f"{head.pop('title')}\n"]
    lines += [f"* **{key}:** {text}" for key, text in head.items()]
    if record is not None:
        lines += [f"* **{key}:** {text}" for key, text in _facts(record).items()]
    lines += [f"* **{key}:** `{text}`" for key, text in recipes(name).items()]
    fields = [(f"`{field.name}`", f"`{field.default!r}`") for field in dataclasses.fields(kind)]
    axis = "" if record is not None else "kin." if name in RULES else "mix."
    flag = f"--set {axis}FIELD=VALUE"
    return "\n".join([*lines, "", _table((f"field for `{flag}`", "default"), fields)])


def _facts(record: Method) -> dict[str, str]:
    plan = record.optimisation
    scaling = {"linear": "linearly", "sqrt": "with its root", "none": "not"}[plan.scaling]
    clip = "" if plan.clip is None else f", gradients clipped at {plan.clip:g}"
    return {
        "Views": ", ".join(f"{view.name} ({view.size} px)" for view in record.views),
        "Memory": ", ".join(memories(record)) or "none",
        "Teacher": _teacher(record),
        "Encoder kept": f"the {record.encoder}'s backbone",
        "Optimiser": f"{plan.name}, learning rate {plan.lr:g} for 256 images, growing "
        f"{scaling} with the batch, weight decay {_scalar(plan.weight_decay)}, "
        f"{plan.warmup_epochs:g} warm-up epochs{clip}",
        "Batch": f"{record.batch_size} over all devices in the paper",
    }


def _teacher(record: Method) -> str:
    if isinstance(record.teacher, Pretrained):
        return f"`{record.teacher.encoder}`, trained before and not updated"
    return "a moving average of the student" if record.teacher else "none"


def _scalar(scalar: object) -> str:
    return f"{scalar:g}" if isinstance(scalar, int | float) else _moving(scalar)


def _moving(scalar: object) -> str:
    return f"{getattr(scalar, 'start', '')} to {getattr(scalar, 'end', '')}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines
    )


def choices() -> str:
    """The page of what is chosen where nothing is named."""
    return CHOSEN + _table(("what", "when", "it becomes", "why"), chosen.table())


def names() -> str:
    """The catalogue that the command line reads."""
    return json.dumps(catalogue.made(), indent=1) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    CHOICES.write_text(choices())
    CATALOGUE.write_text(names())
