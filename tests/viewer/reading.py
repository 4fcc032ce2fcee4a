"""A page read back as a tree, strictly."""

from html.parser import HTMLParser
from xml.etree.ElementTree import Element, SubElement

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Strict(HTMLParser):
    """Every element must be closed, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root")
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        made = SubElement(self.open[-1], tag, {name: value or "" for name, value in attrs})
        if tag not in VOID:
            self.open.append(made)

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        here = self.open[-1]
        if len(here):
            here[-1].tail = (here[-1].tail or "") + data
        else:
            here.text = (here.text or "") + data


def tree(page: str) -> Element:
    parser = Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == [parser.root], "something was left open"
    return parser.root


def text(element: Element) -> str:
    return "".join(element.itertext())


def kind(root: Element, tag: str, name: str) -> list[Element]:
    """Elements of a tag and class."""
    return [found for found in root.iter(tag) if name in found.get("class", "").split()]
