"""What things are called on a page."""

from collections.abc import Sequence

NAMES = {
    "knn": "k-NN accuracy",
    "linear": "Linear probe accuracy",
    "linear-aug": "Linear probe accuracy, augmented",
    "linear-aug-4": "Linear probe accuracy, augmented, last four blocks",
    "linear-aug-mini": "Linear probe accuracy, augmented, 10 epochs",
    "finetune": "Fine-tuned accuracy, all labels",
    "finetune-mini": "Fine-tuned accuracy, all labels, 30 epochs",
    "finetune-10": "Fine-tuned accuracy, 10 % of the labels",
    "finetune-1": "Fine-tuned accuracy, 1 % of the labels",
}


def measure_name(protocol: str) -> str:
    """What a protocol measures, in words and with its own name.

    Example:
        >>> measure_name("knn@1")
        'k-NN accuracy (knn@1)'
    """
    words = NAMES.get(protocol.partition("@")[0])
    return protocol if words is None else f"{words} ({protocol})"


def shortened(name: str, most: int) -> str:
    """A name cut to ``most`` letters; more of the end stays, which distinguishes names.

    Example:
        >>> shortened("a-photo-of-a-bird.png", 14)
        'a-ph\N{HORIZONTAL ELLIPSIS}-bird.png'
    """
    if len(name) <= most:
        return name
    return f"{name[: most // 3]}\N{HORIZONTAL ELLIPSIS}{name[-(most - most // 3 - 1) :]}"


def fitting_words(protocols: Sequence[str], n_train: int) -> str:
    """What was fitted before scores were taken, in sentences.

    Args:
        protocols: whose scores are shown.
        n_train: labelled images that probes were fitted on.

    Example:
        >>> fitting_words(["classify@1"], 100)
        "The run's own classifier was scored as it stands; nothing was fitted."
    """
    own = "The run's own classifier was scored as it stands"
    kinds = {protocol.partition("@")[0] == "classify" for protocol in protocols}
    if kinds == {True}:
        return f"{own}; nothing was fitted."
    probes = (
        f"Probes were fitted on {n_train:,} labelled training images, and their settings were"
        f" chosen on a held-out part of those."
    )
    return f"{probes} {own}." if True in kinds else probes
