"""Terms of methods whose student sees large crops with a part hidden."""

from collections.abc import Callable, Sequence

from ilk.core import KinRule, Output
from ilk.kin import CommonSource, Counterpart, Itself
from ilk.method.term import Classes, Term
from ilk.objectives import KoLeo, SoftCrossEntropy

CROPS, PATCHES = "prototypes", "patch_prototypes"  # heads
LARGE = (1, 2)  # numbers of the large crops

Deciding = Callable[[Output, Output, KinRule], KinRule]


def crop_and_patch_terms(
    shown: Sequence[str],
    deciding: Deciding,
    *,
    prototypes: int,
    temperature: float,
    patch_weight: float = 1.0,
) -> tuple[Term, ...]:
    """Every crop predicts a class of another large one, each hidden patch that of its place.

    iBOT, Zhou et al., ICLR 2022, https://arxiv.org/abs/2111.07832, Eq. 2 and 3: the loss of
    DINO is a mean over all pairs of a teacher's and another student's crop, that of patches a
    mean over large crops of the mean over each one's hidden patches.

    Args:
        shown: what the student sees: m1 and m2 of `ilk.views.masked_crops`, then small crops.
        deciding: makes the kin rule from what the teacher says of a large crop, of the other
            one, and how much a row of the first counts for a query.
        prototypes: number of classes, for crops and for patches.
        temperature: of the student.
        patch_weight: weight of the loss of patches; that of crops has one.
    """
    of_crops = tuple(
        Term(
            name="clean",
            queries=tuple(Output("student", v, CROPS) for v in shown if v != f"m{n}"),
            candidates=(Classes(prototypes),),
            kin=deciding(*_teacher(n, CROPS), CommonSource()),
            objective=SoftCrossEntropy(temperature=temperature),
            weight=1 / 2,
        )
        for n in LARGE
    )
    of_patches = tuple(
        Term(
            name="patches",
            queries=(Output("student", f"m{n}", PATCHES),),
            candidates=(Classes(prototypes),),
            kin=deciding(*_teacher(n, PATCHES), Counterpart()),
            objective=SoftCrossEntropy(temperature=temperature),
            weight=patch_weight / 2,
            rows="images",
        )
        for n in LARGE
    )
    return (*of_crops, *of_patches)


def large_crops(head: str) -> tuple[Output, ...]:
    """What the teacher says of both large crops."""
    return tuple(Output("teacher", f"t{n}", head) for n in LARGE)


def _teacher(number: int, head: str) -> tuple[Output, Output]:
    """What the teacher says of one large crop, and of the other."""
    own, other = (Output("teacher", f"t{n}", head) for n in (number, 3 - number))
    return own, other


def kept_apart(outputs: Sequence[Output], weight: float) -> tuple[Term, ...]:
    """A term of `ilk.objectives.KoLeo` for each output of the student, whatever the method."""
    return tuple(
        Term(
            name="spread",
            queries=(own,),
            candidates=(own,),
            kin=Itself(),
            objective=KoLeo(),
            weight=weight,
        )
        for own in outputs
    )
