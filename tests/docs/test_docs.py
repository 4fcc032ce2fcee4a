"""The documentation says what the code does."""

import importlib.util
import inspect
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks import tables
from ilk.cli import VERBS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
GENERATED = DOCS / "methods.md"
NAMES = [str(page.relative_to(DOCS)) for page in PAGES]
TEXTS = [
    *(f"docs/{name}" for name in NAMES),
    "README.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
]
SHORT = {"-o": "output", "-k": "k", "-n": "n", "--from": "weights"}
ASIDE = {"--help", "--version"}


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _examples() -> Iterator[Any]:
    for page in PAGES:
        for number, code in enumerate(
            re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        ):
            yield pytest.param(code, id=f"{page.relative_to(DOCS)}-{number}")


def _commands(text: str) -> Iterator[str]:
    """Command lines in blocks, and in words that quote one."""
    yield from re.findall(r"^ {4}(?:.* )?(ilk [a-z].*)$", text, re.MULTILINE)
    yield from re.findall(r"`(ilk [a-z][^`]*)`", text)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def test_the_method_page_is_what_the_generator_writes():
    assert _generator().page() == GENERATED.read_text(), "call `make docs`"


def test_the_tables_of_the_readme_are_what_the_results_say():
    text = tables.README.read_text()
    assert tables.readme(text) == text, "call `make docs`"
    page = tables.PAGE.read_text()
    assert tables.results_page(page) == page, "call `make docs`"


def test_the_table_of_kin_rules_is_what_the_results_say():
    text = tables.SPEED.read_text()
    assert tables.speed_page(text) == text, "call `make docs`"


def test_the_tables_of_selections_are_what_the_results_say():
    text = tables.CURATE.read_text()
    assert tables.curate_page(text) == text, "call `make docs`"


def test_the_tables_of_continued_networks_are_what_the_results_say():
    text = tables.CONTINUE.read_text()
    assert tables.continue_page(text) == text, "call `make docs`"


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("code", list(_examples()))
def test_examples_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "example", "exec"), {"__name__": "example"})


def test_every_block_page_has_an_example_that_runs():
    for page in (DOCS / "blocks").glob("*.md"):
        assert "```python\n" in page.read_text(), page


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), f"{name}: {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
            assert anchor in map(_anchor, titles), f"{name}: {target}"


@pytest.mark.parametrize("name", TEXTS)
def test_commands_exist_with_their_flags(name: str):
    for command in _commands((ROOT / name).read_text()):
        _, verb, *words = shlex.split(command, comments=True)
        assert verb in VERBS, command
        flags = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
        wanted = {SHORT.get(flag, flag[2:].replace("-", "_")) for flag in {*flags} - ASIDE}
        known = inspect.signature(getattr(import_module(f"ilk.cli.{verb}"), verb)).parameters
        assert wanted <= set(known), f"{command}: {wanted - set(known)}"


def test_every_page_is_in_the_navigation_and_the_other_way_round():
    listed = set(
        re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    )
    assert listed == set(NAMES)


def test_fields_in_commands_exist():
    for page in PAGES:
        for command in _commands(page.read_text()):
            words = shlex.split(command, comments=True)
            if "--set" in words and page != GENERATED:
                for word in words[words.index("--set") + 1 :]:
                    if "=" in word:
                        _look_up(words, *word.split("=", 1))


def _look_up(words: list[str], name: str, value: str) -> None:
    """Make what a command sets a field of, which refuses a field that it has not."""
    from ilk.kin_rules import kin_rule
    from ilk.method import Optimisation, typed_changes, typed_options
    from ilk.methods import recipe
    from ilk.mixes import MIXES, mixture
    from ilk.networks import Tuning

    def after(flag: str, otherwise: str) -> str:
        return words[words.index(flag) + 1] if flag in words else otherwise

    place, _, field = name.rpartition(".")
    given = {field: value}
    makers = {
        "": lambda: recipe(after("--method", "moco-v3"), given),
        "kin": lambda: kin_rule(words[words.index("--kin") + 1], given),
        "mix": lambda: mixture(after("--mix", next(iter(MIXES))), given),
        "tune": lambda: typed_options(Tuning, "tune", {"parts": "lora", **given}),
        "optimiser": lambda: typed_changes(
            Optimisation(name="adamw", lr=0.1), "optimiser", given
        ),
    }
    makers[place]()
