"""Columns, jobs, what is kept, and modules in one script."""

import datetime
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ilk.core import UserError
from ilk.explore.bundle import bundled, static_files
from ilk.explore.columns import MISSING, Number, category, columns
from ilk.explore.derived import derived, keep
from ilk.explore.jobs import Jobs, Working
from ilk.explore.neighbours import NOWHERE, Graph, kept_share, packed, unpacked


def test_columns_are_numbers_and_categories() -> None:
    table = pa.table(
        {
            "id": [0, 1, 2],
            "key": ["a/b/1.jpg", "2.jpg", "a/b/3.jpg"],
            "label": pa.array([1, None, 0]),
            "label_name": ["dog", None, "cat"],
            "width": pa.array([5, None, 7], pa.int32()),
            "sharp": pa.array([True, False, None]),
            "taken": pa.array([datetime.date(2024, 7, 2), None, datetime.date(1970, 1, 1)]),
            "none": pa.array([None, None, None], pa.string()),
        }
    )
    found = {column.name: column for column in columns(table)}
    assert list(found) == ["label", "folder", "width", "sharp", "taken"]
    assert [found["label"].value(row) for row in range(3)] == ["dog", None, "cat"]
    assert [found["folder"].value(row) for row in range(3)] == ["a/b", None, "a/b"]
    assert [found["width"].value(row) for row in range(3)] == [5, None, 7]
    assert [found["sharp"].value(row) for row in range(3)] == ["true", "false", None]
    assert [found["taken"].value(row) for row in range(3)] == [19_906, None, 0]
    said = found["width"].said()
    assert (said["min"], said["max"], said["missing"], said["whole"]) == (5.0, 7.0, 1, True)


def test_a_text_for_every_image_is_no_category() -> None:
    texts = pa.array([str(number) for number in range(MISSING)])
    assert category("name", texts) is None
    made = category("name", texts[:-1])
    assert made is not None
    assert int(made.codes.max()) == MISSING - 2


def test_text_of_columns_can_only_be_read() -> None:
    made = category("a\u202eb", pa.array(["x\x1b[31m", "<b>"]))
    assert made is not None
    assert made.said()["name"] == "a\\u202eb"
    assert "x\\x1b[31m" in made.said()["values"]


def test_numbers_beyond_float32_are_none() -> None:
    number = Number("size", np.array([1e38, np.inf], np.float32))
    assert number.said()["max"] == pytest.approx(1e38)
    assert number.value(1) is None


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 1001])
def test_masks_have_a_bit_an_image(count: int) -> None:
    mask = np.random.default_rng(count).random(count) < 0.5
    data = packed(mask)
    for row in range(count):
        assert bool(data[row >> 3] >> (row & 7) & 1) == mask[row]
    assert (unpacked(data, count) == mask).all()
    assert unpacked(data + b"\0", count) is None


def test_kept_share_counts_common_neighbours() -> None:
    none = NOWHERE
    before = np.array([[1, 2, 3], [0, 2, 3], [none, none, none], [1, none, none]], np.uint32)
    after = np.array([[3, 1, 4], [2, 0, 3], [0, 1, 3], [1, 2, none]], np.uint32)
    blank = np.zeros((4, 3), np.float16)
    both = np.array([True, True, True, False])
    share = kept_share(Graph(before, blank), Graph(after, blank), both, 3)
    np.testing.assert_allclose(share, [2 / 3, 1, 0, np.nan])


def test_a_job_is_done_once_however_many_ask() -> None:
    jobs, go, made = Jobs(), threading.Event(), []

    def make(tell) -> str:
        tell(1, 2)
        go.wait(10)
        made.append(1)
        return "result"

    for _ in range(5):
        with pytest.raises(Working, match="slow"):
            jobs.result("slow", "Slow", make)
    go.set()
    for _ in range(200):
        if jobs.state("slow") == "done":
            break
        time.sleep(0.01)
    assert jobs.result("slow", "Slow", make) == "result"
    assert made == [1]
    (one,) = jobs.listed()
    assert (one["state"], one["done"], one["of"]) == ("done", 1, 2)
    assert jobs.revision == 1


def test_a_job_that_fails_says_why() -> None:
    jobs = Jobs(at_once=True)

    def lost(tell) -> None:
        raise UserError("images: must be there")

    def broken(tell) -> None:
        raise ValueError("odd")

    for name, make, words in (("a", lost, "must be there"), ("b", broken, "ValueError: odd")):
        for _ in range(2):
            with pytest.raises(UserError, match=words):
                jobs.result(name, name, make)
        assert words in (jobs.problem(name) or "")


def test_what_is_kept_is_of_one_state(tmp_path: Path) -> None:
    like = {"points": np.zeros((3, 2), np.float32), "words": np.array("")}
    keep(
        tmp_path, "map", "one", {"points": np.ones((3, 2), np.float32), "words": np.array("so")}
    )
    found = derived(tmp_path, "map", "one", like)
    assert found is not None
    assert str(found["words"]) == "so"
    assert derived(tmp_path, "map", "two", like) is None
    assert derived(tmp_path, "other", "one", like) is None
    assert derived(None, "map", "one", like) is None
    longer = like | {"points": np.zeros((4, 2), np.float32)}
    assert derived(tmp_path, "map", "one", longer) is None
    path = tmp_path / "map.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    assert derived(tmp_path, "map", "one", like) is None
    central = whole.index(
        b"PK\x01\x02"
    )  # the first entry: encrypted, or packed by what is none
    for place, byte in ((8, b"\x01"), (10, b"\x63")):
        at = central + place
        path.write_bytes(whole[:at] + byte + whole[at + 1 :])
        assert derived(tmp_path, "map", "one", like) is None


def test_what_unpacks_to_too_much_is_not_read(tmp_path: Path) -> None:
    like = {"points": np.zeros((3, 2), np.float32)}
    np.savez_compressed(tmp_path / "map.npz", of="1 one", points=np.zeros((500_000, 2)))
    assert derived(tmp_path, "map", "one", like) is None


MODULES = {
    "main.js": 'import { twice as double } from "./sum.js";\n'
    'import { two } from "./two.js";\n'
    "globalThis.out = double(two);\n",
    "sum.js": 'import { two } from "./two.js";\nconst hidden = 1;\n'
    "export function twice(n) {\n  return two * n * hidden;\n}\n",
    "two.js": "const hidden = 5;\nexport const two = 2;\n",
}


def test_modules_become_one_script() -> None:
    script = bundled(MODULES, "main.js")
    assert script.index("$two = ") < script.index("$sum = ") < script.index("$main = ")
    assert "const { twice: double } = $sum;" in script
    assert "return { twice };" in script
    assert "import" not in script
    assert "export" not in script


@pytest.mark.parametrize(
    "text",
    ['import x from "./two.js";\n', 'import * as x from "./two.js";\n', "export default 3;\n",
     'const x = await import("./two.js");\n', 'const x = "</script>";\n', "export let x = 1;\n",
     'import { x } from "./absent.js";\n', 'import { x } from "./main.js";\n'],
)  # fmt: skip
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="bundle"):
        bundled(MODULES | {"main.js": text}, "main.js")


def test_the_page_itself_can_be_bundled() -> None:
    files = {name: data.decode() for name, data in static_files().items()}
    assert len(bundled(files, "main.js")) > 10_000
