"""What every test of this folder needs."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Listings of a test are its own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ILK_CACHE", str(folder))
    return folder
