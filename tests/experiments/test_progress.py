import io

from rich.console import Console

from experiments.progress import ConsoleReporter


def told(*, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, highlight=False)
    with ConsoleReporter(console) as reporter:
        reporter.plan(4.0)
        reporter.step("Train net on data/[/b]")  # a folder may be called so
        reporter.note("a note with [brackets]")
        reporter.done(1.0, "one [of] four")
        reporter.skip(1.0)
        reporter.done(2.0, "done")
    return out.getvalue()


def test_lines_where_there_is_no_terminal() -> None:
    lines = told(terminal=False).splitlines()
    assert lines[0] == "── Train net on data/[/b]"
    assert lines[1] == "a note with [brackets]"
    assert lines[2].startswith("one [of] four")
    assert "left" in lines[2]
    assert lines[3].startswith("done")
    assert "left" not in lines[3]


def test_a_bar_where_there_is_one() -> None:
    text = told(terminal=True)
    assert "data/[/b]" in text
    assert "a note with [brackets]" in text
    assert "%" in text
