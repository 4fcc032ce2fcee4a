"""Tables on a terminal of any width: cells that do not fit side by side stand in lines."""

from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def print_table(console: Console, table: Table) -> None:
    """Print a table; where it is too wide, a block of ``column: cell`` lines for each row.

    Args:
        console: where to print.
        table: its first column says what a row is about.
    """
    unlimited = console.options.update(width=10_000)
    if Measurement.get(console, unlimited, table).maximum <= console.width:
        console.print(table)
        return
    if table.title:
        console.print(_text(table.title), style="italic", highlight=False)
    heads = [" ".join(_text(column.header).plain.split("\n")) for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        texts = [_text(cell) for cell in cells]
        console.print(Text(texts[0].plain, style="bold"), highlight=False)
        for head, text in zip(heads[1:], texts[1:], strict=True):
            if text.plain:
                line = Text.assemble(f"{head}: ", Text("  ").join(text.split("\n")))
                console.print(Padding(line, (0, 0, 0, 2), expand=False), highlight=False)


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text.from_markup(str(cell))
