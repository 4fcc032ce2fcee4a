"""What kin rules cost: milliseconds of a step that go into deciding who is kin.

Every rule of ``--kin`` on MoCo v2, and every method with a rule of its own, with the mini
backbone and the sizes of ``benchmarks.family``, at a small and at a large memory. A rule's time
is that of all calls in one step; NNCLR's look-up is no rule and not among them.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from benchmarks.family import METHOD_OPTIONS
from benchmarks.step_speed import BATCH, Work, step, trainer
from ilk.kin_rules import KIN_RULES
from ilk.method import Term
from ilk.train.loop.trainer import Trainer

SMALL, LARGE = 4096, 65_536
CLASSES = 10
NUMBERS = {"neighbours": ":5", "labels": ":0.1"}
BY_ITEM = ("interclr", "ifnd")  # remember each item of the data set
OWN = (
    "moco-v2", "mochi", "fnc", "ifnd", "interclr", "msf", "cmsf", "ressl", "rekd", "revisiting",
    "supcon", "relic-v2", "swav", "dino", "deepcluster-v2", "deepcluster", "uic", "dac",
)  # fmt: skip
OTHERWISE: Mapping[str, Mapping[str, Any]] = {
    # Its queue counts from a later epoch on; without it, its rule is that of the paper.
    "swav": {"queue_size": 0},
    "rekd": {"teacher": "random:resnet_mini"},
}


@dataclass(frozen=True)
class Timed:
    """A rule, or what makes foreigners, that keeps the time of each call.

    Args:
        call: the rule.
        spent: processor seconds of the calls.
    """

    call: Callable[..., Any]
    spent: list[float] = field(default_factory=list)

    def __call__(self, *given: object) -> Any:
        """What the rule says."""
        began = time.process_time()
        said = self.call(*given)
        self.spent.append(time.process_time() - began)
        return said


def rows(runs: int) -> list[dict[str, Any]]:
    """A row for each rule and size of memory."""
    return [row for work in works() for row in measured(*work, runs)]


def works() -> Iterator[tuple[str, str, str | None, Mapping[str, Any]]]:
    """Name, method, kin rule and options of everything that is measured."""
    for rule in KIN_RULES:
        kin = rule + NUMBERS.get(rule, "")
        yield f"moco-v2 --kin {kin}", "moco-v2", kin, METHOD_OPTIONS["moco-v2"]
    for method in OWN:
        yield method, method, None, {**METHOD_OPTIONS[method], **OTHERWISE.get(method, {})}


def measured(
    name: str, method: str, kin: str | None, options: Mapping[str, Any], runs: int
) -> Iterator[dict[str, Any]]:
    """A row for each size; one where nothing is remembered by row."""
    for count in (SMALL, LARGE) if options.get("queue_size") else (None,):
        given = dict(options) | ({"queue_size": count} if count else {})
        items = count if count and method in BY_ITEM else BATCH * CLASSES
        made = trainer(method, given, kin=kin, items=items)
        made.reveal("label", torch.arange(items) % CLASSES)
        rule, whole = medians(made, runs)
        yield {
            "work": name,
            "rows": count,
            "milliseconds": 1000 * rule,
            "step_milliseconds": 1000 * whole,
            "ratio": rule / whole,
        }


def medians(made: Trainer, runs: int) -> tuple[float, float]:
    """Processor seconds in the rules of a step, and of the step; a first one is not counted."""
    spent: list[float] = []
    made.method = replace(made.method, terms=timed(made.method.terms, spent))
    work: Work = step(made)
    work()
    rules: list[float] = []
    wholes: list[float] = []
    for _ in range(runs):
        spent.clear()
        began = time.process_time()
        work()
        wholes.append(time.process_time() - began)
        rules.append(sum(spent))
    return statistics.median(rules), statistics.median(wholes)


def timed(terms: tuple[Term, ...], spent: list[float]) -> tuple[Term, ...]:
    """The same terms, whose rules add the time of each call to ``spent``."""
    return tuple(
        replace(
            term,
            kin=Timed(term.kin, spent),
            negatives=None if term.negatives is None else Timed(term.negatives, spent),
        )
        for term in terms
    )
