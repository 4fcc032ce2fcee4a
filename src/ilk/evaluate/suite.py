"""All protocols by name, and how they are run."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from ilk.core import UserError
from ilk.core.version import VERSION
from ilk.embedding import Embeddings
from ilk.evaluate.clusters import Clusters, FreeClusters
from ilk.evaluate.comparable import Parts, comparable
from ilk.evaluate.discovery import Discovery
from ilk.evaluate.few_label import FewLabels
from ilk.evaluate.knn import NearestNeighbours
from ilk.evaluate.ledger import Ledger
from ilk.evaluate.linear import LogisticRegression
from ilk.evaluate.protocol import Images, Protocol, Task, Tell, silent
from ilk.evaluate.quality import Quality
from ilk.evaluate.result import Identity, Result, identity
from ilk.evaluate.retrieval import Retrieval
from ilk.evaluate.views_quality import ViewsQuality

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
        Protocol(
            name="retrieval@1",
            procedure=Retrieval(precision_at=(10, 100), recall_at=(1, 5, 10)),
            needs=frozenset({"labels"}),
            takes_gallery=True,
        ),
        Protocol(
            name="quality@1",
            procedure=Quality(most_items=10_000, first=3, last=100),
            needs=frozenset(),
        ),
        Protocol(
            name="few-label@1",
            procedure=FewLabels(
                per_class=(1, 2, 5, 10), shares=(0.01, 0.1), resamples=10, neighbours=20,
                temperature=0.07, alpha=0.99, tolerance=1e-4, spread_tolerance=1e-6,
                most_steps=200,
            ),
        ),
        Protocol(
            name="cluster@1",
            procedure=Clusters(starts=10, most_steps=300),
            needs=frozenset({"labels"}),
        ),
        Protocol(
            name="cluster-free@1",
            procedure=FreeClusters(
                candidates=(
                    2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 25, 30, 35, 40, 50, 60, 70,
                    80, 100, 120, 150, 200, 300, 400,
                ),
                most_items=5000, starts=10, most_steps=300,
            ),
            needs=frozenset({"labels"}),
        ),
        Protocol(
            name="discover@1",
            procedure=Discovery(
                known=0.5, labelled=0.5, starts=10, most_steps=200, tolerance=1e-4
            ),
        ),
        Protocol(
            name="views-quality@1",
            procedure=ViewsQuality(
                images=1000, views=10, least_area=0.2, neighbours=10, delta=1e-4
            ),
            needs=frozenset({"images"}),
        ),
    )
}  # fmt: skip


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
    parts = Parts(train=train, test=test, gallery=gallery, images=images)
    data = {name: part.data for name, part in parts.there.items()}
    kept = Ledger(None) if ledger is None else ledger
    results: list[Result] = []
    for one in chosen:
        wanted = identity(one, data, test.encoder, seed, VERSION)
        result = kept.find(wanted)
        if result is None:
            result = _result(one, comparable(parts, one, seed, progress), wanted)
            kept.add(result)
        results.append(result)
    return results


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
