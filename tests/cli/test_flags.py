"""Errors name the parameter in Python and the flag on the command line."""

import ast
import re
from pathlib import Path

import pytest

import ilk
from ilk.cli.flags import in_flags, with_flag


@pytest.mark.parametrize(
    ("message", "words", "shown"),
    [
        ("batch_size: must be 2", "train x --batch-size 3", "--batch-size: must be 2"),
        ("batch_size: must be 2", "train x --batch-size=3", "--batch-size: must be 2"),
        ("batch_size: must be 2", "train x", "batch_size: must be 2"),
        ("minutes: must be 2", "train x --time 0s", "--time: must be 2"),
        ("weights: a b", "train x --from w.pth", "--from: a b"),
        ("directory: must", "train x -o runs/x", "-o: must"),
        ("output: must", "evaluate x --output y", "--output: must"),
        ("kin labels: must", "train x --kin labels:2", "--kin labels: must"),
        ("runs/mix: must", "train x --mix sdmp", "runs/mix: must"),
        ("the mix: must", "train x --mix sdmp", "the mix: must"),
        ("moco-v3: hidden", "train x --set hidden=x", "moco-v3: hidden"),
    ],
)
def test_the_flag_that_was_typed(message, words, shown):
    assert with_flag(message, words.split()) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("set batch_size=24 or less", "set --batch-size 24 or less"),
        (
            "batch_size=48 with accumulate=4, where",
            "--batch-size 48 with --accumulate 4, where",
        ),
        ('give backbone="NAME", or x', "give --backbone NAME, or x"),
        ('(weights="a b.pth")', "(--from a b.pth)"),
        ("minutes=60 or minutes=90", "--time 1h or --time 90m"),
        ('method_options={"FIELD": VALUE}; x', "--set FIELD=VALUE; x"),
        ('backbone_options={"stem": "plain"}', "--backbone-set stem=plain"),
        ('mix_options={"alpha": 2}', "--set mix.alpha=2"),
        ("temperature=0.1", "temperature=0.1"),
        ("runs/seed=3/x, got 'lr=1'", "runs/seed=3/x, got 'lr=1'"),
    ],
)
def test_settings_are_shown_as_they_are_typed(text, shown):
    assert in_flags(text) == shown
    assert with_flag(f"memory: {text}", []) == f"memory: {shown}"


def _texts(file: Path) -> list[str]:
    """The text of a file that is no docstring."""
    tree = ast.parse(file.read_text())
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in said
    ]


def test_below_the_command_line_no_text_speaks_of_flags():
    """But for whole commands."""
    root = Path(ilk.__file__).parent
    files = [path for path in root.rglob("*.py") if "cli" not in path.relative_to(root).parts]
    assert len(files) > 100
    whole = re.compile(r"(ilk|tar) [^;]*--[a-z]|^--(always|dirty|abbrev=12|share: )$")
    found = {
        f"{path.relative_to(root)}: {text}"
        for path in files
        for text in _texts(path)
        if re.search(r"(^|[ (])--[a-z]", text) and not whole.search(text)
    }
    assert not found
