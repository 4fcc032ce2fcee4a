"""Names that are loaded when they are asked for."""

import importlib
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["ilk.core", "ilk.train"])
def test_every_name_is_there_and_none_is_hidden_by_a_module(name):
    package = importlib.import_module(name)
    for public in package.__all__:
        assert type(getattr(package, public)).__name__ != "module"
    modules = {path.stem for path in Path(package.__path__[0]).glob("*.py")}
    assert not modules & set(package._HOME)
    with pytest.raises(AttributeError, match="no attribute 'nobody'"):
        _ = package.nobody
