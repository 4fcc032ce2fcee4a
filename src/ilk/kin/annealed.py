"""Kin that are withheld from queries that know them already. Axes: Q queries, K classes."""

from ilk.core import Kin, KinRule, Rows, Scalar, StepContext, full, value
from ilk.kin.algebra import decides_kin


@decides_kin
class Unlearned:
    """The kin of another rule, but for queries that give them more than some probability.

    Training signal annealing, Xie et al., NeurIPS 2020, https://arxiv.org/abs/1904.12848,
    section 2.3: few labels are soon known by heart, unless images whose class is found with
    more certainty than the run allows at the time are left out. The queries are scores over
    classes.

    Args:
        rule: says the classes.
        most: the probability.
    """

    rule: KinRule
    most: Scalar

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The kin of those that are not sure enough; no others."""
        kin = self.rule(queries, candidates, context)
        found = (full(queries.vectors).softmax(dim=1) * kin.weights).sum(dim=1)
        taught = found <= value(self.most, context.progress)
        return Kin(kin.weights * taught[:, None], kin.ignored, kin.importance)
