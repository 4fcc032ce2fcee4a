"""The frozen record of parts that every recipe returns, and what can be read off it."""

from ilk.method.added_kin import AddedKin, with_added_kin
from ilk.method.anchor import with_anchor
from ilk.method.augment import AUGMENT, Augment, with_augmentation
from ilk.method.crops import crop_and_patch_terms, kept_apart, large_crops
from ilk.method.ground import with_background
from ilk.method.items import with_item_kind
from ilk.method.learned import Policy, with_policy
from ilk.method.options import typed_changes, typed_options
from ilk.method.outputs import (
    Pass,
    asks_for_places,
    draws_on_map,
    drops_patches,
    encodes_patches,
    label_head,
    passes,
    query_views,
    refusals,
    root_of,
    shown_views,
    unlabelled_terms,
)
from ilk.method.pseudo import PseudoLabels
from ilk.method.ranges import check_ranges
from ilk.method.record import (
    EMA,
    Given,
    Head,
    Method,
    Mixable,
    Optimisation,
    Pretrained,
    Remember,
    Together,
)
from ilk.method.references import outputs_in, substituted
from ilk.method.rewrite import Rewriting, Weighting, mixed_totals, with_mixed_queries
from ilk.method.sampling import (
    Grouped,
    KnownShare,
    Sampling,
    StepItems,
    check_batch,
    labelled_share,
    largest,
)
from ilk.method.stages import Stage, Staged, as_taught
from ilk.method.term import (
    Classes,
    FromMemory,
    NearestNeighbour,
    Patches,
    RowSource,
    Source,
    Term,
)

__all__ = [
    "AUGMENT",
    "EMA",
    "AddedKin",
    "Augment",
    "Classes",
    "FromMemory",
    "Given",
    "Grouped",
    "Head",
    "KnownShare",
    "Method",
    "Mixable",
    "NearestNeighbour",
    "Optimisation",
    "Pass",
    "Patches",
    "Policy",
    "Pretrained",
    "PseudoLabels",
    "Remember",
    "Rewriting",
    "RowSource",
    "Sampling",
    "Source",
    "Stage",
    "Staged",
    "StepItems",
    "Term",
    "Together",
    "Weighting",
    "as_taught",
    "asks_for_places",
    "check_batch",
    "check_ranges",
    "crop_and_patch_terms",
    "draws_on_map",
    "drops_patches",
    "encodes_patches",
    "kept_apart",
    "label_head",
    "labelled_share",
    "large_crops",
    "largest",
    "mixed_totals",
    "outputs_in",
    "passes",
    "query_views",
    "refusals",
    "root_of",
    "shown_views",
    "substituted",
    "typed_changes",
    "typed_options",
    "unlabelled_terms",
    "with_added_kin",
    "with_anchor",
    "with_augmentation",
    "with_background",
    "with_item_kind",
    "with_mixed_queries",
    "with_policy",
]
