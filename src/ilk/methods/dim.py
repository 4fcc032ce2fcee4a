"""DIM: one vector of an image should tell its own places from those of other images.

Paper: Hjelm et al., ICLR 2019, https://arxiv.org/abs/1808.06670 (Deep InfoMax)
Idea: maximise a lower bound of the information that a code has of the map that it is computed
    from. Of every single place, DIM(L), it must keep what they share and no detail of one; of
    the map as a whole, DIM(G), it may keep anything. A prior makes its entries uniform.
Against AMDIM: one view, so that an image is compared with its own places, and one scale.
    Against SimCLR: nothing is learned from augmentation.
Departures: the encoder is any backbone, the map is the one half-way through it, with at most 8
    places a side, and the code a linear layer on its feature, which is what is kept. DIM(G)
    scores by the product of two embeddings too, where the paper joins map and code to one
    network for each pair. Images are cropped and mirrored. The adversary of the prior learns
    through one reversed gradient, where the authors' code moves both sides in turn.
Checked: tests/objectives/test_bounds.py, tests/networks/test_information.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource, OwnPlace
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Term, outputs_in
from ilk.objectives import DonskerVaradhan, EachPositive, JensenShannon, SoftCrossEntropy

BOUNDS = {"jsd": JensenShannon(), "nce": EachPositive(), "dv": DonskerVaradhan()}


@dataclass(frozen=True, kw_only=True, slots=True)
class DIM:
    """Settings of DIM; defaults are the paper's for DIM(L) with the JSD."""

    bound: Literal["jsd", "nce", "dv"] = "jsd"  # Jensen-Shannon, InfoNCE, Donsker-Varadhan
    local: float = 1.0  # weight of the information that a code has of each place; beta
    whole: float = 0.0  # and of the whole map; alpha
    prior: float = 0.1  # weight of the adversary; gamma
    dim: int = 64  # of the code
    units: int = 2048  # of the embeddings whose products are scores
    critic: int = 1000  # units of the adversary
    side: int = 8  # most places of a side
    min_scale: float = 0.2  # smallest area of a crop
    lr: float = 1e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        summary, critic = (Output("student", "a", head) for head in ("summary", "critic"))
        against = {"local": self.local, "whole": self.whole}
        terms = [
            Term(
                name=name,
                queries=(summary,),
                candidates=(Output("student", "a", name),),
                kin=CommonSource(),
                objective=BOUNDS[self.bound],
                weight=weight,
            )
            for name, weight in against.items()
        ]
        prior = Term(
            name="prior",
            queries=(critic,),
            candidates=(Classes(2),),
            kin=OwnPlace(classes=2),
            objective=SoftCrossEntropy(temperature=1.0),
            weight=self.prior,
        )
        used = tuple(term for term in (*terms, prior) if term.weight > 0)
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            heads=self._heads(given, {output.head for output in outputs_in(used)}),
            terms=used,
            optimisation=Optimisation(
                name="adamw", lr=self.lr, scaling="none", warmup_epochs=0
            ),
            batch_size=64,
            mixable=Mixable(queries=("a",)),
        )

    def _heads(self, given: Given, used: set[str]) -> dict[str, Head]:
        channels, side = given.early
        fewer = networks.FewerPlaces(self.side)
        place = networks.ShortcutHead(channels, self.units, layer_norm=True)
        flat = nn.Sequential(
            nn.Flatten(),
            networks.mlp(channels * fewer.left(side) ** 2, 512, self.units, layers=3),
        )
        heads = {
            "code": Head(nn.Linear(given.width, self.dim)),
            "summary": Head(networks.ShortcutHead(self.dim, self.units), on="code"),
            "places": Head(fewer, on="early"),
        }
        optional = {
            "local": Head(networks.EachPlace(place), on="places"),
            "whole": Head(flat, on="places"),
            "critic": Head(
                networks.UniformCritic(self.dim, self.critic), on="code", reverse=1.0
            ),
        }
        return heads | {name: head for name, head in optional.items() if name in used}
