"""A backbone with its heads. Axes: B images, C channels, N rows, D features, K classes."""

from collections.abc import Collection

from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import Field


class Network(nn.Module):
    """What a student or a teacher is: feature, projection of it, prediction and scores of that.

    Args:
        backbone: images to features [B, F].
        projector: on top of the feature.
        predictor: on top of the projection; a teacher has none.
        prototypes: scores a projection against classes.
    """

    def __init__(
        self,
        backbone: nn.Module,
        projector: nn.Module | None = None,
        predictor: nn.Module | None = None,
        prototypes: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = projector
        self.predictor = predictor
        self.prototypes = prototypes

    def forward(
        self, images: Float[Tensor, "B C *pixels"], wanted: Collection[Field]
    ) -> dict[Field, Float[Tensor, "B _"]]:
        """The wanted fields, each computed once, and nothing that they do not need.

        Raises:
            ValueError: a head that a wanted field needs is missing.
        """
        return self.heads(self.backbone(images), wanted)

    def heads(
        self, features: Float[Tensor, "N F"], wanted: Collection[Field]
    ) -> dict[Field, Float[Tensor, "N _"]]:
        """The wanted fields of rows whose features are there, as `forward` gives them."""
        out: dict[Field, Tensor] = {"feature": features}
        if set(wanted) - {"feature"}:
            out["projection"] = _present(self.projector, "projector")(out["feature"])
        if "prediction" in wanted:
            out["prediction"] = _present(self.predictor, "predictor")(out["projection"])
        if "scores" in wanted:
            out["scores"] = self.scores(out["projection"])
        return {name: out[name] for name in out if name in wanted}

    def scores(self, projections: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """Scores of projections against the prototypes."""
        return _present(self.prototypes, "prototypes")(projections)

    def parts(self) -> dict[str, nn.Module]:
        """The backbone and the heads there are, by name."""
        return dict(self.named_children())


def _present(head: nn.Module | None, name: str) -> nn.Module:
    if head is None:
        raise ValueError(f"Network: a wanted field needs a {name}, and there is none")
    return head
