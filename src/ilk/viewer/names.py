"""What things are called on a page."""

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
