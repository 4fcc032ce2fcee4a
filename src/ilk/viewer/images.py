"""Images inside a page. Axes: H W C pixels."""

import base64
from xml.etree.ElementTree import Element

import cv2
import numpy as np
from jaxtyping import UInt8

from ilk.viewer.markup import element
from ilk.viewer.report import CaptionedImage, CropPair

HELD = "\N{NO-BREAK SPACE}"
SIDE, GAP = 100, 16  # of each of two joined images, and between them, in units of a drawing
LARGEST = 160  # pixels of the longer side: sharp at the size pages show, on fine screens too


def figure(captioned: CaptionedImage, *extra: Element) -> Element:
    """An image with its caption, and what it is mixed of in words and as a bar."""
    height, width = captioned.pixels.shape[:2]
    image = element(
        "img",
        {
            "src": data_uri(captioned.pixels),
            "alt": captioned.alt,
            "title": captioned.alt,
            "width": str(width),
            "height": str(height),
        },
    )
    caption = element("figcaption", None, *extra, captioned.caption)
    if not captioned.shares:
        return element("figure", None, image, caption)
    words = " + ".join(f"{share:.2f}{HELD}of{HELD}{name}" for name, share in captioned.shares)
    caption.append(element("span", {"class": "made"}, words))
    return element("figure", None, image, _bar(captioned.shares), caption)


def joined(pair: CropPair) -> Element:
    """Two images with lines between their places."""
    step = SIDE + GAP
    images = [
        element(
            "image",
            {"href": data_uri(pixels), "x": x, "y": 0, "width": SIDE, "height": SIDE},
        )
        for x, pixels in ((0, pair.left), (step, pair.right))
    ]
    lines: list[Element] = []
    for (x, y), (across, down) in pair.lines:
        ends = {"x1": SIDE * x, "y1": SIDE * y, "x2": step + SIDE * across, "y2": SIDE * down}
        lines.append(element("line", {"class": "under", **ends}))
        lines.append(element("line", {"class": "link", **ends}))
    drawing = element(
        "svg",
        {"viewBox": f"0 0 {step + SIDE} {SIDE}", "role": "img", "aria-label": pair.alt},
        *images,
        *lines,
    )
    return element("figure", None, drawing, element("figcaption", None, pair.caption))


def data_uri(pixels: UInt8[np.ndarray, "H W C"]) -> str:
    """The image as an address that holds its own PNG."""
    shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
    scale = LARGEST / max(shown.shape[:2])
    if scale < 1:
        size = [max(round(side * scale), 1) for side in shown.shape[1::-1]]
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], -1)
    coded = cv2.imencode(".png", np.ascontiguousarray(shown[..., ::-1]))[1]
    return f"data:image/png;base64,{base64.b64encode(coded.tobytes()).decode('ascii')}"


def _bar(shares: tuple[tuple[str, float], ...]) -> Element:
    parts = [element("span", {"style": f"flex-grow:{share:.4f}"}) for _, share in shares]
    return element("div", {"class": "shares", "aria-hidden": "true"}, *parts)
