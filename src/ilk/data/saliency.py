"""The salient part of an image, without anything learned. Axes: H W C pixels."""

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

SPECTRUM = 64  # pixels a side that the spectrum is taken of, as in the paper
SEGMENTED = 64  # pixels of the longer side that is segmented, for speed
ROUNDS = 3
KEPT = 100_000  # cuts that are not made again: 50 MB at most
RGB = 3


def spectral_residual(gray: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """Saliency in [0, 1], scaled back to the image.

    Hou and Zhang, "Saliency detection: a spectral residual approach", CVPR 2007, section 3:
    what the logarithm of the amplitudes has beyond its local mean, seen with the phases.
    """
    small = cv2.resize(gray, (SPECTRUM, SPECTRUM), interpolation=cv2.INTER_AREA)
    spectrum = np.fft.fft2(small)
    logs = np.log(np.abs(spectrum) + 1e-9).astype(np.float32)
    residual = logs - cv2.blur(logs, (3, 3), borderType=cv2.BORDER_REPLICATE)
    seen = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    smooth = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), SPECTRUM / 20)
    smooth = (smooth - smooth.min()) / max(float(np.ptp(smooth)), 1e-12)
    return cv2.resize(smooth, gray.shape[::-1], interpolation=cv2.INTER_LINEAR)


def salient(image: UInt8[np.ndarray, "H W C"]) -> Bool[np.ndarray, "H W"]:
    """The foreground, guessed: saliency seeds a cut by colour (GrabCut, Rother et al., 2004).

    The same for the same image. The border of the image counts as background. Where
    nothing stands out, or everything has one colour, nothing is foreground.
    """
    return enlarged(small_cut(image), image.shape[:2])


class Guessed:
    """`salient` for the items of a data set, each of which is cut once while there is room."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[bytes, tuple[int, int]]] = {}

    def __call__(self, item: int, image: UInt8[np.ndarray, "H W C"]) -> Bool[np.ndarray, "H W"]:
        """The foreground of an item."""
        found = self._kept.get(item)
        if found is None:
            cut = small_cut(image)
            if len(self._kept) < KEPT:
                self._kept[item] = np.packbits(cut).tobytes(), cut.shape
        else:
            bits, (height, width) = found
            flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=height * width)
            cut = flat.reshape(height, width)
        return enlarged(cut, image.shape[:2])


def small_cut(image: UInt8[np.ndarray, "H W C"]) -> UInt8[np.ndarray, "h w"]:
    """The foreground as ones, of an image that was made small."""
    height, width = image.shape[:2]
    scale = min(SEGMENTED / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(_rgb(image), size, interpolation=cv2.INTER_AREA)
    if np.ptp(small) == 0:  # a spectrum of nothing but rounding
        return np.zeros(small.shape[:2], np.uint8)
    return _cut(small, spectral_residual(small.mean(2, dtype=np.float32)))


def enlarged(cut: UInt8[np.ndarray, "h w"], shape: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """A small cut for the image's height and width, smooth at its border."""
    levels = cv2.resize(255 * cut, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return levels >= 128


def _cut(
    image: UInt8[np.ndarray, "H W 3"], saliency: Float32[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W"]:
    """1 where the cut says foreground."""
    bright = float(saliency.mean())
    state = np.where(saliency > bright, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    state[[0, -1], :] = state[:, [0, -1]] = cv2.GC_BGD
    state[(saliency > 3 * bright) & (state != cv2.GC_BGD)] = cv2.GC_FGD
    if not ((state == cv2.GC_PR_FGD) | (state == cv2.GC_FGD)).any():
        return np.zeros_like(state)
    cv2.setRNGSeed(0)  # of this thread: k-means inside must not depend on what came before
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, state, (0, 0, 1, 1), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return ((state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)).astype(np.uint8)


def _rgb(image: UInt8[np.ndarray, "H W C"]) -> UInt8[np.ndarray, "H W 3"]:
    """Colours as they are; other numbers of bands as their mean."""
    if image.shape[2] == RGB:
        return image
    return cv2.merge([image.mean(2).astype(np.uint8)] * RGB)
