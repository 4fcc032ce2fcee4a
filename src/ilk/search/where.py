"""A small language that says which rows of a table are meant. Axes: N rows.

``label=cat and date>2024``: a column, one of ``= != < <= > >= ~``, and a value; ``and``,
``or``, ``not`` and parentheses join them, and ``is missing`` asks for rows without a value.
Names and values that hold other characters than a word does stand in quotes. The grammar:

    either  = both {"or" both}
    both    = one {"and" one}
    one     = "not" one | "(" either ")" | column "is" ["not"] "missing" | column sign value

A row without a value is equal to nothing, and neither less nor more than anything; ``!=`` is
``not`` of ``=``. It is parsed into plain records and never run as code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from ilk.core import UserError

_LONGEST = 10_000  # characters of a filter
_DEEPEST = 100  # parentheses and ``not`` within one another
_WORDS = frozenset(["and", "or", "not", "is", "missing"])
_TOKENS = re.compile(
    r"""\s*(?:(?P<sign>!=|<=|>=|[=<>~])|(?P<bracket>[()])
    |(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[^\s()=!<>~"']+)|(?P<other>\S))""",
    re.VERBOSE | re.DOTALL,
)
_BARE = re.compile(r"""[^\s()=!<>~"']+""")


@dataclass(frozen=True, slots=True)
class Compare:
    """Rows whose value in a column stands to a value as the sign says.

    Args:
        column: its name.
        sign: one of ``= != < <= > >= ~``; the last one takes ``*`` for any characters and
            ``?`` for one.
        value: as it is written.
    """

    column: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Rows without a value in a column."""

    column: str


@dataclass(frozen=True, slots=True)
class Not:
    """Rows that another filter does not mean."""

    inner: "Filter"


@dataclass(frozen=True, slots=True)
class Both:
    """Rows that all of several filters mean."""

    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """Rows that one of several filters means."""

    parts: "tuple[Filter, ...]"


Filter = Compare | Missing | Not | Both | Either


def parse(text: str) -> Filter:
    """Read a filter.

    Example:
        >>> parse("not label=cat")
        Not(inner=Compare(column='label', sign='=', value='cat'))

    Raises:
        UserError: the text is no filter; the message says where.
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError("where: must be UTF-8; write a byte that is not as tables do: \\xe9")
    if len(text) > _LONGEST:
        raise UserError(f"where: must have at most {_LONGEST} characters, got {len(text)}")
    parser = _Parser(text)
    tree = parser.either(0)
    if parser.kind != "end":
        parser.fail("must go on with and, or, or end here")
    return tree


def written(tree: Filter) -> str:
    """The text of a filter, which reads back as the same filter.

    Example:
        >>> written(parse("(a=1 or b is not missing) and c~'x y*'"))
        '(a=1 or not b is missing) and c~"x y*"'
    """
    match tree:
        case Compare(column, sign, value):
            return f"{_quoted(column)}{sign}{_quoted(value)}"
        case Missing(column):
            return f"{_quoted(column)} is missing"
        case Not(inner):
            return f"not {_within(inner, Both, Either)}"
        case Both(parts):
            return " and ".join(_within(part, Both, Either) for part in parts)
        case Either(parts):
            return " or ".join(_within(part, Either) for part in parts)


def columns_of(tree: Filter) -> frozenset[str]:
    """The names of the columns that a filter asks about.

    Example:
        >>> sorted(columns_of(parse("a=1 and not (b~x or a is missing)")))
        ['a', 'b']
    """
    match tree:
        case Compare(column=column) | Missing(column):
            return frozenset([column])
        case Not(inner):
            return columns_of(inner)
        case Both(parts) | Either(parts):
            return frozenset().union(*map(columns_of, parts))


def _within(tree: Filter, *looser: type) -> str:
    return f"({written(tree)})" if isinstance(tree, looser) else written(tree)


def _quoted(text: str) -> str:
    if _BARE.fullmatch(text) and text.lower() not in _WORDS:
        return text
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # sign, bracket, quoted, word, other, end
    text: str
    place: int  # of its first character, from 1

    @property
    def shown(self) -> str:
        return repr(self.text[:60]) if self.kind != "end" else "the end"


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKENS.finditer(text):
        kind = found.lastgroup or ""
        yield _Token(kind, found[kind], found.start(kind) + 1)
    yield _Token("end", "", len(text) + 1)


class _Parser:
    """By recursive descent; one function for each line of the grammar."""

    def __init__(self, text: str) -> None:
        self._left = _tokens(text)
        self._next = next(self._left)

    @property
    def kind(self) -> str:
        return self._next.kind

    def fail(self, must: str) -> NoReturn:
        """Refuse the next token."""
        token = self._next
        text = token.text
        more = ""
        if token.kind == "other" and text in "\"'":
            more = "; a quote must be closed"
        elif token.kind == "other":
            more = "; put it in quotes, or write != for not equal"
        raise UserError(f"where: {must}, got {token.shown} at character {token.place}{more}")

    def either(self, depth: int) -> Filter:
        parts = [self._both(depth)]
        while self._took("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self, depth: int) -> Filter:
        parts = [self._one(depth)]
        while self._took("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self, depth: int) -> Filter:
        if depth > _DEEPEST:
            self.fail(f"must nest at most {_DEEPEST} deep")
        if self._took("not"):
            return Not(self._one(depth + 1))
        if self._took("("):
            tree = self.either(depth + 1)
            if not self._took(")"):
                self.fail("must close a parenthesis")
            return tree
        column = self._name("must name a column such as label")
        if self._took("is"):
            negated = self._took("not")
            if not self._took("missing"):
                self.fail("must go on with missing after is")
            return Not(Missing(column)) if negated else Missing(column)
        if self.kind != "sign":
            self.fail("must go on with one of = != < <= > >= ~, or is missing")
        sign = self._step().text
        return Compare(column, sign, self._name(f"must have a value after {sign}"))

    def _name(self, must: str) -> str:
        token = self._next
        if token.kind == "quoted":
            return re.sub(r"\\(.)", r"\1", self._step().text[1:-1], flags=re.DOTALL)
        if token.kind != "word":
            self.fail(must)
        if token.text.lower() in _WORDS:
            self.fail(f"{must}, in quotes where it is one of the words of a filter")
        return self._step().text

    def _took(self, word: str) -> bool:
        """Whether the next token is a word or bracket; if so it is taken."""
        known = self.kind in {"word", "bracket"} and self._next.text.lower() == word
        if known:
            self._step()
        return known

    def _step(self) -> _Token:
        token = self._next
        self._next = next(self._left)
        return token
