"""Files of a stranger who wants more than to be read: nothing is asked, nothing is written."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from ilk.core import UserError
from ilk.data import open_source
from ilk.networks import load_encoder, save_encoder
from ilk.networks.weights import fingerprint
from ilk.train import preview_step, read_record, resume
from ilk.train.length import Length
from ilk.train.records.record import recorded_settings
from ilk.train.setup import Setup
from tests.train.conftest import Witness

VIT = {"patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}


class Unasked(BaseHTTPRequestHandler):
    """A server that must never be asked."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(404)
        self.end_headers()

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """Poisoned options; in the end the server was not asked and the folder is empty."""
    server = HTTPServer(("127.0.0.1", 0), Unasked)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    empty = tmp_path / "empty"
    empty.mkdir()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setenv("TORCH_HOME", str(empty))
    fetched: list[str] = []
    monkeypatch.setattr(
        "timm.models._builder.load_pretrained", lambda *a, **k: fetched.append("x")
    )
    monkeypatch.setattr(
        "timm.models._factory.load_checkpoint", lambda *a, **k: fetched.append("x")
    )
    url = f"{address}/w.pth"
    yield [
        {"pretrained": True},
        {"pretrained": True, "pretrained_cfg_overlay": {"url": url, "hf_hub_id": None}},
        {"pretrained": True, "pretrained_cfg": {"url": url}, "cache_dir": str(empty)},
        {"pretrained": 1, "cache_dir": str(empty)},
        {"pretrained_cfg": "a", "pretrained": "yes"},
        {"checkpoint_path": url},
        {"checkpoint_path": str(empty / "x.pth")},
        {"cache_dir": str(empty)},
    ]
    server.shutdown()
    thread.join()
    server.server_close()
    assert server.asked == []
    assert fetched == []
    assert list(empty.iterdir()) == []


def rewritten(path: Path, **changes: object) -> None:
    """The encoder with other facts, and a fingerprint that is right for them."""
    facts = load_encoder(path.parent).facts() | changes
    state = load_file(path)
    facts["fingerprint"] = fingerprint(
        state, {name: fact for name, fact in facts.items() if name != "fingerprint"}
    )
    path.write_bytes(save(state, {"ilk": json.dumps({"format": 1, **facts})}))


@pytest.fixture
def stranger(tmp_path) -> Path:
    """A folder with a good encoder of a vision transformer."""
    save_encoder(
        load_encoder("random:vit_tiny_patch16_224", image_size=32, options=VIT), tmp_path / "s"
    )
    return tmp_path / "s"


def verbs(place: Path, images: Path) -> list[tuple[object, ...]]:
    return [
        ("embed", place, images, "-o", "vectors.parquet"),
        ("evaluate", place, "--test", images, "--train", images.parent / "train"),
        ("evaluate", "pixels", "--against", place, "--test", images, "--train",
         images.parent / "train"),
        ("export", place),
        ("export", place, "--to", "onnx"),
        ("train", images, "--method", "rekd", "--set", f"teacher={place}", "--backbone",
         "resnet_mini", "--image-size", "32", "--steps", "1", "-o", "taught"),
    ]  # fmt: skip


def test_poisoned_options_reach_no_verb(ilk, trap, stranger, folder):
    file = stranger / "encoder.safetensors"
    good = file.read_bytes()
    for options in trap:
        rewritten(file, options={**VIT, "stem": "plain", **options})
        with pytest.raises(UserError, match=r"pretrained|checkpoint_path|cache_dir"):
            load_encoder(stranger)
        for words in verbs(stranger, folder / "test") if options == trap[1] else ():
            said = ilk(*words)
            assert said.code == 2, words
            assert "published weights" in said.err
            assert "Traceback" not in said.err
        file.write_bytes(good)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "hf-hub:timm/resnet18"}, "plain name"),
        ({"name": "local-dir:/tmp"}, "plain name"),
        ({"name": "vit_giant_patch14_dinov2"}, "must"),
        ({"name": "no_such_network"}, "must be a timm model"),
        ({"options": {**VIT, "depth": 10**9}}, "depth"),
        ({"options": {**VIT, "depth": 1000}}, "network"),
        ({"options": {**VIT, "embed_dim": 60000}}, "network"),
        ({"image_size": 10**9}, "image_size"),
        ({"image_size": 8000, "channels": 4000}, "numbers"),
        ({"channels": 4}, "mean and std"),
        ({"mean": [0.5]}, "mean and std"),
        ({"std": [0.0, 1.0, 1.0]}, "std"),
        ({"std": ["a", 1.0, 1.0]}, "std"),
        ({"feature_dim": 33}, "feature_dim"),
        ({"feature_dim": -1}, "feature_dim"),
        ({"format": "1"}, "format"),
        ({"more": 1}, "known"),
    ],
)  # fmt: skip
def test_facts_that_no_encoder_has(stranger, changes, says):
    rewritten(stranger / "encoder.safetensors", **changes)
    with pytest.raises(UserError, match=says) as caught:
        load_encoder(stranger)
    assert "\n" not in str(caught.value)


def test_headers_that_are_no_json_of_ours(stranger):
    file = stranger / "encoder.safetensors"
    state, facts = load_file(file), json.dumps({"format": 1, **load_encoder(stranger).facts()})
    for header in ("", "[]", "null", "[" * 100_000, '{"format": NaN}', facts + "x", facts[:-9],
                   facts.replace('"channels": 3', '"channels": 3, "channels": 3'),
                   facts.replace('"channels": 3', f'"channels": {"9" * 5000}'),
                   facts.replace('"channels": 3', '"channels": 1e999')):  # fmt: skip
        file.write_bytes(save(state, {"ilk": header}))
        with pytest.raises(UserError):
            load_encoder(stranger)


def test_weights_that_are_not_finite_missing_or_too_many(stranger):
    file = stranger / "encoder.safetensors"
    whole, facts = load_file(file), load_encoder(stranger).facts()
    covered = {name: fact for name, fact in facts.items() if name != "fingerprint"}
    broken = whole["norm.weight"].clone()
    broken[0] = torch.nan
    for changed, says in (
        (whole | {"norm.weight": broken}, "finite"),
        (whole | {"norm.weight": whole["norm.weight"].double()}, "shape"),
        (whole | {"norm.weight": whole["norm.weight"][:-1].clone()}, "shape"),
        (whole | {"further\n\x1b[31m": torch.zeros(1)}, "further"),
        ({name: t for name, t in whole.items() if name != "norm.weight"}, "missing"),
    ):
        header = {"format": 1, **covered, "fingerprint": fingerprint(changed, covered)}
        file.write_bytes(save(changed, {"ilk": json.dumps(header)}))
        with pytest.raises(UserError, match=says) as caught:
            load_encoder(stranger)
        assert str(caught.value).isprintable()


def test_a_poisoned_record_reaches_neither_resume_nor_kin(trap, run, folder, tmp_path):
    """What a record asks of its backbone, its teacher and its data."""
    record = json.loads((run / "run.json").read_text())
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "checkpoint.safetensors").write_bytes(
        (run / "checkpoint.safetensors").read_bytes()
    )
    images = open_source(str(folder / "test"))
    for options in trap[1:]:
        changed = record["settings"] | {"backbone_options": options}
        poisoned = record | {"status": "interrupted", "settings": changed}
        (theirs / "run.json").write_text(json.dumps(poisoned))
        for read in (
            lambda: read_record(theirs),
            lambda: resume(theirs, Witness()),
            lambda: preview_step(theirs, images),
        ):
            with pytest.raises(UserError, match=r"pretrained|checkpoint_path|cache_dir"):
                read()


def test_a_record_that_asks_for_published_weights_fetches_none(trap, run, folder, tmp_path):
    source = open_source(str(folder / "train"))
    record = json.loads((run / "run.json").read_text())
    small = {"k": 2, "hidden": 16, "queue_size": 32}
    for backbone, change in (
        ("vit_tiny_patch16_224", {"backbone_options": {**VIT, "pretrained": True}}),
        ("resnet_mini", {"method": "rekd", "mix": None, "backbone_options": {},
                         "method_options": {"teacher": "timm:test_vit", **small}}),
    ):  # fmt: skip
        settings = record["settings"] | {"backbone": backbone, **change}
        theirs = tmp_path / backbone
        theirs.mkdir()
        fresh = record | {"status": "started", "step": 0, "saved": 0, "settings": settings}
        (theirs / "run.json").write_text(json.dumps(fresh))
        with pytest.raises(
            UserError, match="begins with published weights|weights that it began with"
        ):
            resume(theirs, Witness())
        settings = recorded_settings(read_record(theirs))
        setup = Setup(settings, source, length=Length(4, 2.0), restored=True)
        assert setup.length.steps == 4
