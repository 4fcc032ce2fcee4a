"""The files of the page, and its modules as one script for a page in one file.

Modules keep to a few forms: ``import { a, b as c } from "./x.js";`` and ``export`` before a
declaration. Each becomes a function whose result holds its exports, after those it imports.
"""

import re
from collections.abc import Mapping
from importlib import resources

from ilk.core import UserError

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:const|class|function|async function) +([\w$]+))", re.MULTILINE
)
_OTHER = re.compile(r"^\s*(?:import\b|export\b)|\bimport\(", re.MULTILINE)


def static_files() -> dict[str, bytes]:
    """The page's own files by name."""
    folder = resources.files("ilk.explore") / "static"
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


def bundled(modules: Mapping[str, str], first: str) -> str:
    """One script that does what a module and all that it imports do.

    Args:
        modules: text by name.
        first: the name of the module to begin with.

    Raises:
        UserError: a module is missing, imports itself in a circle, or has another form.
    """
    order: list[str] = []
    _visit(modules, first, order, ())
    return "\n".join(_wrapped(name, modules[name]) for name in order)


def _visit(
    modules: Mapping[str, str], name: str, order: list[str], above: tuple[str, ...]
) -> None:
    """Put a module behind those that it imports."""
    if name in order:
        return
    if name in above or name not in modules:
        raise UserError(f"bundle: {name} must be there, and import nothing in a circle")
    for found in _IMPORT.finditer(modules[name]):
        _visit(modules, found[2], order, (*above, name))
    order.append(name)


def _wrapped(name: str, text: str) -> str:
    exports = ", ".join(found[1] for found in _EXPORT.finditer(text))
    body = _EXPORT.sub("", _IMPORT.sub(_taken, text))
    if _OTHER.search(body) or "</script" in body or "<!--" in body:
        raise UserError(f"bundle: {name} must keep to the forms that can be bundled")
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();"


def _taken(found: re.Match[str]) -> str:
    names = found[1].replace(" as ", ": ")
    return f"const {{{names}}} = {_variable(found[2])};\n"


def _variable(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name.removesuffix(".js"))
