"""How a time on the clock becomes steps: what a command does beside them is taken off first."""

import math
from dataclasses import dataclass

from ilk.train.length import SCORES

SCORES_SHARE = 0.1  # of a time, that online scores take at most by default
LOOKS = 100  # for signs of collapse, in a run of more steps
FEWEST_LOOKS = 4  # of a guard
AFTERWARDS = 3  # scores: of the encoder, of raw pixels and of the untrained network


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """What parts of a run take, in seconds.

    Args:
        step: of the optimiser.
        score: an online k-NN score; 0 where there are none.
        look: for signs of learning and of collapse.
        steps_per_epoch: of the data and batch size.
        guard: a score of the guard; 0 where there is none.
    """

    step: float
    score: float
    look: float
    steps_per_epoch: float
    guard: float = 0.0

    @property
    def after(self) -> float:
        """Seconds that follow the last step: the encoder is compared with others."""
        return AFTERWARDS * self.score

    def seconds(self, steps: int, scores: float) -> float:
        """Of so many steps and scores."""
        looks = math.ceil(steps / max(steps // LOOKS, 1)) + 1
        return self.step * steps + self.score * scores + self.look * looks

    def looks(self, seconds: float) -> int:
        """Looks of the guard: twenty, or as many as a tenth of a time allows, four at least."""
        if not self.guard:
            return 0
        return min(SCORES, max(int(SCORES_SHARE * seconds / self.guard), FEWEST_LOOKS))

    def fitting(self, seconds: float, every: float | None) -> tuple[int, float | None]:
        """Steps that fit into a time, one at least, and epochs between scores.

        Args:
            seconds: that training and its scores may take.
            every: epochs between scores; None lets them take a tenth of the time at most.

        Returns:
            The steps, and ``every`` as it was given; a number in place of None where the usual
            twenty scores would take too long.
        """
        if not self.score or every == 0:
            return self._steps(seconds, self.step), every
        if every is not None:
            each = self.step + self.score / (every * self.steps_per_epoch)
            return self._steps(seconds - self.score, each), every
        scores = min(SCORES, max(int(SCORES_SHARE * seconds / self.score), 1))
        steps = self._steps(seconds - (scores + 1) * self.score, self.step)
        if scores == SCORES:
            return steps, None
        return steps, max(steps / self.steps_per_epoch / scores, 1.0)

    def _steps(self, seconds: float, each: float) -> int:
        """A short run looks for signs at each step, a long one two hundred times at most."""
        seconds -= self.look
        looking, rarely = seconds / (each + self.look), (seconds - 2 * LOOKS * self.look) / each
        return max(int(max(looking, rarely)), 1)
