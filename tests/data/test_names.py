import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ilk.data.classes import counted, numbered
from ilk.data.names import Names, Paths

texts = st.lists(st.binary(max_size=9))
paths = st.lists(
    st.lists(st.sampled_from([b"a", b"b", b"cc", b"d.e"]), min_size=1, max_size=4).map(
        b"/".join
    )
)


@given(texts, st.data())
def test_names_are_a_list(names: list[bytes], data: st.DataObject) -> None:
    packed = Names.pack(names)
    assert list(packed) == names
    assert [packed[index] for index in range(len(packed))] == names
    kept = data.draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names)))
    chosen = packed.where(np.array(kept, bool))
    assert list(chosen) == [name for name, keep in zip(names, kept, strict=True) if keep]


@given(paths)
def test_paths_are_a_list(names: list[bytes]) -> None:
    packed = Paths.pack(names)
    assert [packed[index] for index in range(len(packed))] == names
    again = Paths.unpacked(packed.arrays())
    assert [again[index] for index in range(len(again))] == names


@given(st.lists(paths, max_size=4))
def test_paths_are_joined_in_order(parts: list[list[bytes]]) -> None:
    joined = Paths.joined([Paths.pack(part) for part in parts])
    assert [joined[index] for index in range(len(joined))] == [
        p for part in parts for p in part
    ]
    assert len(set(joined.folders)) == len(joined.folders)


@given(paths, st.sampled_from([b"", b"a", b"a/b", b"d.e"]))
def test_paths_below_a_folder(names: list[bytes], top: bytes) -> None:
    cut, kept = Paths.pack(names).below(top)
    start = top + b"/" if top else b""
    wanted = [name[len(start) :] for name in names if name.startswith(start)]
    assert [cut[index] for index in range(len(cut))] == wanted
    assert kept.tolist() == [name.startswith(start) for name in names]


@given(st.lists(st.integers(-3, 99), min_size=1))
def test_small_numbers_keep_their_meaning(numbers: list[int]) -> None:
    made = counted(np.array(numbers))
    classes, found = made.names, made.values
    assert bool(made.reason) == (min(numbers) < 0)
    assert found.tolist() == [max(number, -1) for number in numbers]
    assert all(classes[number] == str(number) for number in numbers if number >= 0)


@given(st.lists(st.sampled_from(["b", "a", "7", "x y"]), min_size=1))
def test_texts_are_numbered_by_alphabet(texts: list[str]) -> None:
    distinct = list(dict.fromkeys(texts))
    codes = np.array([distinct.index(text) for text in texts] + [-1])
    made = numbered(distinct, codes)
    classes, found = made.names, made.values
    assert found[-1] == -1
    assert [classes[number] for number in found[:-1]] == texts
    if distinct != ["7"]:
        assert list(classes) == sorted(distinct)
