"""Where one method of the family must be another."""

from dataclasses import replace

import pytest
from lightning_fabric import Fabric

from tests.laws.world import batch, built, progress


def losses(trainer, steps: int) -> list[float]:
    return [
        trainer.take_step([batch(trainer.method.views, s)], progress(s)).loss
        for s in range(steps)
    ]


@pytest.mark.parametrize("options", [{"from_epoch": 99}, {"pairs": 0, "own": 0}], ids=str)
def test_without_mixes_mochi_is_moco_v2(fabric: Fabric, options):
    trainer = built(fabric, "mochi")
    term = trainer.method.terms[0]
    trainer.method = replace(
        trainer.method, terms=(replace(term, foreign=replace(term.foreign, **options)),)
    )
    assert losses(trainer, 4) == losses(built(fabric, "moco-v2"), 4)


def test_mixes_make_every_query_pay_more(fabric: Fabric):
    with_mixes, without = built(fabric, "mochi"), built(fabric, "moco-v2")
    term = with_mixes.method.terms[0]
    early = replace(term, foreign=replace(term.foreign, from_epoch=0))
    with_mixes.method = replace(with_mixes.method, terms=(early,))
    assert losses(with_mixes, 1)[0] > losses(without, 1)[0]


def test_ifnd_that_believes_nothing_yet_is_moco_v2(fabric: Fabric):
    trusting, plain = built(fabric, "ifnd"), built(fabric, "moco-v2")
    assert losses(trusting, 1) == pytest.approx(losses(plain, 1), rel=1e-6)
    # In the second epoch clusters are believed, so that losses part.
    assert losses(trusting, 8)[-1] != pytest.approx(losses(plain, 8)[-1], rel=1e-4)


def test_labels_recluster_in_the_second_epoch(fabric: Fabric):
    trainer = built(fabric, "deepcluster-v2")
    known = trainer.memory["clusters1"]
    dealt = known.labels.clone()
    losses(trainer, 4)
    assert (known.labels == dealt).all()
    trainer.take_step([batch(trainer.method.views, 4)], progress(4))
    assert (known.labels != dealt).any()
