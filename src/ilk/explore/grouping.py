"""Groups, duplicates and issues of a page, as `ilk.curate` finds them."""

from typing import Any

from ilk.core import UserError
from ilk.explore.page import Page

LATER = "This cannot be looked for here yet; call the command of its name."


def clusters(page: Page, space: int) -> list[dict[str, Any]]:
    """Groups of similar images."""
    raise UserError(LATER)


def issues(page: Page) -> Any:
    """What is wrong with images."""
    raise UserError(LATER)


def duplicates(page: Page, rule: str) -> Any:
    """Groups of copies."""
    raise UserError(LATER)
