"""Types are checked while tests run, and shapes in the first calls of each test."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from beartype import beartype
from beartype.roar import BeartypeCallHintParamViolation, BeartypeCallHintReturnViolation
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from ilk.kin.algebra import normalize_rows
from tests.checked import FIRST, begin, checked, names_a_shape

check = checked(typechecker=beartype)


def sum_of(one: Float[Tensor, "N D"], other: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
    return one + other


def grown(rows: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
    return torch.cat([rows, rows])


def twice(count: int) -> int:
    return 2 * count if count else "0"  # pyright: ignore


@dataclass
class Pair:
    one: Float[Tensor, " N"]
    other: Float[Tensor, " N"]


@dataclass
class Count:
    count: int


@pytest.mark.parametrize("call", [
    lambda: check(sum_of)(torch.zeros(2, 3), torch.zeros(1, 3)),
    lambda: check(grown)(torch.zeros(2, 3)),
    lambda: check(Pair)(torch.zeros(2), torch.zeros(3)),
    lambda: normalize_rows(torch.zeros(2, 3, 4)),  # by the hook
])  # fmt: skip
def test_sizes_of_one_name_agree_within_a_call(call: Callable[[], object]):
    with pytest.raises(TypeCheckError):
        call()


def test_what_names_no_shape_is_checked_at_every_call():
    twice_checked, made = check(twice), check(Count)
    for _ in range(FIRST + 5):
        assert twice_checked(3) == 6
        with pytest.raises(BeartypeCallHintParamViolation):
            twice_checked("3")
        with pytest.raises(BeartypeCallHintReturnViolation):
            twice_checked(0)
        with pytest.raises(BeartypeCallHintParamViolation):
            made("3")


def test_shapes_are_checked_in_the_first_calls_of_each_test():
    call = check(sum_of)
    for _ in range(FIRST):
        with pytest.raises(TypeCheckError):
            call(torch.zeros(2, 3), torch.zeros(1, 3))
    assert call(torch.zeros(2, 3), torch.zeros(1, 3)).shape == (2, 3)
    begin()  # as before every test
    with pytest.raises(TypeCheckError):
        call(torch.zeros(2, 3), torch.zeros(1, 3))


def test_a_shape_is_found_wherever_it_stands_in_a_signature():
    def inside(rows: Callable[[Float[Tensor, " N"]], list[int] | None]) -> None: ...
    def none(rows: Callable[[Tensor], list[int] | None]) -> None: ...
    def unread(rows: "Unknown") -> None: ...  # noqa: F821  # pyright: ignore

    assert [names_a_shape(one) for one in (inside, none, unread)] == [True, False, True]


def test_a_function_keeps_its_name_and_is_found_beneath():
    assert check(sum_of).__name__ == "sum_of"
    assert check(sum_of).__wrapped__ is sum_of
