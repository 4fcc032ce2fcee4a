"""`Settings`, `Learner` and ``ilk train`` know the same settings, with the same defaults."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from inspect import cleandoc, signature
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import ilk.train
from ilk import Learner
from ilk.cli import train as verb
from ilk.core import UserError
from ilk.learner.work import coded
from ilk.train import Settings

HINTS = get_type_hints(Settings)
OPTIONS = [name for name in HINTS if name.endswith("_options")]
LENGTHS = ("epochs", "steps", "minutes")
OWN = {"directory": None, "bad": "skip", "verbose": True}  # of `Learner`
ASIDE = {"data", "output", "dry_run", "resume", "teacher", "rounds"}  # of ``ilk train``
# Settings that the command line has by another name, or several by one.
FLAGS = {"minutes": "time", "backbone_options": "backbone_set"} | dict.fromkeys(
    ["method_options", "mix_options", "kin_options", "optimiser_options", "tune_options"], "set"
)
PATHS = {"weights", "masks", "labelled", "labels", "subset"}
WORDS = {
    "method": "dino",
    "mix": "sdmp",
    "kin": "labels:0.1",
    "background": "random:0.2",
    "method_options": {"hidden": "16"},
    "mix_options": {"alpha": "2"},
    "kin_options": {"fraction": "0.5"},
    "optimiser_options": {"weight_decay": "0.1"},
    "tune": "last",
    "tune_options": {"blocks": "2"},
    "backbone_options": {"stem": "plain"},
}


def default(name: str) -> Any:
    (field,) = (field for field in fields(Settings) if field.name == name)
    return field.default if field.default is not MISSING else field.default_factory()


def another(name: str) -> Any:
    """A value that is not the default."""
    kind = next(k for k in (*get_args(HINTS[name]), HINTS[name]) if k is not type(None))
    if get_origin(HINTS[name]) is Literal:
        return get_args(HINTS[name])[-1]
    numbers = {bool: not default(name), int: 3, float: 0.5}
    return WORDS[name] if name in WORDS else numbers.get(kind, "saliency")


def given(length: str) -> dict[str, Any]:
    """Every setting, none as it is by itself; of the three lengths only one can be given."""
    return {name: another(name) for name in HINTS if name not in LENGTHS or name == length}


def test_a_learner_has_every_setting_of_a_run_in_the_same_order():
    parameters = {p.name: p.default for p in signature(Learner).parameters.values()}
    own = {name: parameters.pop(name) for name in OWN}
    assert own == OWN
    assert list(parameters) == list(HINTS)
    for name, value in parameters.items():
        assert ({} if name in OPTIONS else value) == default(name), name
        assert (value is None) or name not in OPTIONS, name
    assert signature(Learner).parameters["method"].kind.name == "POSITIONAL_OR_KEYWORD"


def test_a_learner_takes_what_a_run_takes():
    hints = get_type_hints(Learner)
    for name, hint in HINTS.items():
        wider = str | Path | None if name in PATHS else hint
        assert hints[name] == (wider | None if name in OPTIONS else wider), name


@pytest.mark.parametrize("length", LENGTHS)
def test_every_parameter_of_a_learner_reaches_the_run(length):
    values = given(length)
    assert Learner(**values)._settings() == Settings(**values)


def test_a_learner_says_what_every_parameter_means():
    said = cleandoc(Learner.__doc__)
    for name in signature(Learner).parameters:
        assert said.count(f"\n    {name}: ") == 1, name


def test_the_command_line_has_every_setting_of_a_run():
    parameters = signature(verb.train).parameters
    hints = get_type_hints(verb.train)
    flags = {name: FLAGS.get(name, name) for name in HINTS}
    assert set(parameters) == {*flags.values(), *ASIDE}
    for name, flag in flags.items():
        if flag == name:
            assert parameters[flag].default == default(name), name
            assert hints[flag] == HINTS[name], name


@pytest.mark.parametrize("length", LENGTHS)
def test_every_flag_reaches_the_run(length, monkeypatch, tmp_path):
    taken: list[Settings] = []

    def dry_run(settings: Settings, data: Any, say: Any, **_: Any) -> Mapping[str, Any]:
        taken.append(settings)
        return {"plan": {"chosen": {}}}

    monkeypatch.setattr(ilk.train, "dry_run", dry_run, raising=False)
    values = given(length)
    words = {name: value for name, value in values.items() if name not in FLAGS}
    if length == "minutes":
        words["time"] = f"{values['minutes'] * 60}s"
    starts = {"method": "", "mix": "mix.", "kin": "kin.", "optimiser": "optimiser.",
              "tune": "tune."}  # fmt: skip
    words["set"] = tuple(
        f"{start}{field}={value}"
        for part, start in starts.items()
        for field, value in values[f"{part}_options"].items()
    )
    words["backbone_set"] = tuple(f"{f}={v}" for f, v in values["backbone_options"].items())
    verb.train((str(tmp_path),), **words, dry_run=True)
    assert taken == [Settings(**values)]


def test_a_list_of_classes_may_have_gaps():
    for gap in (float("nan"), None, ""):
        classes, codes = coded(["cat", gap, "dog"], 3)
        assert (classes.tolist(), codes.tolist()) == (["cat", "dog"], [0, -1, 1])
    with pytest.raises(UserError, match="whole numbers or names, got both"):
        coded(["cat", -1, "dog"], 3)
