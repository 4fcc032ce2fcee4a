"""Numbers of things, for people to read."""


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, in the singular or plural that it asks for.

    Args:
        number: how many there are.
        noun: what there is one of; the last word takes the plural.
        plural: for nouns that do not simply take an s.

    Example:
        >>> count(1, "image"), count(2, "image"), count(1234, "class", "classes")
        ('1 image', '2 images', '1,234 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size_words(size: float) -> str:
    """Bytes as GiB, MiB or KiB.

    Example:
        >>> size_words(3 * 2**29), size_words(5 * 2**20), size_words(700)
        ('1.5 GiB', '5 MiB', '1 KiB')
    """
    if size >= 0.95 * 2**30:
        return f"{size / 2**30:.1f} GiB"
    if size >= 0.95 * 2**20:
        return f"{size / 2**20:.0f} MiB"
    return f"{size / 2**10:.0f} KiB"
