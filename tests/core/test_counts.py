"""Numbers take their noun in singular or plural."""

import pytest

from ilk.core.counts import count


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (0, ("file",), "0 files"), (1, ("file",), "1 file"), (2, ("file",), "2 files"),
        (1, ("class", "classes"), "1 class"), (12_345, ("class", "classes"), "12,345 classes"),
        (1, ("unreadable image",), "1 unreadable image"),
    ],
)  # fmt: skip
def test_a_number_has_its_noun(number, words, told):
    assert count(number, *words) == told
