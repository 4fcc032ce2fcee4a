"""Errors name the parameter in Python and the flag on the command line."""

import ast
import re
from pathlib import Path

import pytest

import ilk
from ilk.cli.flags import with_flag


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


def test_below_the_command_line_no_error_begins_with_a_flag():
    root = Path(ilk.__file__).parent
    files = [path for path in root.rglob("*.py") if "cli" not in path.relative_to(root).parts]
    assert len(files) > 100
    found = {
        f"{path}:{node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError"
        for text in ast.walk(node.args[0])
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
        if text is next(n for n in ast.walk(node.args[0]) if isinstance(n, ast.Constant))
        and re.match(r"--?[a-z-]+( [a-z]+)?: ", text.value)
    }
    assert not found
