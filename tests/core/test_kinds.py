"""Memories are asked for by what they can do."""

from typing import Protocol

import pytest
from torch import nn, zeros

from ilk.core import UserError
from ilk.core.kinds import require_kind


class Counted(Protocol):
    total: int

    def count(self) -> int: ...


class Listed(Counted, Protocol):
    def listed(self) -> list[int]: ...


class Buffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", zeros(3))

    def count(self):
        return 3


def test_buffers_and_methods_are_found():
    module = Buffers()
    assert require_kind(module, Counted, "memory queue") is module


def test_what_lacks_is_named_with_what_is_inherited():
    with pytest.raises(UserError) as error:
        require_kind(Buffers(), Listed, "memory queue")
    assert str(error.value) == (
        "memory queue: must have total, count, listed, but Buffers has no listed"
    )
    with pytest.raises(UserError, match="Linear has no total, count, listed"):
        require_kind(nn.Linear(1, 1), Listed, "memory queue")
