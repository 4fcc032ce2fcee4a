"""How much of a picture is needed. Axes: H W pixels."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detail:
    """Below this a picture has fewer pixels than what is made of it would show.

    Args:
        area: pixels in all.
        side: pixels of the shorter side.
    """

    area: int
    side: int

    def spared(self, height: int, width: int, reductions: tuple[int, ...]) -> int:
        """By how much each side may be divided; 1 where nothing can be spared.

        Args:
            height: of the whole picture.
            width: of the whole picture.
            reductions: what can be had.
        """
        enough = [
            by
            for by in reductions
            if min(height, width) >= self.side * by and height * width >= self.area * by**2
        ]
        return max(enough, default=1)
