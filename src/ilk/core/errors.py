"""The one exception that is the user's to solve."""


class UserError(Exception):
    """Something the caller can put right: what must hold, what came, and what to do about it.

    The command line prints it as a single line and exits with status 2, without a traceback.
    """
