"""The views of the papers, by name.

All crops have an aspect of 3/4 to 4/3 and half of them are mirrored. Sizes are free; no recipe
changes its parameters with the size, except that a blur kernel of "10 % of the image" follows
it. ``fitted`` says which views are too small for a blur.
"""

from collections.abc import Sequence
from dataclasses import replace

from ilk.views.draws import Interpolation
from ilk.views.image_view import ImageView
from ilk.views.randaugment import RandomMagnitudes

SMALL = 64  # pixels; SimCLR blurs no CIFAR images (appendix B.9)
PATCHES = 16  # pixels; sides of small crops are multiples, so that ViTs can cut them


def byol_pair(
    size: int = 224,
    min_scale: float = 0.08,
    hue: float = 0.1,
    solarize: float = 0.2,
    interpolation: Interpolation = "bicubic",
) -> tuple[ImageView, ImageView]:
    """Views a and b of BYOL, Grill et al., NeurIPS 2020, https://arxiv.org/abs/2006.07733, B.

    MoCo v3 (https://arxiv.org/abs/2104.02057) uses them with min_scale 0.08 for ViT and 0.2 for
    ResNet-50, and with bilinear crops.
    """
    a = _byol("a", size, (min_scale, 1.0), blur_p=1.0, hue=hue)
    a = replace(a, interpolation=interpolation)
    return a, replace(a, name="b", blur_p=0.1, solarize_p=solarize)


def cifar_pair(size: int = 32, min_scale: float = 0.08) -> tuple[ImageView, ImageView]:
    """Views a and b of BYOL without the blur, for small images; b is solarized at times.

    As solo-learn sets CIFAR up for MoCo v3, https://github.com/vturrisi/solo-learn.
    """
    a = _byol("a", size, (min_scale, 1.0), blur_p=0.0)
    return a, replace(a, name="b", solarize_p=0.2)


def simclr_pair(
    size: int = 224, min_scale: float = 0.08, strength: float = 1.0
) -> tuple[ImageView, ImageView]:
    """Views a and b of SimCLR, Chen et al., ICML 2020, https://arxiv.org/abs/2002.05709, A.

    ``strength`` multiplies the colour jitter: 1 for ImageNet, 0.5 for CIFAR.
    """
    a = ImageView(
        name="a",
        size=size,
        scale=(min_scale, 1.0),
        interpolation="bicubic",
        jitter=(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength),
        jitter_p=0.8,
        gray_p=0.2,
        blur_p=0.5,
        blur_kernel=_tenth(size),
    )
    return a, replace(a, name="b")


def moco_v2_pair(size: int = 224, min_scale: float = 0.2) -> tuple[ImageView, ImageView]:
    """Views a and b of MoCo v2, Chen et al., 2020, https://arxiv.org/abs/2003.04297."""
    a = ImageView(
        name="a",
        size=size,
        scale=(min_scale, 1.0),
        jitter=(0.4, 0.4, 0.4, 0.1),
        jitter_p=0.8,
        gray_p=0.2,
        blur_p=0.5,
    )
    return a, replace(a, name="b")


def dino_multicrop(
    global_size: int = 224,
    local_size: int = 96,
    local_views: int = 8,
    local_scale: tuple[float, float] = (0.05, 0.4),
    global_scale: tuple[float, float] = (0.4, 1.0),
) -> tuple[ImageView, ...]:
    """Views g1, g2, l1, l2, ... of DINO, Caron et al., 2021, https://arxiv.org/abs/2104.14294."""
    g1 = replace(
        _byol("g1", global_size, global_scale, blur_p=1.0),
        interpolation="bicubic",
        blur_kernel=None,
    )
    g2 = replace(g1, name="g2", blur_p=0.1, solarize_p=0.2)
    local = replace(g1, size=local_size, scale=local_scale, blur_p=0.5)
    return g1, g2, *(replace(local, name=f"l{n + 1}") for n in range(local_views))


def swav_multicrop(
    global_size: int = 224,
    local_size: int = 96,
    local_views: int = 6,
    min_local_scale: float = 0.05,
) -> tuple[ImageView, ...]:
    """Views g1, g2, l1, l2, ... of SwAV, Caron et al., 2020, https://arxiv.org/abs/2006.09882.

    Small crops have up to 2.8 times the area of the smallest, 14 % of the image for 5 %.
    """
    g1 = ImageView(
        name="g1",
        size=global_size,
        scale=(0.14, 1.0),
        jitter=(0.8, 0.8, 0.8, 0.2),
        jitter_p=0.8,
        gray_p=0.2,
        blur_p=0.5,
    )
    local = replace(g1, size=local_size, scale=_small(min_local_scale))
    return (
        g1,
        replace(g1, name="g2"),
        *(replace(local, name=f"l{n + 1}") for n in range(local_views)),
    )


def revisited_multicrop(
    global_size: int = 160,
    local_size: int = 96,
    local_views: int = 4,
    *,
    min_local_scale: float = 0.05,
    shared: float = 0.1,
    autoaugment: float = 0.5,
) -> tuple[ImageView, ...]:
    """Views key, large, s1, s2, ... of Van Gansbeke et al., https://arxiv.org/abs/2106.05967.

    Small crops have areas as in ``swav_multicrop`` and share a part of theirs with the key,
    which alone is never augmented by AutoAugment.
    """
    key = replace(moco_v2_pair(global_size)[0], name="key")
    large = replace(key, name="large", autoaugment_p=autoaugment)
    small = replace(
        large,
        size=local_size,
        scale=_small(min_local_scale),
        near=key,
        near_share=shared,
    )
    return key, large, *(replace(small, name=f"s{n + 1}") for n in range(local_views))


def amdim_pair(size: int = 128, min_scale: float = 0.3) -> tuple[ImageView, ImageView]:
    """Views a and b of AMDIM, Bachman et al., https://arxiv.org/abs/1906.00910, section 4.

    Both are mirrored together, so that left stays left of right.
    """
    a = ImageView(
        name="a",
        size=size,
        scale=(min_scale, 1.0),
        jitter=(0.4, 0.4, 0.4, 0.1),
        jitter_p=0.8,
        gray_p=0.25,
    )
    return a, replace(a, name="b", flip_as="a")


def diet_view(size: int = 224, min_scale: float = 0.08) -> ImageView:
    """The view of DIET, Balestriero, 2023, https://arxiv.org/abs/2302.10260, not erased."""
    return ImageView(
        name="a",
        size=size,
        scale=(min_scale, 1.0),
        jitter=(0.4, 0.4, 0.4, 0.2),
        jitter_p=0.3,
        gray_p=0.2,
        blur_p=0.2,
    )


def weak(size: int = 224, min_scale: float = 0.2, name: str = "weak") -> ImageView:
    """A crop and a flip, as a teacher sees them in ReSSL, https://arxiv.org/abs/2107.09282."""
    return ImageView(name=name, size=size, scale=(min_scale, 1.0))


def bicubic_crop(size: int = 224, min_scale: float = 0.2, name: str = "a") -> ImageView:
    """A crop and a flip without any colour: MAE, https://arxiv.org/abs/2111.06377, A.1."""
    return replace(weak(size, min_scale, name), interpolation="bicubic")


def shifted(size: int = 32, shift: float = 0.125, name: str = "weak") -> ImageView:
    """A flip and a shift, the weak view of FixMatch, https://arxiv.org/abs/2001.07685, 2.3.

    The whole image where it is square, else its largest central square; 4 pixels of 32.
    """
    return ImageView(name=name, size=size, scale=(1.0, 1.0), ratio=(1.0, 1.0), shift=shift)


def strong(size: int = 32, shift: float = 0.125, name: str = "strong") -> ImageView:
    """FixMatch's strong view: the weak one, RandAugment with random magnitudes, Cutout."""
    policy = RandomMagnitudes()
    return replace(shifted(size, shift, name), policy=policy, cutout=0.5)


def fixmatch_views(size: int = 32) -> tuple[ImageView, ImageView, ImageView]:
    """Views labelled, weak and strong of FixMatch; the last two are of unlabelled images."""
    weak, hard = (replace(view, subset="unlabelled") for view in (shifted(size), strong(size)))
    return replace(weak, name="labelled", subset="labelled"), weak, hard


def fitted(views: Sequence[ImageView]) -> tuple[ImageView, ...]:
    """The same views; those of 64 pixels or less, which a blur leaves little of, without it."""
    return tuple(replace(v, blur_p=0.0) if v.size <= SMALL else v for v in views)


def local_size(global_size: int) -> int:
    """Side of small crops beside large ones: about 3/7, as 96 for 224; half of small sides."""
    if global_size <= SMALL:
        return global_size // 2
    return max(round(global_size * 3 / 7 / PATCHES), 2) * PATCHES


def _small(least: float) -> tuple[float, float]:
    """Areas of SwAV's small crops, from the least one on."""
    return least, min(least / 0.05 * 0.14, 1.0)


def _byol(
    name: str, size: int, scale: tuple[float, float], blur_p: float, hue: float = 0.1
) -> ImageView:
    return ImageView(
        name=name,
        size=size,
        scale=scale,
        jitter=(0.4, 0.4, 0.2, hue),
        jitter_p=0.8,
        gray_p=0.2,
        blur_p=blur_p,
        blur_kernel=_tenth(size),
    )


def _tenth(size: int) -> int:
    """A kernel of 10 % of the image, made odd: 23 pixels at 224."""
    return size // 10 | 1
