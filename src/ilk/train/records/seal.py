"""What a checkpoint says of the run it belongs to, and whether it can be put back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ilk.core import UserError
from ilk.core.fields import (
    ANYTHING,
    FLAG,
    Kind,
    check_fields,
    keyed,
    maybe,
    number,
    shown,
    whole,
)
from ilk.networks.weights import check_finite, check_shapes
from ilk.train.records.checkpoint import load
from ilk.train.records.legs import as_sealed, length_in

FACTS: Mapping[str, Kind] = {
    "step": whole(0, 10**12),
    "pace": number(0, 1),
    "alarm": keyed(ANYTHING),
    "seconds": number(0, 1e12),
    "scaler": maybe(keyed(number(-1e30, 1e30))),
    "sealed": keyed(keyed(ANYTHING)),
    "guard": keyed(ANYTHING),  # of runs that have one, which reads it
}
ALARM: Mapping[str, Kind] = {
    "since": whole(0, 10**12),
    "bad": whole(0, 10**12),
    "sounded": FLAG,
}
_ABSENT = "no such field"


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a run, of its record; a checkpoint holds a copy.

    Args:
        record: as it is written to run.json.
    """
    data = {name: record["data"][name] for name in ("items", "classes", "fingerprint")}
    kept = {"settings": record["settings"], "length": record["length"], "data": data}
    return json.loads(json.dumps(kept, default=str))


def read_checkpoint(
    path: Path, record: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a run's checkpoint, which must be whole and belong to the record.

    Args:
        path: of the checkpoint.
        record: of the run, as ``read_record`` gives it.

    Raises:
        UserError: there is none, it is damaged, or the record has other settings, another
            length or other data than those sealed in it.
    """
    tensors, facts = load(path)
    where = f"checkpoint: {path}"
    check_fields(facts, FACTS, where, optional=("pace", "guard"))  # younger than the format
    check_fields(facts["alarm"], ALARM, f"{where}: alarm")
    ours = sealed(as_sealed(record, facts["step"]))
    for part, fields in ours.items():
        theirs = facts["sealed"].get(part, {})
        for name in sorted({*fields, *theirs}):
            if fields.get(name, _ABSENT) != theirs.get(name, _ABSENT):
                raise UserError(
                    f"run: {part}.{_plain(name)} in {path.parent / 'run.json'} must be "
                    f"{shown(theirs.get(name, _ABSENT))} as in the run's checkpoint, got "
                    f"{shown(fields.get(name, _ABSENT))}; put the file back as it was"
                )
    length = length_in(record)
    if not length.since <= facts["step"] <= length.steps:
        raise UserError(
            f"{where}: step must be from {length.since} to {length.steps}, got {facts['step']}"
        )
    return tensors, facts


def saved_in(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether there is a checkpoint; a run that stopped before its first one has none.

    Raises:
        UserError: there must be one.
    """
    if path.exists():
        return True
    last = record.get("saved", record.get("step", 0))  # which runs of before do not say
    if last > 0:
        raise UserError(
            f"resume: {path.parent} must hold {path.name} of a run at step "
            f"{last}, got none; put it back, or remove the directory and repeat the "
            f"command that began the run"
        )
    return False


def check_state(
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, tuple[torch.Size, torch.dtype]],
    parameters: list[Tensor],
    where: str,
) -> None:
    """Refuse tensors that are not the whole state of a trainer and its optimiser.

    Args:
        tensors: of a checkpoint.
        wanted: shape and type of everything in the trainer's state, by name.
        parameters: of the optimiser, in its order.
        where: the tensors stand, for the message.

    Raises:
        UserError: one is missing, not known, of another shape or type, or not finite.
    """
    own = {name: t for name, t in tensors.items() if not name.startswith("optimiser.")}
    check_shapes(own, wanted, where)
    check_finite(tensors, where)
    kept: set[str] = set()
    for name, tensor in tensors.items():
        if name in own:
            continue
        _, number_, entry = (*name.split(".", 2), "", "")[:3]
        place = int(number_) if number_.isdecimal() and len(number_) < 9 else len(parameters)
        fits = place < len(parameters) and tensor.shape in {(), parameters[place].shape}
        if not (fits and entry):
            raise UserError(
                f"{where} must hold the optimiser's state of {len(parameters)} parameters, got "
                f"{shown(name)} of shape {tuple(tensor.shape)}"
            )
        kept.add(entry)
    for name in sorted(kept):
        _check_each(name, tensors, where)


def _check_each(entry: str, tensors: Mapping[str, Tensor], where: str) -> None:
    """Every parameter that has any state has this entry of it."""
    known = {key.split(".")[1] for key in tensors if key.startswith("optimiser.")}
    lacking = [number_ for number_ in known if f"optimiser.{number_}.{entry}" not in tensors]
    if lacking:
        raise UserError(
            f"{where} must hold the optimiser's {shown(entry)} of every parameter that "
            f"has moved, but that of parameter {shown(lacking[0])} is missing"
        )


def _plain(name: str) -> str:
    return name if name.isidentifier() else shown(name)
