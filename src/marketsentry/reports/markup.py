"""HTML and SVG elements as text. Text is escaped unless its type says that it is markup already."""

from html import escape

Attribute = str | int | float | None


class Markup(str):
    """Text that is HTML already. Only the functions of this package may make one from data."""

    __slots__ = ()


Child = str | None

VOID = frozenset({"br", "circle", "hr", "input", "line", "link", "meta", "path", "rect"})


def element(tag: str, *children: Child, **attributes: Attribute) -> Markup:
    """Write one element.

    Plain children are escaped, `Markup` children stand as they are, None is nothing. In attribute names a
    trailing underscore is dropped and others become hyphens (`class_`, `text_anchor`); None leaves the
    attribute out.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in VOID:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """Put children after one another, escaping those that are plain text."""
    return Markup(
        "".join(c if isinstance(c, Markup) else escape(c, quote=False) for c in children if c is not None)
    )


def _plain(value: str | int | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
