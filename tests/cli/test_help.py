"""Help pages are sentences, and every page prints on any terminal."""

import importlib
import inspect
import io
import re
import sys

import pytest

from ilk.cli import VERBS
from tests.cli.conftest import status

VERB = re.compile(
    "Add|Begin|Change|Compare|Compile|Complete|Compute|Continue|Describe|Draw|Embed|End|Evaluate"
    "|Find|Fit|Fuse|Give|Go|Keep|Learn|Look|Make|Measure|Mix|Pack|Print|Read|Repeat|Replace|Run|Save"
    "|Send|Set|Share|Show|Split|Take|Train|Use|Write"
)
LITERALS = re.compile(r"\[default: *(\(|\[|\{|None|True|False|'|\"|Path)")


def helps(verb: str) -> dict[str, str]:
    """The help of every parameter of a verb, by name."""
    function = getattr(importlib.import_module(f"ilk.cli.{verb}"), verb)
    text = inspect.getdoc(function).partition("----------\n")[2]
    parts = re.split(r"^(\w+)\n", text, flags=re.MULTILINE)[1:]
    found = zip(parts[::2], parts[1::2], strict=True)
    return {name: " ".join(words.split()) for name, words in found}


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_to_do_in_sentences(verb):
    found = helps(verb)
    names = inspect.signature(
        getattr(importlib.import_module(f"ilk.cli.{verb}"), verb)
    ).parameters
    assert set(found) == set(names)
    for name, words in found.items():
        assert VERB.match(words), f"{verb} --{name}: {words}"
        assert words.endswith("."), f"{verb} --{name}: {words}"


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_has_no_python_in_it_and_prints_in_ascii(monkeypatch, verb):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="ascii"))
    monkeypatch.setenv("COLUMNS", "200")
    assert status(monkeypatch, *([verb] if verb else []), "--help") == 0
    sys.stdout.flush()
    page = out.getvalue().decode("ascii")
    assert not LITERALS.search(page), LITERALS.search(page)
    assert not re.search(r"\\[xu][0-9a-f]{2}", page)
