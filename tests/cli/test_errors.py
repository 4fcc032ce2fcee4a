"""What a person can put right ends with status 2 and one line."""

import pytest


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("train",), "needs images"),
        (("train", "nowhere"), "must be an existing folder"),
        (("train", ""), "got an empty word"),
        (("kin", "nowhere"), "needs images"),
        (("pack", "nowhere", "-o", "a.tar"), "must be an existing folder"),
        (("embed", "random:resnet_mini", ""), "got an empty word"),
        (("train", "{train}", "--method", "moco-v4"), "did you mean moco-v3?"),
        (("train", "{train}", "--mix", "sdnp"), "did you mean sdmp?"),
        (("train", "{train}", "--set", "hiden=8"), "hidden"),
        (("train", "{train}", "--set", "hidden"), "field=value"),
        (("train", "{train}", "--set", "hidden=many"), "hidden"),
        (("train", "{train}", "--backbone", "resnet_nimi"), "resnet"),
        (
            ("train", "{train}", "--method", "barlow-twins", "--mix", "sdmp"),
            "take mixed images",
        ),
        (
            ("train", "{train}", "--epochs", "1", "--time", "3m"),
            "one of epochs, steps and time",
        ),
        (("train", "{train}", "--time", "soon"), "10m"),
        (("train", "{train}", "--batch-size", "0"), "number from 1 to"),
        (("train", "{train}", "--batch-size", "many"), "batch-size"),
        (("train", "{train}", "--device", "abacus"), "device"),
        (("train", "{train}", "--speed", "1"), "speed"),
        (("train", "--resume", "nowhere"), "run.json"),
        (("embed", "random:resnet_mini"), "data"),
        (("embed", "nowhere", "{train}"), "must be a run or a folder"),
        (("embed", "random:resnet_mini", "{train}", "-o", "x.tsv"), "must end in .parquet"),
        (("embed", "random:resnet_mini", "{train}", "-o", "x.csv", "--shard-rows", "9"), "one"),
        (("embed", "random:resnet_mini", "nowhere"), "must be an existing folder"),
        (("evaluate", "pixels", "--train", "{train}", "--test", "{train}"), "must not share"),
        (
            ("evaluate", "pixels", "--train", "{train}", "--test", "{bird}"),
            "has one: images do not lie in folders by class",
        ),
        (
            (
                "evaluate",
                "pixels",
                "--train",
                "{train}",
                "--test",
                "{test}",
                "--protocols",
                "x",
            ),
            "knn@1",
        ),
        (("evaluate", "vectors", "--train", "a.parquet", "--test", "b.parquet"), "ilk embed"),
        (("export", "random:resnet_mini", "--to", "timm"), "export it as ONNX"),
        (("export", "random:resnet_mini", "-o", "x.pth"), "must end in .safetensors or .onnx"),
        (("export", "nowhere", "--to", "timm", "-o", "x.onnx"), "must end in .safetensors for"),
        (("export", "random:resnet_mini", "--to", "gold"), "gold"),
        (("methods", "moco-v4"), "moco-v3"),
        (("demo", "--data", "nowhere"), "must be an existing folder"),
        (("demo", "--data", "{bird}"), "two classes"),
        (("dmeo",), "demo"),
        (("train", "x" * 300), "must be a place that can be used, File name too long"),
        (("train", "{train}", "minutes=x"), "must"),
    ],
)
def test_one_line_and_status_two(ilk, folder, words, says):
    places = {"train": folder / "train", "test": folder / "test", "bird": folder / "test/bird"}
    said = ilk(*(word.format(**places) for word in words))
    assert said.code == 2
    lines = said.err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("ilk: ")
    assert says in lines[0]


def test_a_run_is_never_written_over(ilk, folder, run):
    said = ilk("train", folder / "train", "-o", run)
    assert said.code == 2
    assert "--resume" in said.err


def test_an_unwritable_output_is_told(ilk, folder, tmp_path):
    (tmp_path / "file").write_text("")
    parts = ("--train", folder / "train", "--test", folder / "test", "--protocols", "knn")
    said = ilk("evaluate", "pixels", *parts, "-o", tmp_path / "file/x.json")
    assert said.code == 2
    assert "must be writable" in said.err
