"""Positives, negatives and ignored images of a run's losses, drawn."""

from collections.abc import Sequence

from ilk.train.previews.records import CandidateGroup, LossPreview
from ilk.viewer.report import Lookup, LossSection, Neighbour
from ilk.viewer.views import captioned_row

LABELS = "Where labels are known, images with a label in common are ticked and framed."
CONTRASTED = (
    "Each row shows a query and the images that it is compared with. Positives, which ilk "
    "calls kin, are shown with their weight; negatives and ignored images with their cosine "
    "similarity to the query, the most similar first. An image stands in one group only, and "
    f"among the positives if it is one. {LABELS}"
)
ATTRACTED = (
    "Each row shows a query and its positives, which ilk calls kin, with their weight, the "
    f"largest first. This loss has no negatives. {LABELS}"
)
CLASSES = (
    "Each row shows a query and the other images of the batch. The positives (kin) of this "
    "loss are classes, not images, so each image is shown with the share of classes that it "
    f"has in common with the query. {LABELS}"
)


def loss_sections(previews: Sequence[LossPreview]) -> tuple[LossSection, ...]:
    """A section for each loss.

    Args:
        previews: what `ilk.train.preview_losses` found.
    """
    return tuple(
        LossSection(
            term=preview.name,
            lead=_lead(preview),
            lookups=tuple(
                Lookup(
                    query=captioned_row(query.image, named=True),
                    found=tuple(_group(group) for group in query.groups),
                )
                for query in preview.queries
            ),
        )
        for preview in previews
    )


def _lead(preview: LossPreview) -> str:
    if preview.candidates == "classes":
        return CLASSES
    return CONTRASTED if preview.negatives else ATTRACTED


def _group(group: CandidateGroup) -> tuple[str, tuple[Neighbour, ...]]:
    drawn = len(group.best)
    count = f"{drawn} of {group.count:,}" if drawn < group.count else f"{drawn}"
    found = tuple(
        Neighbour(
            image=captioned_row(one.image, score=f"{one.score:.2f} ", named=True),
            agrees=one.same_label,
        )
        for one in group.best
    )
    return f"{group.relation}: {count}", found
