"""Names and other text from outside, safe to show and to store."""

JOINERS = "\u200c\u200d"  # within words of several scripts, and within emoji


def shown(text: str) -> str:
    r"""Text that can do nothing but be read: one line, no escape codes, no changed direction.

    Control characters, line ends, marks that turn the direction of writing, and bytes of a name
    that are no text (surrogates) come out as escapes such as ``\x1b``.

    Example:
        >>> shown("a\x1b[31mb\udce9.jpg")
        'a\\x1b[31mb\\xe9.jpg'
    """
    if text.isprintable():
        return text
    return "".join(c if _harmless(c) else _escaped(c) for c in text)


def stored(name: str) -> str:
    r"""A name as UTF-8 can hold it, another one for every name.

    Bytes that are no text come out as ``\xe9``, and so that no other name looks like that,
    ``\x`` itself as ``\x5cx``.
    """
    if name.isascii() and "\\x" not in name:
        return name
    plain = name.replace("\\x", "\\x5cx")
    return "".join(_escaped(c) if "\ud800" <= c <= "\udfff" else c for c in plain)


def _harmless(character: str) -> bool:
    return character.isprintable() or character in JOINERS or (character.isspace() and (
        character not in "\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"
    ))  # fmt: skip


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python keeps a byte of a name that is no text
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
