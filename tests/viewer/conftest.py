import numpy as np
import pytest

from ilk.viewer import (
    CaptionedImage,
    Facts,
    Figure,
    ImageViews,
    Line,
    Lookup,
    Neighbour,
    Report,
    Results,
    Score,
    ScoreRow,
)

EVIL = '<script src="http://example.org/x.js">"&\'</script>'


def picture(caption: str, shares: tuple[tuple[str, float], ...] = ()) -> CaptionedImage:
    pixels = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)
    return CaptionedImage(
        pixels=pixels, caption=caption, alt=f"alt of {caption}", shares=shares
    )


def score(value: float) -> Score:
    return Score(value=value, low=value - 0.02, high=value + 0.03)


@pytest.fixture
def report() -> Report:
    """Everything a report can hold, with text that would do harm if it were not escaped."""
    rows = (
        ScoreRow(name=f"ours {EVIL}", scores=(score(0.7), score(0.8)), ours=True),
        ScoreRow(name="pixels", scores=(score(0.3), score(0.25))),
    )
    wave = tuple((i / 10, (i * 7919 % 13) / 13) for i in range(300))
    return Report(
        title=f"A title {EVIL}",
        verdict=f"A verdict {EVIL}",
        results=Results(measures=("knn@1", EVIL), rows=rows, chance=0.1, note=EVIL),
        figures=(
            Figure(title="Loss", lines=(Line(name="a", points=wave), Line(name=EVIL, points=wave))),  # noqa: E501
            Figure(title="Online k-NN", form="{:.0%}", lines=(Line(name="", points=wave[:1]),)),
        ),
        looks=(
            ImageViews(
                image=picture("image 1"),
                made=(picture("view a"), picture(EVIL, (("1", 0.625), ("4", 0.375)))),
            ),
        ),
        lookups=(
            Lookup(
                query=picture("cat"),
                found=(
                    (
                        "Trained",
                        (
                            Neighbour(image=picture("cat"), agrees=True),
                            Neighbour(image=picture("dog"), agrees=False),
                            Neighbour(image=picture("image"), agrees=None),
                        ),
                    ),
                ),
            ),
        ),
        facts=(Facts(title="Settings", rows=((EVIL, EVIL),)),),
    )  # fmt: skip
