"""Fixtures that every part of the suite may use."""

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import settings

from tests.checked import begin, checked

jaxtyping.jaxtyped = checked  # before any part of ilk is imported

# The same examples in every run, and no verdict from a busy machine's clock.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """The path of a real data set kept beside the checkout; skips where it is not."""

    def find(name: str) -> Path:
        path = REAL_DATA / name
        if not path.exists():
            pytest.skip(f"{name} is not beside this checkout")
        return path

    return find


@pytest.fixture(autouse=True)
def _each_alone() -> None:
    """What a test draws does not hang on the tests before it, nor on their worker."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    begin()


@pytest.fixture(autouse=True, scope="session")
def _signals_as_usual() -> None:
    """What starts the tests may have signals ignored (nohup does), and ilk obeys that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def _plain_processor() -> Iterator[None]:
    """Runs of the tests compute in single precision, on any machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.cpu.get_capabilities", dict, raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Listings of this session are nobody's business but its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ILK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
