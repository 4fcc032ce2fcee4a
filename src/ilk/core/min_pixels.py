"""How much of an image is needed. Axes: H W pixels."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MinPixels:
    """Below this an image has fewer pixels than what is made of it would show.

    Args:
        area: pixels in all.
        side: pixels of the shorter side.
    """

    area: int
    side: int

    def reduction(self, height: int, width: int, reductions: tuple[int, ...]) -> int:
        """By how much each side may be divided; 1 where nothing can be spared.

        Args:
            height: of the whole image.
            width: of the whole image.
            reductions: what can be had.
        """
        enough = [
            by
            for by in reductions
            if min(height, width) >= self.side * by and height * width >= self.area * by**2
        ]
        return max(enough, default=1)
