"""Which arguments a backbone may be built with: one list, by name, kind and range.

Among the arguments that timm takes are some that fetch an address, read a file or write to a
folder. A backbone's name and options are also read from the files of others, so what is not
listed here is refused, whoever asks for it.
"""

import re
from collections.abc import Mapping
from typing import cast

from ilk.core import UserError
from ilk.core.fields import FLAG, Kind, maybe, number, one_of, shown, whole
from ilk.core.items import MAX_CHANNELS, MAX_SIDE
from ilk.core.names import did_you_mean

MAX_NUMBERS = 2**26  # of one image: 3 x 4096 x 4096 pixels are fewer
MAX_WIDTH = 2**16  # of anything counted but layers
MAX_LAYERS = 1024
MAX_ENTRIES = 64  # of a list
PRETRAINED = "pretrained"  # asks for published weights; never read from a file

_NAME = re.compile(
    r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?"
)  # an architecture, and perhaps its weights
_POOLS = ("", "avg", "max", "avgmax", "catavgmax", "token", "map", "fast", "fastavg", "fastmax",
          "fastavgmax", "fastcatavgmax", "gem", "prr", "reg")  # fmt: skip
_WEIGHT_INITS = ("", "skip", "reset", "jax", "jax_nlhb", "moco")

# Arguments of timm's networks that are plain values. Left out are those that hold a class, a
# network or a nested configuration, and what `backbone` itself decides.
_FLAGS = (
    "aa_stem_only abs_win_pos_embed attn attn_mlp avg_down bidirectional channel_attention"
    " class_token conv_bias conv_init conv_mlp cpe_act distilled downsample_block"
    " dynamic_img_pad dynamic_img_size extra_norm_stage fc_norm ffn final_norm fix_init"
    " fix_stem fused_conv fused_downsample head_bias head_norm head_norm_first mlp_bias"
    " multi_conv nlhb no_embed_class normalize_modulator patch_norm pool_include_prefix"
    " pre_norm preact proj_bias qk_norm qkv_bias qkv_fused reparam replace_stem_pool"
    " rope_rotate_half scale_attn_inner scale_attn_norm scale_mlp scale_mlp_norm se_from_exp"
    " sep_pos_embed shared_rel_pos shortcut_root small_kernels standardize stem_bias"
    " stem_norm strict_img_size swiglu_mlp tokens_norm transformer_drop_path use_abs_pos"
    " use_abs_pos_emb use_fc_norm use_grn use_layer_scale use_overlap_down use_pos_embed"
    " use_post_norm use_post_norm_in_modulation use_rel_pos use_rel_pos_bias use_rope"
    " use_rot_pos_emb use_shared_rel_pos_bias zero_init_last"
)
_LAYERS = (
    "block_config cls_attn_layers depth depth_list depth_token_only depths layers"
    " local_up_to_layer num_blocks num_rnn_layers num_vit parallel_depth serial_depths"
    " stages transformer_depths"
)
_COUNTS = (
    "base_dim base_dims base_width block_reduce_first bn_size cardinality"
    " channel_multiplier channels conv_ratio dims down_kernel_size down_patch_size"
    " down_stride downsample_kernel_size drop_block_size embed_dim embed_dims feature_dim"
    " final_chs first_stride focal_levels focal_windows frames global_pos_size group groups"
    " growth_rate growth_rates head_dim head_hidden_size head_widths heads hidden_size"
    " hidden_sizes img_size init_channels initial_chs inner_dim inplanes intermediate_size"
    " k_r kernel_size kernel_sizes key_dim local_conv_size mask_unit_size num_features"
    " num_heads num_heads_inner num_heads_outer num_init_features num_kv_heads num_levels"
    " num_reg_tokens output_stride patch_kernel patch_padding patch_size patch_sizes"
    " patch_stride pool_size pos_embed_grid_size pretrained_window_sizes q_pool q_stride"
    " ref_feat_shape reg_tokens rel_pos_dim repmixer_kernel_size sr_ratios stem_chs"
    " stem_hidden_dim stem_kernel_size stem_size stem_stride stem_width stride strides"
    " swiglu_align_to width_list widths window_ratio window_size window_sizes"
)
_RATES = (
    "attn_drop_rate drop drop_block_rate drop_path_rate drop_rate dropout patch_drop_rate"
    " pos_drop_rate proj_drop_rate"
)
_NUMBERS = (
    "attn_mlp_ratio attn_ratio bottle_ratio bottleneck_width_ratio cls_ratio deepen_factor"
    " depth_mult dim_mul eta expand_ratio expansion_ratio ffn_ratio head_init_scale head_mul"
    " init_values layer_scale layer_scale_init_value layer_scale_init_values"
    " layerscale_value locality_strength ls_init_value mbconv_expand_ratio mlp_ratio"
    " mlp_ratio_token_only mlp_ratios norm_eps rope_grid_offset rope_temperature rope_theta"
    " scale se_ratio stem_expand_ratio transition_compression_ratio widen_factor width"
    " width_factor width_mult"
)
_WORDS = (
    "aa_layer act_layer attn_act_layer attn_layer attn_stage attn_type down_op downsample"
    " fc_act_layer norm_layer norm_layer_cl pad_type pool_type pos_embed rel_pos_type"
    " rope_grid_indexing rope_type se_layer stem stem_type"
)


def _nested(one: Kind) -> Kind:
    """One value of a kind, None, or lists of them, at most two deep."""

    def fits(given: object, deep: int = 2) -> bool:
        if not isinstance(given, list | tuple):
            return given is None or one.fits(given)
        entries = cast("list[object]", given)
        return deep > 0 and len(entries) <= MAX_ENTRIES and all(
            fits(entry, deep - 1) for entry in entries
        )  # fmt: skip

    return Kind(f"{one.says}, or a list of such", fits)


def _total(given: object) -> int:
    entries = cast("list[object]", given if isinstance(given, list | tuple) else [])
    return sum(map(_total, entries)) if entries else int(type(given) is int and given)


# Of all stages together: each layer takes time to build, also where it takes no memory.
_LAYERED = Kind(
    f"{whole(0, MAX_LAYERS).says}, or a list of such of that sum",
    lambda given: _nested(whole(0, MAX_LAYERS)).fits(given) and _total(given) <= MAX_LAYERS,
)
_WORD = Kind(
    "a short word",
    lambda given: (
        isinstance(given, str) and re.fullmatch(r"[\w-]{0,32}", given, re.A) is not None
    ),
)
_KINDS: tuple[tuple[str, Kind], ...] = (
    (_FLAGS, maybe(FLAG)),
    (_LAYERS, _LAYERED),
    (_COUNTS, _nested(whole(0, MAX_WIDTH))),
    (_RATES, number(0, 1)),
    (_NUMBERS, _nested(number(0, 1e6))),
    (_WORDS, maybe(_WORD)),
    ("global_pool", one_of(*_POOLS)),
    ("weight_init", one_of(*_WEIGHT_INITS)),
    (PRETRAINED, FLAG),
)
OPTIONS: Mapping[str, Kind] = {name: kind for names, kind in _KINDS for name in names.split()}


def check_options(options: Mapping[str, object], where: str = "backbone") -> None:
    """Refuse what is not in the list, or out of its range.

    Args:
        options: of a backbone.
        where: they come from, for the message.

    Raises:
        UserError: an option is not known, or its value is none that it can have.
    """
    for name, given in options.items():
        if name not in OPTIONS:
            hint = did_you_mean(str(name), OPTIONS, "leave it out", count=3)
            raise UserError(
                f"{where}: backbone options must be of the list that is safe to build with, "
                f"got {str(name)[:60]!r}; {hint}"
            )
        if not OPTIONS[name].fits(given):
            raise UserError(f"{where}: {name} must be {OPTIONS[name].says}, got {shown(given)}")


def check_file_options(options: Mapping[str, object], where: str) -> None:
    """What ``check_options`` does, and no published weights: a file never makes us fetch.

    Args:
        options: of a backbone, as a file has them.
        where: the file.

    Raises:
        UserError: as in ``check_options``, or ``pretrained`` is among them.
    """
    if PRETRAINED in options:
        raise UserError(
            f"{where}: backbone options in a file must not ask for published weights, got "
            f"pretrained={shown(options[PRETRAINED])}; the file has weights of its own"
        )
    check_options(options, where)


def check_name(name: str, where: str = "backbone") -> None:
    """Refuse a name that is more than a name, such as an address or a path.

    Raises:
        UserError: it is not letters, digits and underscores, with perhaps one dot.
    """
    if len(name) > 128 or _NAME.fullmatch(name) is None:
        raise UserError(
            f"{where}: the network must have a plain name such as resnet50, got {name[:80]!r}"
        )


def check_image(image_size: int, channels: int, where: str = "backbone") -> None:
    """Refuse images that no machine has room for.

    Args:
        image_size: side in pixels.
        channels: of an image.
        where: they come from, for the message.

    Raises:
        UserError: one of them or all numbers of an image are out of range.
    """
    for name, given, most in (
        ("image_size", image_size, MAX_SIDE),
        ("channels", channels, MAX_CHANNELS),
    ):
        if type(given) is not int or not 1 <= given <= most:
            raise UserError(f"{where}: {name} must be from 1 to {most}, got {given!r}")
    if image_size**2 * channels > MAX_NUMBERS:
        raise UserError(
            f"{where}: an image must hold at most {MAX_NUMBERS:,} numbers, got {channels} x "
            f"{image_size} x {image_size}"
        )
