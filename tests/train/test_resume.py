"""Going on with a run: what may change, what may not, and what damage does."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as packed

from ilk.core import UserError
from ilk.networks import load_encoder
from ilk.networks.weights import fingerprint, read_weights
from ilk.train import Interrupted, read_record, resume, train
from ilk.train.records.checkpoint import load
from ilk.viewer import run_facts
from tests.train.conftest import Witness

CHECKPOINT, ENCODER, RECORD = "checkpoint.safetensors", "encoder.safetensors", "run.json"


class StopAt(Witness):
    """Asks the run to stop at a step."""

    def __init__(self, step: int = 3) -> None:
        super().__init__()
        self.at = step

    def on_step(self, step, steps, numbers):
        super().on_step(step, steps, numbers)
        if step == self.at:
            signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def stopped(tiny, folder, tmp_path) -> Path:
    """A run that was stopped at step 3 of 4."""
    with pytest.raises(Interrupted):
        train(tiny(steps=4, mix=None, knn_every=0), str(folder), tmp_path / "cut", StopAt())
    return tmp_path / "cut"


def state(directory: Path) -> dict[str, torch.Tensor]:
    return load(directory / CHECKPOINT)[0]


def same(one: Path, two: Path) -> bool:
    first, second = state(one), state(two)
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def edited(directory: Path, edit: Callable[[dict], object]) -> None:
    record = json.loads((directory / RECORD).read_text())
    edit(record)
    (directory / RECORD).write_text(json.dumps(record))


def resealed(directory: Path, edit: Callable[[dict, dict], object]) -> None:
    """Change a checkpoint as someone does who knows its format: the fingerprint is right."""
    path = directory / CHECKPOINT
    tensors, facts = read_weights(path, "checkpoint")
    facts.pop("fingerprint")
    edit(tensors, facts)
    facts["fingerprint"] = fingerprint(tensors, facts)
    path.write_bytes(packed(tensors, {"ilk": json.dumps(facts)}))


def told(work: Callable[[], object]) -> str:
    """The one line that work ends with, or nothing when it ends well; all else is a failure."""
    try:
        work()
    except UserError as error:
        line = str(error)
        return line if len(line.splitlines()) == 1 and len(line) < 1000 else pytest.fail(line)
    return ""


def flips(name: str, count: int) -> Iterator[Callable[[Path], object]]:
    """One bit at a time, spread over a file."""

    def flip(directory: Path, part: float, bit: int) -> None:
        path = directory / name
        data = bytearray(path.read_bytes())
        data[int(part * (len(data) - 1))] ^= 1 << bit
        path.write_bytes(data)

    for number in range(count):
        part = number / (count - 1)
        yield lambda directory, p=part, b=number % 7: flip(directory, p, b)


def of_fields(record: dict) -> Iterator[Callable[[Path], object]]:
    """Every field that decides something gone, of another kind, and out of range."""
    places = [("settings", name) for name in record["settings"]]
    places += [(place, name) for place in ("length",) for name in record[place]]
    places += [("data", name) for name in ("items", "classes", "fingerprint", "spec")]

    def put(place: str, name: str, value: object) -> Callable[[Path], object]:
        return lambda d: edited(d, lambda r: r[place].update({name: value}))

    for place, name in places:
        yield lambda d, p=place, n=name: edited(d, lambda r: r[p].pop(n))
        yield put(place, name, {"odd": [1]})
        yield put(place, name, 10**30)
    for name in ("status", "settings", "length", "data", "versions"):
        yield lambda d, n=name: edited(d, lambda r: r.pop(n))
        yield lambda d, n=name: edited(d, lambda r: r.update({n: [1]}))
    yield lambda d: edited(d, lambda r: r["settings"].update(further=1))


def of_files(other: Path) -> Iterator[Callable[[Path], object]]:
    """Files swapped, gone, empty, cut short, and what is no file in their place."""
    for name in (RECORD, CHECKPOINT):
        yield lambda d, n=name: shutil.copy(other / n, d / n)
        yield lambda d, n=name: (d / n).unlink()
        yield lambda d, n=name: (d / n).write_bytes(b"")
        yield lambda d, n=name: ((d / n).unlink(), (d / n).mkdir())
        yield lambda d, n=name: ((d / n).unlink(), (d / n).symlink_to(d / n))
        for share in (0.1, 0.5, 0.99):
            yield lambda d, n=name, s=share: (d / n).write_bytes(
                (d / n).read_bytes()[: int(s * (d / n).stat().st_size)]
            )
    yield from flips(CHECKPOINT, 40)
    for text in ("null", "[]", "[" * 10**5, '{"status": NaN}', "{} {}", "9" * 5000):
        yield lambda d, t=text: (d / RECORD).write_text(t)
    yield lambda d: (d / RECORD).write_bytes(b'{"status": "\xff"}')


def of_checkpoint() -> Iterator[Callable[[Path], object]]:
    """Checkpoints of someone who knows the format."""
    for name, value in (
        ("step", -1), ("step", 10**9), ("step", 2.0), ("step", None), ("seconds", "1"),
        ("alarm", {}), ("alarm", {"since": "a"}), ("scaler", [1]), ("sealed", {}),
        ("format", 1),
    ):  # fmt: skip
        yield lambda d, n=name, v=value: resealed(d, lambda t, f: f.update({n: v}))
    for name in ("step", "alarm", "seconds", "scaler", "sealed", "format"):
        yield lambda d, n=name: resealed(d, lambda t, f: f.pop(n))
    for name in ("odd", "optimiser.9999.x", "optimiser.a.b.c"):
        yield lambda d, n=name: resealed(d, lambda t, f: t.update({n: torch.zeros(1)}))
    weight = "student.projector.0.weight"
    for change in (lambda t: t.double(), lambda t: t[:-1].clone(), lambda t: t * torch.nan):
        yield lambda d, c=change: resealed(d, lambda t, f: t.update({weight: c(t[weight])}))
    yield lambda d: resealed(d, lambda t, f: t.pop(weight))


def test_no_tampering_is_taken_in_silence(stopped, tiny, folder, tmp_path):
    """Each ends in one line, or changes nothing of the result."""
    with pytest.raises(Interrupted):
        train(
            tiny(steps=4, mix=None, knn_every=0, seed=1), str(folder), tmp_path / "o", StopAt()
        )
    shutil.copytree(stopped, tmp_path / "whole")
    resume(tmp_path / "whole", Witness())
    record = json.loads((stopped / RECORD).read_text())
    cases = [*of_fields(record), *of_files(tmp_path / "o"), *of_checkpoint()]
    assert len(cases) > 150
    refused = 0
    place = tmp_path / "case"
    for number, tamper in enumerate(cases):
        shutil.copytree(stopped, place)
        tamper(place)
        said = told(lambda: resume(place, Witness()))
        assert said or same(place, tmp_path / "whole"), number
        refused += bool(said)
        shutil.rmtree(place)
    assert refused > 0.8 * len(cases)


def test_no_damage_of_an_encoder_is_taken_in_silence(stopped, tmp_path):
    known = load_encoder(stopped).fingerprint
    place = tmp_path / "case"
    for tamper in (*flips(ENCODER, 120), lambda d: (d / ENCODER).write_bytes(b"")):
        shutil.copytree(stopped, place)
        tamper(place)
        assert told(lambda: load_encoder(place)) or load_encoder(place).fingerprint == known
        shutil.rmtree(place)


def test_damaged_records_and_metrics_are_shown_or_refused(stopped, tmp_path):
    place = tmp_path / "case"
    for tamper in (*flips(RECORD, 60), *flips("metrics.jsonl", 20)):
        shutil.copytree(stopped, place)
        tamper(place)
        told(lambda: run_facts(read_record(place)))
        shutil.rmtree(place)


def test_moved_images_are_found_where_the_caller_says(stopped, folder, tmp_path):
    moved = tmp_path / "elsewhere"
    assert Path(read_record(stopped)["data"]["spec"]) == folder
    folder.rename(moved)
    with pytest.raises(UserError, match="say where to: ilk train DATA --resume"):
        resume(stopped, Witness())
    resume(stopped, Witness(), str(moved))
    record = read_record(stopped)
    assert record["status"] == "finished"
    assert record["data"]["spec"] == str(moved)


def test_paths_hold_from_any_directory(tiny, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(Interrupted):
        train(tiny(steps=4, knn_every=0), folder.name, Path("cut"), StopAt())
    monkeypatch.chdir(tmp_path.parent)
    resume(tmp_path / "cut", Witness())
    assert read_record(tmp_path / "cut")["status"] == "finished"


def test_another_number_of_threads_is_said_and_recorded(stopped):
    edited(stopped, lambda record: record.update(threads=record["threads"] + 3, processes=2))
    witness = Witness()
    resume(stopped, witness)
    (said,) = witness.messages
    assert "not be bit for bit" in said
    assert "processes 2 before, 1 now" in said
    (entry,) = read_record(stopped)["resumed"]
    assert entry["step"] == 3
    assert entry["threads"] == torch.get_num_threads()


def test_the_same_threads_are_no_news(stopped):
    witness = Witness()
    resume(stopped, witness, workers=2)
    assert not witness.messages
    assert read_record(stopped)["settings"]["workers"] == 1


def test_a_checkpoint_that_is_gone_is_no_new_beginning(stopped):
    (stopped / CHECKPOINT).unlink()
    with pytest.raises(UserError, match="run at step 3, got none; put it back, or remove"):
        resume(stopped, Witness())


def test_a_flipped_bit_and_other_settings_are_named(stopped):
    edited(stopped, lambda record: record["settings"].update(lr=0.5))
    with pytest.raises(UserError, match=r"settings\.lr in .* must be null .* got 0\.5"):
        resume(stopped, Witness())


DIET = {"method": "diet", "method_options": {"warmup_epochs": 1}}  # a row for each image


@pytest.mark.parametrize(
    ("mend", "changes"),
    [("gone", {}), ("whole", {}), ("same size", {}), ("gone", DIET), ("whole", DIET)],
)
def test_taking_away_or_mending_listed_bad_files_locks_no_run(
    tiny, folder, tmp_path, mend, changes
):
    good = next(folder.rglob("*.png"))
    bad = [folder / "class1" / "000.png", folder / "class3" / "zzz.png"]
    for path in bad:
        path.write_bytes(bytes(good.stat().st_size))
    settings = tiny(steps=8, mix=None, knn_every=0, **changes)
    train(settings, str(folder), tmp_path / "whole", Witness())
    with pytest.raises(Interrupted):
        train(settings, str(folder), tmp_path / "cut", StopAt(5))
    assert len(read_record(tmp_path / "cut")["bad_files"]) == 2
    for path in bad:
        path.unlink()
        if mend != "gone":
            more = b"" if mend == "same size" else b"more"
            path.write_bytes(good.read_bytes() + more)
    resume(tmp_path / "cut", Witness())
    assert same(tmp_path / "cut", tmp_path / "whole")
    assert len(read_record(tmp_path / "cut")["bad_files"]) == 2


def test_taking_away_other_files_is_still_refused(tiny, folder, tmp_path):
    (folder / "class1" / "000.png").write_bytes(b"no image")
    with pytest.raises(Interrupted):
        train(tiny(steps=8, mix=None, knn_every=0), str(folder), tmp_path / "cut", StopAt(5))
    (folder / "class1" / "000.png").unlink()
    next(folder.rglob("*.png")).unlink()
    with pytest.raises(UserError, match="what it held when the run began"):
        resume(tmp_path / "cut", Witness())


def test_a_record_that_names_a_pipe_or_asks_for_too_much(stopped, tmp_path):
    """Before the first checkpoint nothing is sealed, and the record alone is asked."""
    (stopped / CHECKPOINT).unlink()
    edited(stopped, lambda record: record.update(step=0, saved=0))
    edited(stopped, lambda record: record["settings"]["method_options"].update(hidden=10**14))
    with pytest.raises(UserError, match="must fit this machine"):
        resume(stopped, Witness())
    os.mkfifo(tmp_path / "pipe.zip")
    edited(stopped, lambda record: record["data"].update(spec=str(tmp_path / "pipe.zip")))
    with pytest.raises(UserError, match="must be a file or a folder"):
        resume(stopped, Witness())
