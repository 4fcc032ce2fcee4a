"""All protocols by name, and how they are run."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ilk.core import UserError
from ilk.core.version import VERSION
from ilk.embedding import Embeddings
from ilk.evaluate.comparable import comparable
from ilk.evaluate.knn import NearestNeighbours
from ilk.evaluate.linear import LogisticRegression
from ilk.evaluate.protocol import Protocol, Task
from ilk.evaluate.result import Result

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="knn@1",
            procedure=NearestNeighbours(neighbours=(20, 200), temperature=0.07, held_out=0.2),
        ),
        Protocol(
            name="linear@1",
            procedure=LogisticRegression(
                strengths=(10, 3, 1, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5),
                tolerance=1e-4,
                most_steps=500,
                held_out=0.2,
            ),
        ),
    )
}


def protocol(name: str) -> Protocol:
    """A protocol by its name; without a version the latest one.

    Raises:
        UserError: there is none of this name.
    """
    versions = [known for known in PROTOCOLS if known.partition("@")[0] == name]
    found = PROTOCOLS.get(max(versions, key=_version, default=name))
    if found is None:
        raise UserError(f"evaluate: protocols are {', '.join(PROTOCOLS)}, got {name!r}")
    return found


def evaluate(
    train: Embeddings,
    test: Embeddings,
    protocols: Sequence[str] = ("knn@1", "linear@1"),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """Measure an encoder by its features of a training and a test set.

    Everything is chosen on train; test is looked at once per protocol. Classes are matched by
    name, items without a label are left out.

    Args:
        train: labelled.
        test: labelled, from the same encoder, no image in common with train.
        protocols: names; without a version the latest one.
        seed: of everything drawn, such as the held-out part of train.
        progress: called with the protocols done and their number.

    Raises:
        UserError: a protocol is not known, or the sets cannot be compared.
    """
    chosen = [protocol(name) for name in protocols]
    task = comparable(train, test, seed)
    results: list[Result] = []
    for one in chosen:
        results.append(_result(one, task, train, test))
        if progress:
            progress(len(results), len(chosen))
    return results


def _result(protocol: Protocol, task: Task, train: Embeddings, test: Embeddings) -> Result:
    began = time.perf_counter()
    found = protocol.procedure.measure(task)
    return Result(
        protocol=protocol.name,
        protocol_hash=protocol.hash,
        settings=protocol.settings,
        metric=found.metric,
        value=found.value,
        interval=found.interval,
        interval_kind=found.interval_kind,
        selected=found.selected,
        selected_on=found.selected_on,
        seed=task.seed,
        encoder=train.encoder,
        train_data=train.data,
        test_data=test.data,
        n_train=len(task.train),
        n_test=len(task.test),
        classes=len(task.train.labels.unique()),
        seconds=round(time.perf_counter() - began, 3),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        version=VERSION,
        correct=found.correct.cpu().numpy(),
    )


def _version(name: str) -> int:
    return int(name.partition("@")[2])
