"""The one exception that is the user's to solve."""

from ilk.core.shown import shown


class UserError(Exception):
    """Something the caller can put right: what must hold, what came, and what to do about it.

    The command line prints it as a single line and exits with status 2, without a traceback.

    Args:
        message: may hold names from outside: what terminals could take for a command comes out
            as an escape, see `ilk.core.shown`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))
