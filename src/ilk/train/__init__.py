"""One loop for any method: settings and a source in, a directory with an encoder out.

A name is loaded when it is asked for: settings are checked without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ilk.train.guard.guard import Worsened
    from ilk.train.images import images_like, open_images
    from ilk.train.loop.probe import online_probe
    from ilk.train.planning.plan import Plan
    from ilk.train.previews.look import LookAnswers, look_answers
    from ilk.train.previews.losses import losses_seen, preview_losses
    from ilk.train.previews.reconstructions import Reconstruction, reconstructions
    from ilk.train.previews.records import LossPreview, RowImage
    from ilk.train.previews.step import StepPreview, preview_step
    from ilk.train.previews.views import ViewPreview, preview_views
    from ilk.train.processes.ranks import leave
    from ilk.train.records.record import read_record
    from ilk.train.records.stages import begun, settings_asked
    from ilk.train.run import Collapsed, Interrupted, Watcher
    from ilk.train.settings import Settings, checked_settings
    from ilk.train.stage import dry_run
    from ilk.train.stages import resume, train
    from ilk.train.start import before

_HOMES = {
    "images": "images_like open_images",
    "planning.plan": "Plan",
    "previews.look": "LookAnswers look_answers",
    "previews.losses": "losses_seen preview_losses",
    "previews.reconstructions": "Reconstruction reconstructions",
    "previews.records": "LossPreview RowImage",
    "previews.step": "StepPreview preview_step",
    "previews.views": "ViewPreview preview_views",
    "guard.guard": "Worsened",
    "loop.probe": "online_probe",
    "processes.ranks": "leave",
    "records.record": "read_record",
    "records.stages": "begun settings_asked",
    "run": "Collapsed Interrupted Watcher",
    "settings": "Settings checked_settings",
    "stage": "dry_run",
    "stages": "resume train",
    "start": "before",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Collapsed",
    "Interrupted",
    "LookAnswers",
    "LossPreview",
    "Plan",
    "Reconstruction",
    "RowImage",
    "Settings",
    "StepPreview",
    "ViewPreview",
    "Watcher",
    "Worsened",
    "before",
    "begun",
    "checked_settings",
    "dry_run",
    "images_like",
    "leave",
    "look_answers",
    "losses_seen",
    "online_probe",
    "open_images",
    "preview_losses",
    "preview_step",
    "preview_views",
    "read_record",
    "reconstructions",
    "resume",
    "settings_asked",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
