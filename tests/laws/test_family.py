"""Where one method of the family must be another."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric

from ilk.core import Output
from tests.laws.world import batch, built, progress, small_method, small_trainer


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
        trainer.method, terms=(replace(term, negatives=replace(term.negatives, **options)),)
    )
    assert losses(trainer, 4) == losses(built(fabric, "moco-v2"), 4)


def test_mixes_make_every_query_pay_more(fabric: Fabric):
    with_mixes, without = built(fabric, "mochi"), built(fabric, "moco-v2")
    term = with_mixes.method.terms[0]
    early = replace(term, negatives=replace(term.negatives, from_epoch=0))
    with_mixes.method = replace(with_mixes.method, terms=(early,))
    assert losses(with_mixes, 1)[0] > losses(without, 1)[0]


def test_ifnd_that_believes_nothing_yet_is_moco_v2(fabric: Fabric):
    trusting, plain = built(fabric, "ifnd"), built(fabric, "moco-v2")
    assert losses(trusting, 1) == pytest.approx(losses(plain, 1), rel=1e-6)
    # In the second epoch clusters are believed, so that losses part.
    assert losses(trusting, 8)[-1] != pytest.approx(losses(plain, 8)[-1], rel=1e-4)


def test_without_neighbours_revisiting_is_moco_v2_with_more_queries(fabric: Fabric):
    trainers = []
    for _ in range(2):
        torch.manual_seed(1)
        trainers.append(small_trainer(fabric, small_method("revisiting", neighbour_weight=0.0)))
    own, *_ = trainers[0].method.terms
    assert own.kin == small_method("moco-v2").terms[0].kin
    assert [query.view for query in own.queries] == ["large", "s1", "s2"]
    trainers[0].method = replace(trainers[0].method, terms=(own,))
    assert losses(trainers[0], 3) == losses(trainers[1], 3)


def test_neighbours_are_found_by_features_and_drawn_near_in_projections(fabric: Fabric):
    trainer = built(fabric, "revisiting")
    losses(trainer, 2)
    queue, features = (trainer.memory[name] for name in ("queue", "features"))
    assert torch.equal(queue.sources, features.sources)
    context = trainer._look(batch(trainer.method.views, 2), progress(2), first=False)
    own, *terms = trainer.method.terms
    assert [term.queries for term in terms] == [(query,) for query in own.queries]
    assert sum(term.weight for term in terms) == pytest.approx(0.4)
    for term in terms:  # each crop looks for neighbours with its own features
        loss = context.loss(term)
        kin = context.kin_records[-1].kin
        shown = context.rows(Output("student", term.queries[0].view, "feature"))
        looking = F.normalize(shown.vectors, dim=1)
        items = shown.composition.sources[:, 0]
        rows = []
        for who, query in enumerate(context.kin_records[-1].queries.vectors):
            known = (features.sources >= 0) & (features.sources != items[who])
            alike = (features.vectors @ looking[who]).masked_fill(~known, -2)
            near = sorted(range(32), key=lambda j, alike=alike: -float(alike[j]))[:3]
            assert sorted(kin.weights[who].nonzero()[:, 0].tolist()) == sorted(near)
            logs = (queue.vectors @ F.normalize(query, dim=0) / 0.2).log_softmax(0)
            rows.append(-logs[near].mean())
        assert loss.item() == pytest.approx(float(sum(rows) / len(rows)), rel=1e-5)


def test_nobody_is_a_neighbour_before_keys_are_written(fabric: Fabric):
    trainer = built(fabric, "revisiting")
    context = trainer._look(batch(trainer.method.views, 0), progress(0), first=True)
    assert context.loss(trainer.method.terms[1]).item() == 0


def test_labels_recluster_in_the_second_epoch(fabric: Fabric):
    trainer = built(fabric, "deepcluster-v2")
    known = trainer.memory["clusters1"]
    dealt = known.labels.clone()
    losses(trainer, 4)
    assert (known.labels == dealt).all()
    trainer.take_step([batch(trainer.method.views, 4)], progress(4))
    assert (known.labels != dealt).any()
