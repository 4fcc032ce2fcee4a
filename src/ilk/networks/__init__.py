"""Backbones, heads, teachers, surgery and encoders."""

from ilk.networks.backbone import backbone, recorded_options
from ilk.networks.class_heads import crop_and_patch_heads
from ilk.networks.classifier import Classifier, load_classifier, save_learned
from ilk.networks.cost import multiply_adds
from ilk.networks.decoders import (
    Critic,
    CutPatches,
    Enlarge,
    ImageDecoder,
    Posterior,
    TokenDecoder,
)
from ilk.networks.encoder import Encoder, encode, field_shape, showing
from ilk.networks.export import export_onnx, export_timm
from ilk.networks.given import GivenWeights, read_given
from ilk.networks.heads import (
    CentrePairs,
    EachPlace,
    MeanOfPlaces,
    PlaceSimilarities,
    Prototypes,
    classifier,
    dino_head,
    item_classifier,
    mlp,
)
from ilk.networks.information import (
    DrawnPlace,
    FewerPlaces,
    RowContext,
    ShortcutHead,
    UniformCritic,
    check_rows_apart,
)
from ilk.networks.layout import fast_in_bfloat16, fastest_layout
from ilk.networks.lora import merged
from ilk.networks.masked import (
    HIDDEN,
    MaskToken,
    check_drops_patches,
    patch_width,
    spread,
    visible_tokens,
)
from ilk.networks.network import Head, Network, SameAs, check_heads, check_name
from ilk.networks.own import OWN, VIT, frame_count, item_kind
from ilk.networks.patches import check_cells, check_patches, near_eighth, patch_of, patch_side
from ilk.networks.places import (
    ASKED,
    EARLY,
    FEATURE,
    MAP,
    SEQUENCE,
    SHOWN,
    TOKENS,
    Field,
    early_shape,
)
from ilk.networks.predictors import PlacePredictor
from ilk.networks.specs import (
    Start,
    feature_dim,
    lasting,
    load_encoder,
    start_from,
    warn,
    without_weights,
)
from ilk.networks.statistics import keep_statistics, with_measured_statistics
from ilk.networks.storage import save_encoder, write_encoder
from ilk.networks.surgery import (
    dino_class_token,
    fixed_sincos_positions,
    frozen_patch_projection,
    moco_v3_stem,
    moco_v3_weights,
)
from ilk.networks.sync import sync_batch_norm
from ilk.networks.teacher import PretrainedTeacher, Teacher
from ilk.networks.tuning import Tuning, parts_in_words, possible_parts, rates, set_modes, tune

__all__ = [
    "ASKED",
    "EARLY",
    "FEATURE",
    "HIDDEN",
    "MAP",
    "OWN",
    "SEQUENCE",
    "SHOWN",
    "TOKENS",
    "VIT",
    "CentrePairs",
    "Classifier",
    "Critic",
    "CutPatches",
    "DrawnPlace",
    "EachPlace",
    "Encoder",
    "Enlarge",
    "FewerPlaces",
    "Field",
    "GivenWeights",
    "Head",
    "ImageDecoder",
    "MaskToken",
    "MeanOfPlaces",
    "Network",
    "PlacePredictor",
    "PlaceSimilarities",
    "Posterior",
    "PretrainedTeacher",
    "Prototypes",
    "RowContext",
    "SameAs",
    "ShortcutHead",
    "Start",
    "Teacher",
    "TokenDecoder",
    "Tuning",
    "UniformCritic",
    "backbone",
    "check_cells",
    "check_drops_patches",
    "check_heads",
    "check_name",
    "check_patches",
    "check_rows_apart",
    "classifier",
    "crop_and_patch_heads",
    "dino_class_token",
    "dino_head",
    "early_shape",
    "encode",
    "export_onnx",
    "export_timm",
    "fast_in_bfloat16",
    "fastest_layout",
    "feature_dim",
    "field_shape",
    "fixed_sincos_positions",
    "frame_count",
    "frozen_patch_projection",
    "item_classifier",
    "item_kind",
    "keep_statistics",
    "lasting",
    "load_classifier",
    "load_encoder",
    "merged",
    "mlp",
    "moco_v3_stem",
    "moco_v3_weights",
    "multiply_adds",
    "near_eighth",
    "parts_in_words",
    "patch_of",
    "patch_side",
    "patch_width",
    "possible_parts",
    "rates",
    "read_given",
    "recorded_options",
    "save_encoder",
    "save_learned",
    "set_modes",
    "showing",
    "spread",
    "start_from",
    "sync_batch_norm",
    "tune",
    "visible_tokens",
    "warn",
    "with_measured_statistics",
    "without_weights",
    "write_encoder",
]
