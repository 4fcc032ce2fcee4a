"""What the page computes by itself, against slow references."""

import json
import re
from datetime import datetime
from importlib import resources

import numpy as np
import pyarrow as pa
import pytest

from ilk.core import UserError
from ilk.search import rows_where
from ilk.search.where import Compare, parse

SPANS = ("2023", "2024", "2023-12", "2024-01", "2023-12-31", "2024-01-01")
SAME = [  # filters that the page and the command line must read the same way
    *(f"{name}{sign}{value}" for name in ("kind", "lens", "year", "day", "key")
      for sign in ("=", "!=", "<", "<=", ">", ">=", "~")
      for value in ("9", "2024", "b", "'*1*'")),
    "kind=And or not KIND=x", "kind='And' AND lens>9", "NOT kind=b Or day<2024-02-31",
    "kind=1_0", "lens>1_0", "lens>=0x9", "lens<' 9'", "lens<''", "lens>Infinity", "size>1_0",
    "size>0x1", "size>''", "size>=1e0", "size<+2.", "size>.5", "day>=2024-02-31", "kind=is",
    "kind=Missing", "missing=1", "kind is not MISSING", "day='2024-02-28 12:00'", "day>2024-02",
]  # fmt: skip
SHAPES = {
    "key": ["a/1.png", "10", "2024"],
    "kind": ["9", "b", None],
    "lens": ["9", "10", "100"],
    "year": ["2023", None, "2025"],
    "day": ["2024-02-28 12:00", "2025-01-01", "1969-12-31"],
}
NAMES = ["And", "or", "NOT", "Missing", "is", "", " ", "a\\", 'a"b', "it's", "a\u00a0b",
         "\ufeff", "a=b", "(x)", "\u2028", "a!", "*?", "x~y", "<img src=x onerror=alert(1)>",
         "\N{GRINNING FACE}", "Zo\u0308e", "日本", "a\\n", "-1", "#", "a&b;c"]  # fmt: skip
DATES = [f"taken{sign}{span}" for sign in ("=", "!=", "<", "<=", ">", ">=") for span in SPANS]


def test_the_parts_of_the_page_compute_what_slow_references_do(seen):
    found = seen.ask(
        """async ([dates, same, shapes, names]) => {
      const { Bins } = await import("./bins.js");
      const { packed, unpacked, idsToText, textToIds } = await import("./masks.js");
      const { parsed, written, meant } = await import("./where.js");
      let seed = 7;
      const random = () => ((seed = (seed * 48271) % 2147483647) / 2147483647) * 2 - 1;
      const points = Float32Array.from({ length: 4000 }, random);
      const polygon = Array.from({ length: 22 }, random);
      const bins = new Bins(points);
      const spots = Array.from({ length: 60 }, () => [random(), random()]);
      const mask = Uint8Array.from({ length: 77 }, () => random() > 0);
      const ids = [0, 3, 128, 70000, 5000000000, 5000000001];
      const text = 'a~"x*" and not (b>=2 or c is not missing) and "d e"="q\\\\"r"';
      const column = { kind: "category", values: ["cat", "dog"], data: [0, 1, 65535] };
      const size = { kind: "number", data: Float32Array.of(1, NaN, 3) };
      const taken = { kind: "number", date: true, data: Float32Array.of(19722.5, 19723, NaN) };
      const columns = new Map([["kind", column], ["size", size], ["taken", taken]]);
      const table = { count: 3, columns, key: String };
      const filters = ["kind=cat", "kind!=cat", "size>1", "not size>1", "size is missing",
        "kind=dog or size>=3", "key~?", "key=1", "kind~c*t and size<2"];
      return {
        points: [...points], polygon, inside: [...bins.inPolygon(polygon)], spots,
        nearest: spots.map(([x, y]) => bins.nearest(x, y, 0.1, (row) => row % 2 === 0)),
        box: bins.inside({ left: -0.5, right: 0.2, bottom: 0, top: 0.4 }, 4000, () => true),
        some: bins.inside({ left: -0.5, right: 0.2, bottom: 0, top: 0.4 }, 3, () => true),
        mask: [...mask], bytes: [...packed(mask)], back: [...unpacked(packed(mask), 77)],
        ids, textual: textToIds(idsToText(ids)), broken: textToIds("%%%"),
        written: written(parsed(text)), again: written(parsed(written(parsed(text)))),
        dates: Object.fromEntries(dates.map((one) => [one, [...meant(one, table)]])),
        wrong: ["taken=2024-02-31", "taken>19723", "taken~2024*",
          "taken=unknown", "taken=''"].filter((one) => {
          try {
            return meant(one, table);
          } catch (fault) {
            return !fault.message.includes("a date such as");
          }
        }),
        named: names.map((name) => (
          written({ kind: "compare", column: name, sign: "=", value: name }))),
        same: Object.fromEntries(same.map((one) => {
          const texts = new Map(Object.entries(shapes).map(([name, values]) => {
            const known = [...new Set(values.filter((value) => value !== null))];
            const data = values.map((value) => (value === null ? 65535 : known.indexOf(value)));
            return [name, { name, kind: "category", values: known, data }];
          }));
          texts.set("size", { name: "size", kind: "number", data: Float32Array.of(1, NaN, 3) });
          texts.delete("key");
          try {
            const key = (row) => shapes.key[row];
            return [one, [...meant(one, { count: 3, columns: texts, key })]];
          } catch {
            return [one, null];
          }
        })),
        meant: Object.fromEntries(filters.map((one) => [one, [...meant(one, table)]])),
      };
    }""",
        [DATES, SAME, SHAPES, NAMES],
    )
    points = np.float32(found["points"]).reshape(-1, 2).astype(float)
    corners = np.array(found["polygon"]).reshape(-1, 2)
    assert [bool(one) for one in found["inside"]] == [_inside(x, y, corners) for x, y in points]
    even = np.arange(len(points)) % 2 == 0
    for (x, y), row in zip(found["spots"], found["nearest"], strict=True):
        away = np.where(even, np.hypot(*(points - [x, y]).T), np.inf)
        assert row == (away.argmin() if away.min() <= 0.1 else -1)
    x, y = points.T
    within = np.flatnonzero((x >= -0.5) & (x <= 0.2) & (y >= 0) & (y <= 0.4))
    assert sorted(found["box"]) == within.tolist()
    assert found["some"] is None
    assert found["bytes"] == np.packbits(found["mask"], bitorder="little").tolist()
    assert found["back"] == found["mask"]
    assert found["textual"] == found["ids"]
    assert found["broken"] == []
    assert found["written"] == 'a~x* and not (b>=2 or not c is missing) and "d e"="q\\"r"'
    assert found["again"] == found["written"]
    days = pa.array([datetime(2023, 12, 31, 12), datetime(2024, 1, 1), None])
    table = pa.table({"taken": days})
    expected = {text: rows_where(table, text).astype(int).tolist() for text in DATES}
    assert found["dates"] == expected
    assert found["wrong"] == []
    shapes = pa.table({**SHAPES, "size": [1, None, 3]})
    assert found["same"] == {text: _meant(shapes, text) for text in SAME}
    assert [parse(text) for text in found["named"]] == [Compare(n, "=", n) for n in NAMES]
    assert found["meant"] == {
        "kind=cat": [1, 0, 0], "kind!=cat": [0, 1, 1], "size>1": [0, 0, 1],
        "not size>1": [1, 1, 0], "size is missing": [0, 1, 0], "kind=dog or size>=3": [0, 1, 1],
        "key~?": [1, 1, 1], "key=1": [0, 1, 0], "kind~c*t and size<2": [1, 0, 0],
    }  # fmt: skip


def _meant(table: pa.Table, text: str) -> list[int] | None:
    try:
        return rows_where(table, text).astype(int).tolist()
    except UserError:
        return None


def _inside(x: float, y: float, corners: np.ndarray) -> bool:
    """Winding by angles: twice as slow to write as the rule of the page, and unlike it."""
    ends = np.arctan2(corners[:, 1] - y, corners[:, 0] - x)
    turns = np.diff(np.append(ends, ends[0]))
    turns = (turns + np.pi) % (2 * np.pi) - np.pi
    return bool(round(turns.sum() / (2 * np.pi)) % 2)


# After Machado, Oliveira and Fernandes 2009, of full severity; on linear red, green and blue.
SIGHTS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip
CONES = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                  [0.2119034982, 0.6806995451, 0.1073969566],
                  [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
OKLAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                  [1.9779984951, -2.4285922050, 0.4505937099],
                  [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip


@pytest.mark.parametrize("ground", ["LIGHT", "DARK"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_of_categories_stay_apart_for_all_eyes(ground, sight):
    text = (resources.files("ilk.explore") / "static/colours.js").read_text()
    line = re.search(rf"const {ground} = (\[.*?\]);", text)
    colours = [
        [int(hue[at : at + 2], 16) / 255 for at in (1, 3, 5)] for hue in json.loads(line[1])
    ]
    linear = np.where(np.array(colours) <= 0.04045, np.array(colours) / 12.92,
                      ((np.array(colours) + 0.055) / 1.055) ** 2.4)  # fmt: skip
    seen = np.clip(linear @ np.array(SIGHTS[sight]).T, 0, 1)
    lab = np.cbrt(seen @ CONES.T) @ OKLAB.T
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2) + np.eye(len(lab))
    assert apart.min() > 0.08
