"""The report's page as tests read it."""

from html.parser import HTMLParser

from experiments.report.page import write_report
from experiments.store import RunFolder

__all__ = ["Page", "read"]

EMPTY_TAGS = {"meta"}


class Page(HTMLParser):
    """Reads a page: its tags with attributes, its text without scripts, and what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.scripts = ""
        self.html = text
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts += data
        elif not self.open or self.open[-1] != "style":
            self.words += data

    def ids(self, tag: str) -> list[str | None]:
        return [attributes.get("id") for name, attributes in self.tags if name == tag]


def read(folder: RunFolder) -> Page:
    path = write_report(folder)
    assert path == folder.path / "report.html"
    assert path.stat().st_size < 8 * 2**20
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page
