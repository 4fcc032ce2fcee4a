"""The predictor of places against a slow reference, block by block."""

import pytest
import torch

from ilk.core import Mask, UserError
from ilk.networks import Head, Network, PlacePredictor, SameAs, backbone, check_heads
from ilk.networks.surgery import sincos_positions

OPTIONS = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}


def drawn(seed=0) -> Mask:
    """Two images of 3 x 3 cells that show three each, with two sets of two asked cells."""
    chance = torch.Generator().manual_seed(seed)
    hidden = torch.ones(2, 9, dtype=torch.bool)
    asked = torch.zeros(2, 2, 9, dtype=torch.bool)
    for image in range(2):
        order = torch.randperm(9, generator=chance)
        hidden[image, order[:3]] = False
        asked[image, 0, order[3:5]] = True
        asked[image, 1, order[4:6]] = True  # sets may overlap
    return Mask(hidden.view(2, 3, 3), 3, asked.view(2, 2, 3, 3)).counted()


def test_each_set_is_predicted_from_visible_tokens_and_its_places_alone():
    torch.manual_seed(0)
    predictor = PlacePredictor(6, dim=8, depth=2, heads=2)
    mask, sequence = drawn(), torch.randn(2, 4, 6)  # a class token and three patches
    out = predictor(sequence, mask)
    assert out.shape == (8, 6)
    table, row = sincos_positions(3, 3, 8), 0
    for image in range(2):
        seen = [n for n in range(9) if not mask.hidden[image].flatten()[n]]
        shown = predictor.embed(sequence[image])
        placed = [shown[0], *(shown[1 + k] + table[n] for k, n in enumerate(seen))]
        for cells in mask.asked[image].flatten(1):
            asked = [n for n in range(9) if cells[n]]
            tokens = torch.stack([*placed, *(predictor.asking + table[n] for n in asked)])
            said = predictor.predict(predictor.norm(predictor.blocks(tokens[None]))[0, -2:])
            torch.testing.assert_close(out[row : row + 2], said)
            row += 2


def test_sets_of_unequal_size_are_refused():
    mask = drawn()
    mask.asked[0, 0].fill_(False)
    mask.asked[0, 0, 0, 0] = True
    uneven = mask._replace(wanted=None)
    with pytest.raises(ValueError, match="equally many cells"):
        PlacePredictor(6, dim=8, depth=1, heads=2)(torch.randn(2, 4, 6), uneven)


def test_asked_cells_are_those_of_loops():
    mask = drawn(3)
    image, cell = mask.asked_cells()
    expected = [
        (b, n)
        for b in range(2)
        for k in range(2)
        for n in range(9)
        if mask.asked[b, k].flatten()[n]
    ]
    assert list(zip(image.tolist(), cell.tolist(), strict=True)) == expected
    assert mask.counted().wanted == 8
    whole = mask.uncovered()
    assert not whole.hides
    assert not whole.hidden.any()
    assert [x.tolist() for x in whole.asked_cells()] == [image.tolist(), cell.tolist()]
    both = Mask.cat([mask, mask])
    assert both.wanted == 16
    assert both.asked_cells()[0].tolist() == [*image.tolist(), *(image + 2).tolist()]
    assert mask.take(torch.tensor([1])).counted().wanted == 4
    away = mask._replace(asked=None, wanted=None).counted()  # what is hidden is asked for
    assert away.wanted == 12


def shared() -> Network:
    torch.manual_seed(0)
    trunk = backbone("vit_tiny_patch16_224", image_size=24, options=OPTIONS)
    heads = {
        "projector": Head(torch.nn.Linear(16, 4)),
        "patch_projector": Head(SameAs("projector"), on="asked"),
    }
    return Network(trunk, heads)


def test_a_shared_head_has_the_weights_of_the_other_and_none_of_its_own():
    network, images, mask = shared(), torch.randn(2, 3, 24, 24), drawn().uncovered()
    out = network(images, {"projector", "patch_projector", "tokens"}, mask=mask)
    own = network.projector
    torch.testing.assert_close(out["patch_projector"], own(out["tokens"][mask.asked_cells()]))
    names = [name for name, _ in network.named_parameters() if "projector" in name]
    assert names == ["projector.weight", "projector.bias"]
    assert [n for n in network.state_dict() if "projector" in n] == names
    assert network.root("patch_projector") == "asked"
    (out["projector"].sum() + out["patch_projector"].sum()).backward()
    assert (own.bias.grad == 2 + 8).all()


def test_places_are_asked_for_by_a_mask_of_their_grid():
    network, images = shared(), torch.randn(2, 3, 24, 24)
    with pytest.raises(ValueError, match="must have a mask"):
        network(images, {"patch_projector"})
    other = Mask(torch.zeros(2, 2, 2, dtype=torch.bool), 4)
    with pytest.raises(UserError, match="one place for each patch .*, 2 x 2 of them, got 9"):
        network(images, {"patch_projector"}, mask=other)


def test_a_head_shares_those_of_one_before_it():
    with pytest.raises(ValueError, match="must share those of a head, got 'projector'"):
        check_heads({"patches": Head(SameAs("projector"), on="asked")})
