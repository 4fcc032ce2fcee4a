"""A page that is open in headless Chromium, used as a person would."""

from typing import Any

WHOLE = ((0.98, 0.98), (0.02, 0.98), (0.02, 0.02), (0.98, 0.02))
RIGHT = ((0.98, 0.98), (0.98, 0.02), (0.5, 0.02), (0.5, 0.98))


class Seen:
    """A page that is open, and everything that it must not do."""

    def __init__(self, browser: Any, **options: Any) -> None:
        defaults = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        self.context = browser.new_context(**defaults | options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("dialog", lambda dialog: (self.faults.append("alert"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _said(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def open(self, address: str) -> "Seen":
        self.page.goto(address)
        self.page.wait_for_selector("body[data-ready]")
        return self

    def ask(self, script: str, given: object = None) -> Any:
        return self.page.evaluate(script, given)

    def chosen(self) -> str:
        return self.page.locator("#images .chosen").inner_text()

    def wait(self, condition: str) -> None:
        """Wait until an expression holds; the page's policy keeps playwright's own way out."""
        for _ in range(400):
            if self.ask(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{condition} does not hold: {self.page.inner_text('body'):.800}")

    def until(self, words: str) -> None:
        """Wait until the count says so."""
        self.wait(f"document.querySelector('#images .chosen').innerText === '{words}'")

    def drag(self, *corners: tuple[float, float], map_at: int = 0) -> None:
        """Draw through corners in shares of a map."""
        box = self.page.locator(".over").nth(map_at).bounding_box()
        points = [
            (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners
        ]
        mouse = self.page.mouse
        mouse.move(*points[0])
        mouse.down()
        for x, y in points[1:]:
            mouse.move(x, y, steps=3)
        mouse.up()

    def close(self) -> None:
        self.context.close()
        assert self.faults == []
