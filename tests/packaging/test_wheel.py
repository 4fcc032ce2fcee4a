"""What is built from the tree holds everything that the tree runs on."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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


def test_the_wheel_names_its_command_and_its_licence(wheel):
    info = next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert "ilk = ilk.cli:main" in wheel.read(info).decode()
    meta = wheel.read(next(n for n in wheel.namelist() if n.endswith("METADATA"))).decode()
    assert "License-Expression: Apache-2.0" in meta
    assert "timm" in meta
