"""Flags do not grow unnoticed: a new one is added here on purpose."""

import importlib
import inspect

import pytest

FLAGS = {
    "train": "data output method mix kin augment background masks backbone backbone_set weights set epochs steps time image_size "  # noqa: E501
    "channels batch_size accumulate lr seed workers checkpoint_every knn_every device precision "  # noqa: E501
    "strategy compile max_bad_share stop_on_collapse profile defaults dry_run resume",
    "embed": "encoder data output dtype batch_size shard_rows device workers",
    "evaluate": "encoder test train gallery protocols against "
    "class_map output seed batch_size device "
    "workers image_size cache",
    "compare": "data methods mixes kin seeds train test protocols baselines output backbone "
    "backbone_set set augment epochs steps time image_size batch_size workers device",
    "report": "evaluations output gallery batch_size device workers",
    "kin": "directory data output queries",
    "methods": "name table",
    "export": "encoder to output",
    "completion": "shell",
    "demo": "data output epochs seed",
}


@pytest.mark.parametrize("verb", FLAGS)
def test_the_flags_are_these(verb):
    function = getattr(importlib.import_module(f"ilk.cli.{verb}"), verb)
    assert list(inspect.signature(function).parameters) == FLAGS[verb].split()


@pytest.mark.parametrize("verb", FLAGS)
def test_every_flag_is_explained(verb):
    function = getattr(importlib.import_module(f"ilk.cli.{verb}"), verb)
    told = inspect.getdoc(function).splitlines()
    for name in FLAGS[verb].split():
        assert name in told, f"{verb}: {name}"
