"""VICRegL: VICReg on images, and on places that match by feature or by where they lie.

Paper: Bardes, Ponce and LeCun, NeurIPS 2022, https://arxiv.org/abs/2210.01571
Idea: a global criterion makes features of images good and those of places poor, a local one the
    other way round; both together cost little of either.
Against VICReg: a second projector at each place of the map, whose rows learn from the nearest
    one in the other view and from the one at the same place of the image. With ``alpha=1`` it
    is VICReg. Against DenseCL: no negatives, no queue and no teacher; places are matched by
    their embeddings, and by location as well.
Departures: two large views; the paper's small crops for ConvNeXt are left out. Covariances of
    both views are added, as the paper and VICReg have them, where the authors' code takes their
    mean, and both pairs of local terms count whole, where it halves them. Middles of
    places lie apart by shares of the image's height and width, which in an image that is not
    square orders the best matches otherwise than pixels would, but finds the same ones.
Checked: tests/kin/test_places.py, tests/methods/test_places.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource, NearestByFeature, NearestByPlace
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import VarianceCovariance


@dataclass(frozen=True, kw_only=True, slots=True)
class VICRegL:
    """Settings of VICRegL; defaults are the paper's for ResNet-50 on ImageNet."""

    hidden: int = 8192
    dim: int = 8192
    local_dim: int = 512  # of all layers of the projector of places
    alpha: float = 0.75  # share of the loss over images; 0.9 is better for classification
    matches: int = 20  # of each pair of views by place, the nearest ones
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        objective = VarianceCovariance(
            invariance=self.invariance, variance=self.variance, covariance=self.covariance
        )
        a, b = (
            Output("student", "a", "local_projector"),
            Output("student", "b", "local_projector"),
        )
        local = self.local_dim
        return Method(
            views=views.fitted(views.byol_pair(given.size)),
            heads={
                "projector": Head(networks.mlp(given.width, self.hidden, self.dim, layers=3)),
                "local_projector": Head(
                    networks.EachPlace(networks.mlp(given.place_width, local, local, layers=3)),
                    on="map",
                ),
            },
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "a", "projector"),),
                    candidates=(Output("student", "b", "projector"),),
                    kin=CommonSource(),
                    objective=objective,
                    weight=self.alpha,
                ),
                *(
                    Term(
                        name=name,
                        queries=(of,),
                        candidates=(among,),
                        kin=rule,
                        objective=objective,
                        weight=(1 - self.alpha) / 2,
                    )
                    for of, among in ((a, b), (b, a))
                    for name, rule in (
                        ("feature", NearestByFeature(of=of, among=among, cosine=False)),
                        ("place", NearestByPlace(of=of, among=among, best=self.matches)),
                    )
                ),
            ),
            places=True,
            optimisation=Optimisation(name="lars", lr=0.3, end_share=1e-3, weight_decay=1e-6),
            batch_size=512,
            mixable=Mixable(queries=("a",)),
        )
