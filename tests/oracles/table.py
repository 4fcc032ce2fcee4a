"""The oracle of every method, and of the mixes."""

from collections.abc import Mapping

from tests.oracles import (
    classes,
    consistency,
    contrast,
    crops,
    labels,
    mixed_labels,
    mixes,
    negatives,
    pull,
    statistics,
)
from tests.oracles.world import Oracle

ORACLES: Mapping[str, Oracle] = {
    "simclr": contrast.simclr,
    "moco-v2": contrast.moco_v2,
    "moco-v3": contrast.moco_v3,
    "byol": pull.byol,
    "simsiam": pull.simsiam,
    "barlow-twins": statistics.barlow_twins,
    "vicreg": statistics.vicreg,
    "swav": crops.swav,
    "dino": crops.dino,
    "nnclr": contrast.nnclr,
    "fnc": negatives.fnc,
    "supcon": contrast.supcon,
    "ressl": contrast.ressl,
    "msf": pull.msf,
    "cmsf": pull.cmsf,
    "ifnd": negatives.ifnd,
    "deepcluster-v2": crops.deepcluster_v2,
    "mochi": negatives.mochi,
    "relic-v2": contrast.relic_v2,
    "iic": classes.iic,
    "imsat": classes.imsat,
    "dac": classes.dac,
    "uic": classes.uic,
    "deepcluster": classes.deepcluster,
    "rekd": pull.rekd,
    "interclr": negatives.interclr,
    "revisiting": crops.revisiting,
    "rotation": classes.rotation,
    "w-mse": statistics.w_mse,
    "diet": classes.diet,
    "distill": pull.distill,
    "supervised": labels.supervised,
    "fixmatch": labels.fixmatch,
    "flexmatch": mixed_labels.flexmatch,
    "uda": mixed_labels.uda,
    "mixmatch": mixed_labels.mixmatch,
    "s4l-rotation": mixed_labels.s4l_rotation,
    "s4l-exemplar": mixed_labels.s4l_exemplar,
    "pseudo-label": consistency.pseudo_label,
    "pi-model": consistency.pi_model,
    "temporal-ensembling": consistency.temporal_ensembling,
    "mean-teacher": consistency.mean_teacher,
    "fast-swa": consistency.fast_swa,
    "vat": consistency.vat,
    "vat-entmin": consistency.vat_entmin,
}
# By method and mix, and after a colon by which strategy alone.
MIXED: Mapping[tuple[str, str], Oracle] = {
    ("moco-v3", "sdmp"): mixes.sdmp_on_moco_v3,
    ("moco-v3", "sdmp:cutout"): mixes.sdmp_on_moco_v3,
    ("dino", "sdmp"): mixes.sdmp_on_dino,
    ("dino", "sdmp:saliencymix"): mixes.sdmp_on_dino,
    ("rotation", "sdmp"): classes.sdmp_on_rotation,
    ("moco-v3", "i-mix"): mixes.i_mix,
    ("moco-v3", "un-mix"): mixes.un_mix,
    ("moco-v3", "mixco"): mixes.mixco,
    ("simclr", "dacl"): mixes.dacl,
    ("w-mse", "sdmp"): statistics.sdmp_on_w_mse,
    ("diet", "sdmp"): classes.sdmp_on_diet,
}

# Weights that never move, since the loss does not depend on them.
STILL: Mapping[str, set[str]] = {"vicreg": {"student.projector.6.bias"}}
