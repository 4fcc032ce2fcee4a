"""How protocols are found by name, and run."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from ilk.core import UserError
from ilk.core.version import VERSION
from ilk.data.source import digest
from ilk.embedding import Embeddings
from ilk.evaluate.ledger import Ledger
from ilk.evaluate.protocols.named import PROTOCOLS
from ilk.evaluate.protocols.protocol import Images, Protocol, Task, Tell, silent
from ilk.evaluate.result import Identity, Result, identity
from ilk.evaluate.task import EmbeddedSets, make_task


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
    train: Embeddings | None,
    test: Embeddings,
    protocols: Sequence[str] = ("knn@1", "linear@1"),
    seed: int = 0,
    *,
    gallery: Embeddings | None = None,
    images: Images | None = None,
    ledger: Ledger | None = None,
    progress: Tell = silent,
) -> list[Result]:
    """Measure an encoder by its features, and by its images for protocols that need them.

    Everything is chosen on train; test is looked at once per protocol. Classes are matched by
    name, items without a label are left out where labels are needed.

    Args:
        train: labelled; None where no protocol needs it.
        test: from the same encoder, no image in common with train.
        protocols: names; without a version the latest one.
        seed: of everything drawn, such as the held-out part of train.
        gallery: in which retrieval looks for the test items; None is test itself.
        images: the encoder and the sources that train and test were made of.
        ledger: where finished results are kept, and found again.
        progress: called with the steps done and their number by protocols that take long.

    Raises:
        UserError: a protocol is not known, or the sets cannot be compared.
    """
    chosen = [protocol(name) for name in protocols]
    parts = EmbeddedSets(train=train, test=test, gallery=gallery, images=images)
    data = {name: part.data for name, part in parts.there.items()} | _masks(images)
    kept = Ledger(None) if ledger is None else ledger
    results: list[Result] = []
    for one in chosen:
        wanted = identity(one, data, test.encoder, seed, VERSION)
        result = kept.find(wanted)
        if result is None:
            result = _result(one, make_task(parts, one, seed, progress), wanted)
            kept.add(result)
        results.append(result)
    return results


def _masks(images: Images | None) -> dict[str, str]:
    """What the masks of both sets are known by."""
    known = () if images is None else (images.train_masks, images.test_masks)
    prints = [masks.fingerprint.encode() for masks in known if masks is not None]
    return {"masks": digest(prints)} if prints else {}


def _result(protocol: Protocol, task: Task, wanted: Identity) -> Result:
    began = time.perf_counter()
    found = protocol.procedure.measure(task)
    known = task.train.labels if len(task.train) else task.test.labels
    return Result(
        protocol=protocol.name,
        settings=protocol.settings,
        metric=found.metric,
        value=found.value,
        unit=found.unit,
        interval=found.interval,
        interval_kind=found.interval_kind,
        selected=found.selected,
        selected_on=found.selected_on,
        details=found.details,
        n_train=len(task.train),
        n_test=len(task.test),
        classes=len(known[known >= 0].unique()),
        seconds=round(time.perf_counter() - began, 3),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        scores=None if found.scores is None else found.scores.cpu().numpy(),
        **asdict(wanted),
    )


def _version(name: str) -> int:
    return int(name.partition("@")[2])
