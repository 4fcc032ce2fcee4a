"""SDMP's golden numbers: where they are, and how they are spoken to.

The cases are in ``sdmp.json``; the environment variable ILK_GOLDEN_SDMP names another file of
the same layout, to check other numbers.
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import torch

from ilk.core import Composition, Kin, Rows
from ilk.kin import CommonSource
from ilk.views.mixing import Mixing
from tests.kin.context import FakeLook

FILE = Path(os.environ.get("ILK_GOLDEN_SDMP", Path(__file__).with_name("sdmp.json")))
GOLDEN = json.loads(FILE.read_text())
LOOK = FakeLook()


def tensor(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def agree(found, expected) -> None:
    found = torch.as_tensor(found, dtype=torch.float64)
    torch.testing.assert_close(found, tensor(expected), rtol=0, atol=1e-10)


def entry(table: dict, start: str):
    """The one entry whose key starts so; the rest of a key is explanation."""
    (key,) = (key for key in table if key.startswith(start))
    return table[key]


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def partners(count: int, groups: int = 1) -> torch.Tensor:
    draw = Mixing(groups=groups).draw(np.arange(count), epoch=0, step=0, seed=0)
    return torch.tensor(draw.partners)


def mixed(lam, groups: int = 1) -> Composition:
    items = torch.arange(len(lam))
    return Composition.mixed(items, partners(len(lam), groups), tensor(lam))


def plain(count: int) -> Composition:
    return Composition.plain(torch.arange(count))


def rows(vectors, composition: Composition) -> Rows:
    return Rows(torch.as_tensor(vectors), composition, torch.arange(len(composition)))


def kin(queries: Composition, keys: Composition) -> Kin:
    """What the rule says; it must not depend on the vectors."""
    empty = (rows(torch.zeros(len(part), 1), part) for part in (queries, keys))
    return CommonSource()(*empty, LOOK)
