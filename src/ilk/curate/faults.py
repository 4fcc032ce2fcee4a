"""Which images of a collection have something wrong with them, by what was measured of them.

Axes: N images.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Float64, Int64

from ilk.curate.spread import lower_limit, upper_limit

_MOST_GRAY = 0.5  # of a collection; where more of it is gray, gray is what it is like
_NO_COLOUR = 6 / 255  # what JPEG makes of gray


@dataclass(frozen=True, slots=True)
class Found:
    """The images with one fault.

    Args:
        kind: a word for it.
        says: what it means and where the limit lies, for people.
        mask: which images have it.
        badness: a number for every image, larger is worse; it orders those that have it.
    """

    kind: str
    says: str
    mask: Bool[np.ndarray, " N"]
    badness: Float64[np.ndarray, " N"]


@dataclass(frozen=True, slots=True)
class Low:
    """A fault of images in which a measure is low.

    The collection's own spread says what is low, between two limits that hold for any: below
    ``never`` there is no image to see, and above ``fine`` nothing is wrong with it, however
    much better the others are.

    Args:
        column: the measure.
        says: what is wrong, for people.
        never: below it an image has the fault in any collection.
        fine: at it and above an image has it in none.
        finest: the least deviation that a collection is taken to have.
        flipped: whether one minus the measure is what is low.
    """

    column: str
    says: str
    never: float
    fine: float
    finest: float
    flipped: bool = False


LOW: Mapping[str, Low] = {
    "dark": Low("highlight", "99 % of the pixels are below {:.2f} of white", 0.1, 0.35, 0.02),
    "bright": Low(
        "shadow", "95 % of the pixels are less than {:.2f} below white", 0.05, 0.2, 0.02,
        flipped=True,
    ),
    "blurry": Low(
        "sharpness", "a slight blur takes less than {:.2f} of the gradients", 0.04, 0.2, 0.02
    ),
    "low-information": Low("entropy", "gray levels have less than {:.1f} bits", 1.0, 3.0, 0.2),
}  # fmt: skip


def faults(table: pa.Table) -> list[Found]:
    """All faults that the pixels of images show, each with the images that have it.

    Args:
        table: what `ilk.curate.measured` gave.
    """
    out = [_unreadable(table)]
    out += [_low(kind, low, _numbers(table, low.column)) for kind, low in LOW.items()]
    width, height = _numbers(table, "width"), _numbers(table, "height")
    out.append(_size(np.sqrt(width * height)))
    out.append(_aspect(np.maximum(width, height) / np.minimum(width, height)))
    out.append(_gray(_numbers(table, "colour")))
    return out


def listed(found: Sequence[Found]) -> pa.Array:
    """The kinds of each image, as a column of lists."""
    masks = np.stack([entry.mask for entry in found])
    kinds = np.nonzero(masks.T)[1]
    offsets = np.concatenate([[0], np.cumsum(masks.sum(0))])
    names = pa.array([entry.kind for entry in found], pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names.take(pa.array(kinds)))


def in_one(found: Sequence[Found]) -> pa.Array:
    """The kinds of each image as a text such as ``dark, gray``, null without any.

    So a filter can ask ``issue~*dark*``.
    """
    kinds = pc.binary_join(listed(found), ", ")
    return pc.if_else(pc.equal(kinds, ""), None, kinds)


def _numbers(table: pa.Table, name: str) -> Float64[np.ndarray, " N"]:
    """A column, NaN where nothing is known."""
    column = table[name].combine_chunks().cast(pa.float64(), safe=False)
    return column.to_numpy(zero_copy_only=False)


def _unreadable(table: pa.Table) -> Found:
    mask = table["unreadable"].is_valid().to_numpy()
    return Found("unreadable", "they cannot be decoded", mask, mask.astype(np.float64))


def _low(kind: str, low: Low, values: Float64[np.ndarray, " N"]) -> Found:
    values = 1 - values if low.flipped else values
    limit = float(np.clip(lower_limit(values, low.finest), low.never, low.fine))
    return Found(kind, low.says.format(limit), _less(values, limit), -values)


def _less(values: Float[np.ndarray, " N"], limit: float) -> Bool[np.ndarray, " N"]:
    return np.nan_to_num(values, nan=np.inf) < limit


def _size(side: Float64[np.ndarray, " N"]) -> Found:
    """Sides that differ from the median by a factor of two at least."""
    octaves = np.log2(side)
    low, high = lower_limit(octaves, 0.25), upper_limit(octaves, 0.25)
    mask = _less(octaves, low) | _less(-octaves, -high)
    middle = np.nanmedian(octaves) if np.isfinite(octaves).any() else 0.0
    says = f"sides are below {2**low:,.0f} or above {2**high:,.0f} pixels, by area"
    return Found("odd-size", says, mask, np.abs(octaves - middle))


def _aspect(ratio: Float64[np.ndarray, " N"]) -> Found:
    """The longer side by the shorter, far above that of others and above two in any case."""
    octaves = np.log2(ratio)
    limit = max(upper_limit(octaves, 0.1), 1.0)
    says = f"the longer side is more than {2**limit:.1f} times the shorter"
    return Found("odd-aspect", says, _less(-octaves, -limit), octaves)


def _gray(colour: Float64[np.ndarray, " N"]) -> Found:
    mask = _less(colour, _NO_COLOUR)
    if mask.sum() > _MOST_GRAY * np.isfinite(colour).sum():
        mask = np.zeros_like(mask)
    says = "they have no colour, where most images of the collection have"
    return Found("gray", says, mask, -colour)


def expanded(found: Found, rows: Int64[np.ndarray, " n"], count: int) -> Found:
    """The same among other images.

    Args:
        found: in some images.
        rows: the place of each among the others; -1 where it is not there.
        count: N, of the others.
    """
    mask, badness = np.zeros(count, np.bool_), np.full(count, -np.inf)
    there = rows >= 0
    mask[rows[there]], badness[rows[there]] = found.mask[there], found.badness[there]
    return replace(found, mask=mask, badness=badness)
