"""One loop for any method: settings and a source in, a directory with an encoder out."""

from ilk.train.fit import dry_run, resume, train
from ilk.train.inspect import Glance, glance
from ilk.train.record import read_record
from ilk.train.run import Collapsed, Interrupted, Watcher
from ilk.train.settings import Settings
from ilk.train.setup import Plan
from ilk.train.start import before

__all__ = [
    "Collapsed",
    "Glance",
    "Interrupted",
    "Plan",
    "Settings",
    "Watcher",
    "before",
    "dry_run",
    "glance",
    "read_record",
    "resume",
    "train",
]
