"""SDMP: mixed images that share source images are positives, weighted by the share in common.

Paper: Ren et al., CVPR 2022, https://arxiv.org/abs/2206.07692
Idea: a mixed query is a positive of both of its sources (Eq. 3, 7), and of every mix of the
    same two sources by the overlap of their shares (Eq. 4, 8). Both losses are added to the
    loss of the plain images.
Against i-Mix: mixes are positives of one another too, each image draws its own share, and the
    plain pairs stay.
Departures: for MoCo v3 the plain loss has half of the weight and each mixed loss a quarter,
    as in the authors' code. For multi-crop methods each loss is a mean over its own pairs and
    the losses are added, as the paper says; its code was not published. With few small crops
    the mixed losses then have most of the weight; weighting="crops" or "pairs" changes that.
    Boxes never leave the image, so both views have the same share. Images are paired within
    each device.
Checked: tests/oracles, tests/golden/sdmp.json; accuracy: make mini.
"""

from dataclasses import dataclass, replace
from typing import Literal

from ilk.kin import with_even_weights
from ilk.method import (
    Method,
    Remember,
    Rewriting,
    Term,
    Weighting,
    mixed_totals,
    substituted,
    with_mixed_queries,
)
from ilk.views import Mixing, Strategy, common_snap


@dataclass(frozen=True, kw_only=True, slots=True)
class SDMP:
    """Settings of SDMP; defaults are the paper's.

    Args:
        version: replace one symmetric half of the loss, or add a mixed view.
        strategies: one is drawn for each batch.
        alpha: parameter of the Beta distribution of shares.
        per_sample: each image draws its share; False draws one for the batch (Tables 6 and 7).
        static_source: both sources have equal weights, whatever their shares (Tables 6 and 7).
        static_mix: mixes have equal weights, whatever their overlap (Tables 6 and 7).
        weighting: how much mixed crops weigh. "paper" adds the three losses as declared by the
            method (MoCo v3: 1/2, 1/4 and 1/4; multi-crop: 1, 1 and 1), "pairs" takes one mean
            over all pairs, and "crops" leaves each crop the weight that it had.
        clean_weight: the clean terms are multiplied by it.
        source_weight: likewise the source terms.
        mix_weight: likewise the mix terms.
        mixed_teachers: how many of the teacher's views are mixed too; None is all of them.
        remember_mixed: memories and centres also see mixed outputs.
    """

    version: Literal["replace", "extra"] = "replace"
    strategies: tuple[Strategy, ...] = ("mixup", "cutmix", "resizemix")
    alpha: float = 1.0
    per_sample: bool = True
    static_source: bool = False
    static_mix: bool = False
    weighting: Weighting = "paper"
    clean_weight: float = 1.0
    source_weight: float = 1.0
    mix_weight: float = 1.0
    mixed_teachers: int | None = None
    remember_mixed: bool = False

    def apply(self, method: Method) -> Method:
        """The method with mixed queries."""
        mixable = method.mixable
        extra = self.version == "extra" or not mixable.replace
        clean, source, mix = mixed_totals(
            method, mixable.queries, self.weighting, keep_clean=extra
        )
        teachers = tuple(view.name for view in method.views)[: self.mixed_teachers]
        made = with_mixed_queries(
            method,
            Rewriting(
                name="sdmp",
                mixing=Mixing(
                    strategies=self.strategies,
                    alpha=self.alpha,
                    per_sample=self.per_sample,
                    snap=common_snap(view.size for view in method.views),
                ),
                queries=mixable.queries,
                clean="all" if extra else "others",
                extra=self.version == "extra",
                totals=(
                    clean * self.clean_weight,
                    source * self.source_weight,
                    mix * self.mix_weight,
                ),
                teachers=None if self.mixed_teachers is None else teachers,
                source=_static if self.static_source else _as_it_is,
                mix=_static if self.static_mix else _as_it_is,
                swap=mixable.swap,
            ),
        )
        return replace(made, remember=_with_mixed(made)) if self.remember_mixed else made


def _as_it_is(term: Term) -> Term:
    return term


def _static(term: Term) -> Term:
    return replace(term, kin=with_even_weights(term.kin))


def _with_mixed(method: Method) -> tuple[Remember, ...]:
    mixes = {mix.view: mix.name for mix in method.mixes.values()}
    return tuple(
        replace(entry, outputs=(*entry.outputs, *substituted(entry.outputs, mixes)))
        for entry in method.remember
    )
