"""The field's words, in what people read; and the examples in docstrings run."""

import doctest
import io
import re
import tokenize
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "ilk"
MODULES = sorted(SOURCE.rglob("*.py"))
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
]
# The field has other words: negatives, image, similar, equal, again, correctly, random.
BANNED = re.compile(
    r"\b(nobody|whom|anew|rightly|foreign|foreigners?|lots|alike|told|said|pictures?"
    r"|stand-ins?|adoptions?)\b",
    re.IGNORECASE,
)
EXCEPTIONS: dict[str, set[str]] = {}


def prose(path: Path) -> str:
    """Comments, docstrings and messages of a module, or a whole page."""
    text = path.read_text()
    if path.suffix != ".py":
        return text
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    middle = getattr(tokenize, "FSTRING_MIDDLE", None)
    kinds = {tokenize.COMMENT, tokenize.STRING, middle}
    # A string of one word is a name that others may know it by, not prose.
    return "\n".join(t.string for t in tokens if t.type in kinds and " " in t.string.strip())


@pytest.mark.parametrize("path", [*MODULES, *PAGES], ids=lambda p: str(p.relative_to(ROOT)))
def test_prose_has_the_words_of_the_field(path: Path):
    found = {word.lower() for word in BANNED.findall(prose(path))}
    assert found <= EXCEPTIONS.get(str(path.relative_to(ROOT)), set())


def test_the_words_are_found_where_there_are_some(tmp_path: Path):
    module = tmp_path / "module.py"
    module.write_text(
        '"""Nobody reads."""\nwhom = f"{1} is foreign"  # said anew\nx = "lots"\n'
    )
    assert BANNED.findall(prose(module)) == ["Nobody", "foreign", "said", "anew"]


EXAMPLES = [path for path in MODULES if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_examples_in_docstrings_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
    failed, tried = doctest.testmod(import_module(name))
    assert tried > 0
    assert failed == 0
