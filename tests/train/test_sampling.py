"""Runs whose batches are drawn by facts of items."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.data import open_source
from ilk.method import Grouped, KnownShare
from ilk.train.assemble import assemble
from ilk.train.loop.loader import Loader
from ilk.train.setup import Setup


@pytest.fixture
def domains(pictures):
    """The small images, three quarters labelled, in two domains."""
    images, labels = pictures
    labels = np.where(np.arange(32) % 4 == 3, -1, labels)
    return open_source(images, facts={"label": labels, "domain": ["a", "b"] * 16})


@dataclass
class Sampled:
    """Assembles methods as ever, but with a sampling."""

    rule: object
    facts: dict

    def __call__(self, *args, **options):
        method, student = assemble(*args, **options)
        return replace(method, sampling=self.rule, facts=self.facts), student


def setup(tiny, source, monkeypatch, rule, facts=None, **changes) -> Setup:
    monkeypatch.setattr("ilk.train.setup.assemble", Sampled(rule, facts or {}))
    return Setup(tiny(knn_every=0, **changes), source)


def test_every_batch_is_of_one_domain(tiny, domains, monkeypatch):
    made = setup(tiny, domains, monkeypatch, Grouped(fact="domain", groups=1))
    for batch in made.loader.batches(0, 8):
        assert len({item % 2 for item in batch.items.tolist()}) == 1


def test_a_method_sees_a_share_of_labels_and_samples_by_those(tiny, domains, monkeypatch):
    rule = KnownShare(share=0.25)
    made = setup(tiny, domains, monkeypatch, rule, {"label": 0.4, "domain": 1.0})
    shown = made.trainer.facts["label"]
    assert 0 < (shown >= 0).sum() < 24
    assert made.trainer.facts["domain"].tolist() == [0, 1] * 16
    for batch in made.loader.batches(3, 9):
        assert (shown[batch.items] >= 0).sum() == 2


def test_any_start_serves_the_same_batches_and_ranks_share_them(tiny, domains, monkeypatch):
    rule = Grouped(fact="domain", groups=2)
    made = setup(tiny, domains, monkeypatch, rule)
    whole = list(made.loader.batches(0, 9))
    for batch, again in zip(whole[5:], made.loader.batches(5, 9), strict=True):
        assert np.array_equal(batch.items, again.items)
        assert all(torch.equal(batch.views[v], again.views[v]) for v in batch.views)
    parts = []
    for rank in range(2):
        loader = Loader(
            made.reader, made.method.views, batch_size=4, seed=0, rank=rank, world=2, workers=1
        )
        loader.sampled = made.loader.sampled
        parts.append(next(loader.batches(5, 6)))
    joint = np.concatenate([part.items for part in parts])
    assert np.array_equal(joint, whole[5].items)
    assert len(set(joint.tolist())) == 8


def test_an_item_that_comes_again_in_an_epoch_is_seen_in_another_way(
    tiny, pictures, monkeypatch
):
    images, _ = pictures
    source = open_source(images, facts={"label": [0] * 2 + [-1] * 30})
    made = setup(tiny, source, monkeypatch, KnownShare(share=0.25))
    assert made.loader.steps_per_epoch == 4
    seen = []
    for batch in made.loader.batches(0, 4):
        (row,) = np.flatnonzero(batch.items == 0)
        seen.append(batch.views["a"][row])
    assert not any(torch.equal(seen[0], other) for other in seen[1:])


def test_training_steps_under_a_sampling(tiny, domains, monkeypatch):
    made = setup(tiny, domains, monkeypatch, Grouped(fact="domain", groups=1))
    for step, batch in enumerate(made.loader.batches(0, 2)):
        result = made.trainer.take_step([batch], made.length.progress(step))
        assert np.isfinite(result.loss)


def test_facts_that_are_missing_are_one_line(tiny, pictures, domains, monkeypatch):
    rule = Grouped(fact="video", each=2)
    with pytest.raises(UserError, match="items must have a fact 'video', found label, domain"):
        setup(tiny, domains, monkeypatch, rule)
    unknown = open_source(pictures[0], facts={"video": [-1] * 32})
    with pytest.raises(
        UserError, match=r"videos: moco-v3 as set must have those of some images"
    ):
        setup(tiny, unknown, monkeypatch, rule)


def test_a_fact_that_the_method_does_not_name_is_not_told(tiny, domains, monkeypatch):
    made = setup(tiny, domains, monkeypatch, None, {"domain": 1.0})
    batch = next(made.loader.batches(0, 1))
    with torch.no_grad():
        context = made.trainer._look(batch, made.length.progress(0), first=False)
    assert context.fact("domain").tolist() == [0, 1] * 16
    with pytest.raises(ValueError, match=r"Method.facts must name 'label', got \['domain'\]"):
        context.fact("label")


def test_views_of_some_items_are_made_of_these_alone(tiny, domains):
    """Strong views of labelled images would be waste; pixels are those of the whole view."""
    made = Setup(tiny(method="fixmatch", method_options={}, knn_every=0, batch_size=8), domains)
    made.method = replace(made.method, places=True)
    known = (made.trainer.facts["label"] >= 0).numpy()
    loader = made.loader_of(8)
    for step, batch in zip((2, 3), loader.batches(2, 4), strict=True):
        labelled = batch.items[known[batch.items]]
        others = batch.items[~known[batch.items]]
        assert len(labelled) == 1
        assert set(batch.subsets) == set(batch.views) == {"labelled", "weak", "strong"}
        for view in made.method.views:
            own = labelled if view.name == "labelled" else others
            assert batch.subsets[view.name].tolist() == own.tolist()
            images = [made.reader.read(int(item))[0] for item in own]
            torch.testing.assert_close(
                batch.views[view.name], view.render(images, own, step, 0), rtol=0, atol=0
            )
            assert len(batch.places[view.name]) == len(own)


def test_a_step_without_any_labelled_image_goes_on(tiny, domains):
    """A bad file may be replaced by an image of another kind."""
    made = Setup(tiny(method="fixmatch", method_options={}, knn_every=0, batch_size=8), domains)
    made.loader.sampled = lambda step: np.arange(32)[3::4]  # no label is known of these
    (batch,) = made.loader.batches(0, 1)
    assert batch.views["labelled"].shape[0] == 0
    result = made.trainer.take_step([batch], made.length.progress(0))
    assert result.terms["labelled"] == 0
