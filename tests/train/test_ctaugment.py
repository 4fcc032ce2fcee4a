"""CTAugment: strengths of operations that follow what a network recognises."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilk.core import Output, Progress
from ilk.core.facts import Fact
from ilk.core.rows import Composition, Rows
from ilk.core.seeding import uniforms
from ilk.data import open_source
from ilk.memory import OperationRates
from ilk.method import learned
from ilk.train import Interrupted, resume, train
from ilk.train.images import open_images
from ilk.train.loop.strengths import adapter
from ilk.train.setup import Setup
from ilk.views import BINS, NAMES, CTAugment
from tests.train.conftest import Witness
from tests.train.test_resume import StopAt, same

GIVEN = {
    "method": "fixmatch", "mix": None, "knn_every": 0,
    "method_options": {"ratio": "1", "threshold": "0.2", "policy": "ctaugment",
                       "pooled": "false", "momentum": "0.5"},
}  # fmt: skip
EVERY = 5  # steps of a period; one less than that may be made ahead


@pytest.fixture(autouse=True)
def period(monkeypatch):
    monkeypatch.setattr(learned, "PERIOD", EVERY)


@pytest.fixture
def source(pictures):
    images, labels = pictures
    return open_source((images, np.where(np.arange(32) < 16, labels, -1)))


def test_strengths_are_drawn_by_their_rates_and_none_below_the_threshold():
    chance = np.random.default_rng(0)
    rates = chance.uniform(0.2, 1, (len(NAMES), BINS))
    policy = CTAugment(memory="rates", rates=tuple(map(tuple, rates)))
    u = chance.uniform(size=(60_000, policy.draws))
    drawn, tasks = policy.draw(u, 32), policy.tasks(u)
    place = len(NAMES) * BINS
    for k in range(2):
        entries = tasks // place**k % place
        operations, bins = entries // BINS, entries % BINS
        assert (operations == drawn.operations[:, k]).all()
        number = NAMES.index("Rotate")
        mine = operations == number
        assert mine.mean() == pytest.approx(1 / len(policy.operations), rel=0.05)
        level = (drawn.amounts[mine, k] + 45) / 90
        assert (np.floor(level * BINS).astype(int) == bins[mine]).mean() > 0.999
        shares = rates[number] + 0.01
        shares = np.where(shares >= 0.8 * shares.max(), shares, 0)
        counts = np.bincount(bins[mine], minlength=BINS) / mine.sum()
        np.testing.assert_allclose(counts, shares / shares.sum(), atol=0.02)
    assert {NAMES[number] for number in np.unique(drawn.operations)} == set(policy.operations)
    plain = CTAugment().tasks(u) % place % BINS
    np.testing.assert_allclose(np.bincount(plain) / len(u), 1 / BINS, atol=0.005)


def test_rates_are_measured_one_row_after_the_other():
    chance = np.random.default_rng(1)
    memory = OperationRates(3, 4, count=2, decay=0.9, every=9).double()
    labels = np.array([0, 1, 2, -1, 1, 0], np.int32)
    memory.read(Fact(tuple("abc"), labels))
    wanted = np.ones(12)
    for _ in range(3):
        items = chance.integers(0, 6, 40)
        pairs = chance.integers(0, 12, (40, 2))
        scores = chance.normal(size=(40, 3))
        rows = Rows(
            torch.from_numpy(scores), Composition.plain(torch.from_numpy(items)),
            torch.arange(40), task=torch.from_numpy(pairs[:, 0] + 12 * pairs[:, 1]),
        )  # fmt: skip
        memory.remember(rows)
        for item, pair, row in zip(items, pairs, scores, strict=True):
            if labels[item] < 0:
                continue
            p = np.exp(row) / np.exp(row).sum()
            match = 1 - np.abs(p - np.eye(3)[labels[item]]).sum() / 2
            for entry in pair:
                wanted[entry] = 0.9 * wanted[entry] + 0.1 * match
    np.testing.assert_allclose(memory.rates.numpy(), wanted, rtol=1e-10)


def test_a_period_has_the_rates_from_the_beginning_of_the_one_before():
    memory = OperationRates(1, 2, every=4)
    known, used = {}, {}
    for step in range(17):
        memory.refresh({}, Progress(step, 20, 5.0), 0)
        if step % 4 == 0:
            known[step // 4] = memory.rates.clone()
        used[step] = memory.held[0].clone()
        memory.rates.copy_(torch.tensor([float(step), -float(step)]))
    for step, rates in used.items():
        before = max(step // 4 - 1, 0)
        assert torch.equal(rates, known[before] if before else torch.ones(2)), step


def test_a_run_goes_on_bit_for_bit_with_any_number_of_threads(tiny, source, tmp_path):
    given = tiny(**GIVEN, steps=14)
    train(given, source, tmp_path / "whole", Witness())
    with pytest.raises(Interrupted):
        train(given, source, tmp_path / "cut", StopAt(11))
    resume(tmp_path / "cut", Witness(), source, workers=2)
    assert same(tmp_path / "whole", tmp_path / "cut")


def test_views_and_rates_are_those_of_their_step(tiny, source):
    """Every view is made again from what the memory held, and every rate from what was seen."""
    given = tiny(**GIVEN, steps=14)
    images = open_images(given, source)
    setup = Setup(given, images)
    trainer, memory = setup.trainer, setup.trainer.memory["rates"]
    strong = next(view for view in setup.method.views if view.name == "strong")
    tried = next(view for view in setup.method.views if view.name == "tried")
    labels = np.array([images.label(index) for index in range(len(images))])
    wanted, begun = np.ones((len(NAMES), BINS)), {0: None, 1: None}
    for step, batch in enumerate(setup.loader.batches(0, 14)):
        if step % EVERY == 0:
            begun[step // EVERY + 1] = None if step == 0 else tuple(map(tuple, wanted))
        rates = begun[step // EVERY]
        policy = replace(strong.policy, rates=rates or ())
        items = batch.subsets["strong"]
        pixels = [images.item(int(item)) for item in items]
        again = replace(strong, policy=policy).render(pixels, items, step, given.seed)
        assert torch.equal(batch.views["strong"], again), step
        result = trainer.take_step([batch], setup.length.progress(step))
        scores = result.context.rows(Output("teacher", "tried", "classifier")).vectors
        for item, row in zip(batch.subsets["tried"], scores.softmax(dim=1), strict=True):
            u = uniforms(given.seed, step, np.array([item]), "view/tried/policy", 6)
            drawn = tried.policy.draw(u, 32)
            for k in range(2):
                number, spot = drawn.operations[0, k], int(BINS * u[0, 2 + k])
                kept = wanted[number, spot] * 0.99
                wanted[number, spot] = kept + 0.01 * float(row[labels[item]])
    assert begun[2] is not None
    np.testing.assert_allclose(memory.rates.view(len(NAMES), BINS), wanted, atol=1e-5)
    assert (wanted < 1).any()
    assert adapter(trainer, 1) is not None


def test_the_average_that_looks_keeps_its_statistics(tiny, source):
    given = tiny(**GIVEN, steps=4)
    setup = Setup(given, open_images(given, source))
    trainer = setup.trainer
    assert trainer.teacher is not None
    assert not any(part.training for part in trainer.teacher.network.modules())
    (batch,) = setup.loader.batches(0, 1)
    before = {n: b.clone() for n, b in trainer.teacher.network.named_buffers()}
    trainer._look(batch, setup.length.progress(0), first=True)
    after = dict(trainer.teacher.network.named_buffers())
    assert all(torch.equal(after[name], kept) for name, kept in before.items())
