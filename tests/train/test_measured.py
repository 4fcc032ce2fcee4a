"""An average of weights that never saw a batch measures its own statistics when it is kept."""

import contextlib

import numpy as np
import torch
from safetensors.torch import load_file

from ilk.data import open_source
from ilk.train import Interrupted, resume, train
from ilk.train.loop.profile import no_clock
from ilk.train.run import CHECKPOINT
from ilk.train.setup import Setup
from tests.train.conftest import Witness

OPTIONS = {"average_from": 0.5, "cycle_share": 0.5, "average_share": 1.0, "measured": 3}


def settings(tiny, **changes):
    given = {"method": "fast-swa", "method_options": OPTIONS, "mix": None, "knn_every": 0.0}
    return tiny(**{**given, "steps": 6, **changes})


def few(pictures):
    images, labels = pictures
    return images, np.where(np.arange(32) % 4 == 3, -1, labels)


def test_statistics_are_those_of_the_first_batches_and_not_the_student_s(tiny, pictures):
    images, labels = few(pictures)
    made = Setup(settings(tiny), open_source(images, facts={"label": labels}))
    trainer = made.trainer
    with contextlib.closing(made.loader.batches(0, 6)) as batches:
        for step, batch in enumerate(batches):
            trainer.take_step([batch], made.length.progress(step))
            kept = made.encoder() if step == 3 else None  # in the midst of the run's batches
            assert kept is None or kept.module is not trainer.teacher.network.backbone
    norms = {n: m for n, m in made.encoder().module.named_modules() if hasattr(m, "eps")}
    average, own, seen = trainer.teacher.network.backbone, {}, {}
    for name in norms:
        average.get_submodule(name).register_forward_pre_hook(
            lambda _, args, name=name: seen.setdefault(name, []).append(args[0].detach())
        )
        own[name] = trainer.student.backbone.get_submodule(name)
    shown = made.loader_of(8)
    for step, batch in enumerate(shown.batches(0, 3)):
        views, _ = trainer._view_maker(batch, epoch=0, step=step, clock=no_clock)
        average(views["a"])
    for name, norm in norms.items():
        means = torch.stack([rows.mean(dim=(0, 2, 3)) for rows in seen[name]]).mean(dim=0)
        torch.testing.assert_close(norm.running_mean, means)
        assert not torch.allclose(norm.running_mean, own[name].running_mean, rtol=1e-3)


def test_a_resumed_run_keeps_the_same_encoder(tiny, pictures, tmp_path):
    class StopAt(Witness):
        def on_step(self, step, steps, numbers):
            if step == 4:
                raise KeyboardInterrupt

    images = tmp_path / "few.npz"
    pixels, labels = few(pictures)
    np.savez(images, images=pixels, labels=labels)
    chosen = settings(tiny, checkpoint_every=3)
    train(chosen, str(images), tmp_path / "whole", Witness())
    with contextlib.suppress(KeyboardInterrupt, Interrupted):
        train(chosen, str(images), tmp_path / "stopped", StopAt())
    resume(tmp_path / "stopped", Witness())
    for file in (CHECKPOINT, "encoder.safetensors"):
        one, two = (load_file(tmp_path / run / file) for run in ("whole", "stopped"))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one), file
