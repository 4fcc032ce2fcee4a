import os
import subprocess
import sys
from pathlib import Path

import pytest
from beartype.roar import BeartypeCallHintParamViolation

from tests.fuzz import mutate
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "cases"), [("images", 400), ("zip", 60), ("tar", 60), ("parquet", 60)]
)
def test_damaged_files_are_bad_items(name: str, cases: int, tmp_path: Path) -> None:
    """The beginning of ``make fuzz``, always the same."""
    asked = ["--only", name, "--cases", str(cases), "--seed", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.images", *asked],
        check=False,
        cwd=ROOT,
        env=os.environ | {"ILK_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"{name}: {cases} of {cases} cases" in done.stdout


def test_good_files_are_read_and_faults_are_found() -> None:
    """Seeds are read, cases are damaged and can be repeated, and what raises is seen."""
    seeds = TARGETS["images"].seeds()
    for data in seeds.values():
        TARGETS["images"].read(data)
    cases = [mutate.case([*seeds.values()], 0, number) for number in range(200)]
    assert len({*cases} - {*seeds.values()}) > 190
    assert cases[:20] == [mutate.case([*seeds.values()], 0, number) for number in range(20)]
    with pytest.raises(BeartypeCallHintParamViolation):
        TARGETS["images"].read(None)  # pyright: ignore[reportArgumentType]
