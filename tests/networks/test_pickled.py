"""Files of torch.save that are written to harm: refused in one line, soon."""

import zipfile

import pytest
import torch

from ilk.core import UserError
from ilk.networks import GivenWeights, backbone, read_given, start_from

SMALL = {"widths": (8, 16), "depths": (1, 1)}


def written(path, content) -> str:
    torch.save(content, path)
    return str(path)


def packed(source, target) -> str:
    """The same archive, deflated."""
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.namelist():
            new.writestr(member, old.read(member))
    return str(target)


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return backbone("resnet_mini", image_size=32, options=SMALL).state_dict()


def start(state):
    given = GivenWeights(state=state, where="w.pth")
    return start_from(given, "resnet_mini", image_size=32, options=SMALL)


def test_containers_that_share_others_are_searched_once(tmp_path):
    content = {"nothing": 1}
    for _ in range(60):
        content = {"a": content, "b": content}
    with pytest.raises(UserError, match="must hold tensors by name"):
        read_given(written(tmp_path / "w.pth", content))


def test_a_container_that_holds_itself_is_left(tmp_path):
    content = {}
    content["model"] = content
    with pytest.raises(UserError, match="must hold tensors by name"):
        read_given(written(tmp_path / "w.pth", content))
    content["state_dict"] = {"w": torch.ones(2)}
    found = read_given(written(tmp_path / "w.pth", content))
    assert found.state.keys() == {"w"}


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(10**10),
        torch.zeros(6).as_strided((3, 4), (1, 1)),
        torch.zeros(3, 3).to_sparse(),
        torch.zeros(9, device="meta"),
    ],
    ids=["repeated", "overlapping", "sparse", "meta"],
)
def test_tensors_whose_numbers_are_not_in_the_file_are_refused(tmp_path, tensor):
    with pytest.raises(UserError, match="must hold each number of its tensors, got w of"):
        read_given(written(tmp_path / "w.pth", {"model": {"w": tensor}}))


def test_an_archive_that_unpacks_to_far_more_is_refused_unread(tmp_path, monkeypatch):
    written(tmp_path / "w.pth", {"w": torch.zeros(10**6)})
    bomb = packed(tmp_path / "w.pth", tmp_path / "bomb.pth")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(UserError, match="bytes that unpack to 4,0"):
        read_given(bomb)


def test_an_archive_that_is_packed_a_little_is_read(tmp_path):
    written(tmp_path / "w.pth", {"w": torch.arange(1000.0)})
    found = read_given(packed(tmp_path / "w.pth", tmp_path / "less.pth"))
    assert torch.equal(found.state["w"], torch.arange(1000.0))


def test_many_names_of_the_same_numbers_do_not_permit_a_large_network():
    numbers = torch.zeros(10_000)
    given = GivenWeights(
        state={str(n): numbers for n in range(2000)}, where="w.pth", name="resnet18"
    )
    with pytest.raises(UserError, match="which has .* numbers, got 10,000"):
        start_from(given)


def test_quantised_numbers_are_not_taken_for_floats():
    name = "stages.0.0.conv1_kxk.conv.weight"
    state = weights()
    assert name in state
    with pytest.raises(UserError, match=f'"{name}" must be of floats, got torch.int8'):
        start({**state, name: state[name].to(torch.int8)})


def test_weights_of_eight_bit_floats_are_read_and_checked():
    state = {n: t.to(torch.float8_e4m3fn) if t.is_floating_point() else t
             for n, t in weights().items()}  # fmt: skip
    found = start(state).encoder.module.state_dict()
    assert all(torch.equal(found[n], t.to(found[n].dtype)) for n, t in state.items())
    name = next(iter(state))
    state[name] = torch.full_like(state[name].float(), torch.nan).to(torch.float8_e4m3fn)
    with pytest.raises(UserError, match="must be finite"):
        start(state)
