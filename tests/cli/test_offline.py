"""The whole command line where every connection is refused: nothing is fetched, nothing is told."""  # noqa: E501

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import TINY

GUARD = """
import socket
import sys

def refused(*args, **kwargs):
    print("CONNECTED", args[1:], file=sys.stderr, flush=True)
    raise OSError("the network is blocked")

socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refused
socket.getaddrinfo = refused
from ilk.cli import main

for line in sys.stdin.read().splitlines():
    sys.argv = ["ilk", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert end.code == (1 if "demo" in line else 0), (line, end.code)
print("DONE")
"""


HOMELESS = """
import os
import pwd
import sys

def unknown(user):
    raise KeyError(user)

pwd.getpwuid = unknown  # as in a container that runs under a number without a name
from ilk.cli import main

for line in sys.stdin.read().splitlines():
    sys.argv = ["ilk", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (line, end.code)
print("DONE")
"""


@pytest.mark.parametrize("home", [None, "/proc"])
def test_no_home_is_fine(folder, tmp_path, home):
    lines = [
        f"train {folder}/train {' '.join(TINY)} --steps 1 -o run",
        f"embed run {folder}/test -o test.parquet",
        f"evaluate run --train {folder}/train --test {folder}/test --protocols knn",
        "methods sdmp",
    ]
    given = {k: v for k, v in os.environ.items() if k not in {"HOME", "ILK_CACHE"}}
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS],
        input="\n".join(lines),
        cwd=tmp_path,
        env={**given, "OMP_NUM_THREADS": "1", **({} if home is None else {"HOME": home})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.rstrip().endswith("DONE")
    assert (tmp_path / "run" / "evaluation.json").exists()


def test_no_verb_touches_the_network(folder, tmp_path):
    lines = [
        f"train {folder}:train --mix sdmp {' '.join(TINY)} --steps 2 -o run",
        f"embed run {folder}:test -o test.parquet",
        f"evaluate run --train {folder}:train --test {folder}:test",
        f"evaluate random:resnet_mini --train {folder}:train --test {folder}:test",
        "export random:mobilenetv3_small_050 --to timm -o m.safetensors",
        "methods sdmp",
        f"demo --data {folder} --epochs 0.5 -o demo",
    ]
    done = subprocess.run(
        [sys.executable, "-c", GUARD],
        input="\n".join(lines),
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.rstrip().endswith("DONE")
    assert "CONNECTED" not in done.stderr
    assert (tmp_path / "demo" / "report.html").exists()
