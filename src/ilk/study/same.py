"""Whether a run that lies in a folder is the one that was asked for."""

from pathlib import Path
from typing import Any

from ilk.core import UserError
from ilk.data import Source
from ilk.train import Settings, settings_asked
from ilk.train.records.record import DONE
from ilk.train.settings import placed

FREE = ("seed", "workers", "device", "checkpoint_every")  # may differ between starts
OPEN = "auto"  # what was left to `ilk`
# What is decided where it is None; None of any other setting is what was asked for.
DECIDED = ("backbone", "image_size", "batch_size", "knn_every", "guard_every", "tune")


def check_same(wanted: Settings, record: dict[str, Any], place: Path) -> None:
    """Refuse a run that was started with other settings.

    Args:
        wanted: that are asked for now.
        record: what the run says of itself.
        place: its folder.

    Raises:
        UserError: it was, or it was lengthened.
    """
    kept = settings_asked(place, record)
    if "legs" in record["length"]:
        raise UserError(
            f"compare: {place} holds a run that was lengthened, which is not the same as one "
            f"of that length; choose another -o"
        )
    for name, asked in placed(wanted).as_record().items():
        free = FREE if asked is not None else (*FREE, *DECIDED, *_published(wanted))
        if name in free or asked == OPEN:
            continue
        if not _holds(_plain(kept.get(name)), _plain(asked)):
            got = "none" if asked is None else asked
            raise UserError(
                f"compare: {place} holds a run with {name} {kept.get(name)}, got {got}; "
                f"choose another -o, or ask for what it was started with"
            )


def _published(wanted: Settings) -> tuple[str, ...]:
    """The setting that published weights of a backbone fill in, where they are asked for."""
    return ("weights",) if wanted.backbone_options.get("pretrained") else ()


def check_images(images: Source, record: dict[str, Any], place: Path) -> None:
    """Refuse a finished run that has learned from other images; `resume` checks the others.

    Args:
        images: that are asked for now.
        record: what the run says of itself.
        place: its folder.

    Raises:
        UserError: it has.
    """
    if record["status"] in DONE and record["data"]["fingerprint"] != images.fingerprint:
        raise UserError(
            f"compare: {place} holds a run on other images, {record['data']['name']}, got "
            f"{images.name}; choose another -o, or give the images that it learned from"
        )


def _holds(kept: Any, asked: Any) -> bool:
    """Whether a recorded value is what was asked for; of options, those that were named."""
    if isinstance(asked, dict) and isinstance(kept, dict):
        return all(name in kept and kept[name] == inner for name, inner in asked.items())
    return bool(kept == asked)


def _plain(value: Any) -> Any:
    """The same as JSON gives it back."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
