"""Names from outside do nothing but be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ilk.core import UserError, shown, stored

# Every code point, lone surrogates included, as names of files can hold them.
NAMES = st.text(st.characters(exclude_characters="\0", codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("plain näme 图.jpg", "plain näme 图.jpg"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("caf\udce9", "caf\\xe9"),
        ("half \ud83d", "half \\ud83d"),
        ("\x9b2J\x07\x00", "\\x9b2J\\x07\\x00"),
        ("a\u2028b\u2066c\ufeff", "a\\u2028b\\u2066c\\ufeff"),
        ("می‌خواهم 👩‍🔬", "می‌خواهم 👩‍🔬"),
        ("wide\u3000and\u202fnarrow", "wide\u3000and\u202fnarrow"),
    ],
)
def test_what_could_act_is_escaped_and_the_rest_is_not(name, wanted):
    assert shown(name) == wanted


@given(NAMES)
def test_shown_names_are_one_printable_line_and_stay_so(name):
    seen = shown(name)
    assert len(seen.splitlines()) <= 1
    seen.encode()
    assert not set(seen) & set(map(chr, [*range(32), 127, *range(128, 160), 0x202E, 0x2066]))
    assert shown(seen) == seen


@given(st.lists(st.binary(max_size=6) | st.sampled_from([b"\\xe9", b"\xe9", b"\\x5cxe9"]),
                min_size=2, max_size=2))  # fmt: skip
def test_stored_names_are_text_and_differ_when_the_bytes_do(raw):
    names = [part.decode(errors="surrogateescape") for part in raw]
    kept = [stored(name) for name in names]
    assert [one.encode().decode() for one in kept] == kept
    assert (kept[0] == kept[1]) == (raw[0] == raw[1])


@given(NAMES)
def test_names_that_are_text_are_stored_as_they_are(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        stored(name).encode()
    else:
        assert stored(name) == name or "\\x" in name


def test_errors_show_the_names_they_hold():
    assert str(UserError("data: \x1b]0;x\x07\n\udcff")) == "data: \\x1b]0;x\\x07\\n\\xff"
