"""Heads that learn alone at first, on a backbone that was given its weights."""

from ilk.networks import Network, PretrainedTeacher, Teacher, set_modes


class HeadStart:
    """Lets the backbones rest for the first steps, then begins with a fresh teacher.

    Random heads would send a given backbone a gradient that says nothing. While they learn, it
    is in evaluation mode and has no gradient, so that neither a weight nor a statistic moves.
    Then the teacher becomes a copy of the student, heads included. Which steps these are
    depends on their number and on what was put back, so that a run resumes within them.

    Args:
        student: whose ``tuning`` says how many steps; None is no head start.
        teacher: follows the student if it is its average.

    Attributes:
        until: step at which the backbone begins to learn; 0 is no head start.
    """

    def __init__(self, student: Network, teacher: Teacher | PretrainedTeacher | None) -> None:
        self._student = student
        self._teacher = teacher if isinstance(teacher, Teacher) else None
        self._resting: bool | None = None
        self.until = 0 if student.tuning is None else student.tuning.head_steps

    def __call__(self, step: int) -> None:
        """Bring student and teacher into the state in which they take a step.

        Args:
            step: that comes, counted from 0.
        """
        tuning = self._student.tuning
        if tuning is None:
            return
        resting = step < self.until
        if resting != self._resting:
            self._student.resting = self._resting = resting
            teacher = self._teacher
            followers = [] if teacher is None or teacher.evaluated else [teacher.network]
            for network in (self._student, *followers):
                set_modes(network.backbone, tuning, resting=resting)
        if step == self.until > 0:
            self.follow()

    def put_back(self, step: int, to: int) -> None:
        """Let heads that have not learned for long enough learn alone for the rest of it.

        Args:
            step: that comes.
            to: step of which the heads have their weights again.
        """
        if to < self.until:
            self.until += step - to

    def follow(self) -> None:
        """Make the teacher a copy of the student, where it is the student's average."""
        if self._teacher is not None:
            self._teacher.become(self._student)
