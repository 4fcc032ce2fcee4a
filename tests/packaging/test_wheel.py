"""What is built from the tree holds everything that the tree runs on."""

import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from ilk.rendered import Rendered
from tests.cli.conftest import TINY

ROOT = Path(__file__).parents[2]
# Command lines, after which all that was loaded of ilk must come from one place.
COMMANDS = """
import shlex, sys
from ilk.cli import main
place, *commands = sys.argv[1:]
for command in commands:
    sys.argv = shlex.split(command)
    try:
        main()
    except SystemExit as end:
        assert not end.code, command
files = {m.__file__ for n, m in sys.modules.items() if n.partition(".")[0] == "ilk"}
elsewhere = sorted(file for file in files if not file.startswith(place))
assert files and not elsewhere, elsewhere
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """A wheel, built from a copy so that nothing is left in the tree."""
    place = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", place / "src", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q",
               "-w", str(place / "dist"), str(place)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = (place / "dist").glob("*.whl")
    return zipfile.ZipFile(built)


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    package = ROOT / "src" / "ilk"
    there = {
        str(path.relative_to(package.parent))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    built = {name for name in wheel.namelist() if name.startswith("ilk/")}
    assert built == there
    assert "ilk/py.typed" in built
    assert {"ilk/viewer/page.html", "ilk/viewer/page.css"} <= built
    assert {"ilk/explore/static/index.html", "ilk/explore/static/main.js"} <= built


def test_the_wheel_names_its_command_and_its_licence(wheel):
    info = next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert "ilk = ilk.cli:main" in wheel.read(info).decode()
    meta = wheel.read(next(n for n in wheel.namelist() if n.endswith("METADATA"))).decode()
    assert "License-Expression: Apache-2.0" in meta
    assert "timm" in meta


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel, installed by pip where nothing else is."""
    place = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "-q",
               "--target", str(place), str(wheel.filename)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def say(installed, tmp_path) -> Callable[..., str]:
    """Run a command in a folder without the tree, with the wheel before all other packages."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**kept, "PYTHONPATH": str(installed), "ILK_CACHE": str(tmp_path / "cache")}

    def run(*command: object) -> str:
        done = subprocess.run(
            [*map(str, command)], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_installed_command_answers(installed, say):
    command = installed / "bin" / "ilk"
    assert "moco-v3" in say(command, "methods")
    assert "Usage: ilk demo" in say(command, "demo", "--help")


def test_what_is_installed_trains_and_draws_a_page_by_itself(installed, say, tmp_path):
    drawn = Rendered(24, size=32)
    (tmp_path / "photos").mkdir()
    for index in range(len(drawn)):
        cv2.imwrite(str(tmp_path / f"photos/{index}.png"), drawn.item(index)[..., ::-1])
    train = f"ilk train photos --mix sdmp {shlex.join(TINY)} --steps 3 -o run"
    kin = "ilk kin run photos --queries 2 -o page.html"
    say(sys.executable, "-c", COMMANDS, installed, train, kin)
    assert (tmp_path / "run" / "encoder.safetensors").is_file()
    assert "</html>" in (tmp_path / "page.html").read_text()
