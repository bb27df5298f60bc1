import io

import pytest
from rich.console import Console

from experiments.progress import BAR_SECONDS, LINE_SECONDS, ConsoleReporter


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


class Clock:
    """Is a clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("terminal", [False, True])
def test_what_is_under_way_is_shown_by_the_clock(terminal: bool) -> None:
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, force_terminal=terminal, width=200, highlight=False)
    wait = BAR_SECONDS if terminal else LINE_SECONDS
    with ConsoleReporter(console, clock=clock) as reporter:
        reporter.plan(10.0)
        reporter.running("net: epoch 1/2")
        for seconds, due in ((0.9, False), (1.0, True)):
            clock.now = seconds * wait
            assert reporter.due() == due
        reporter.under_way(2.5, "net: a quarter")
        assert not reporter.due()
        clock.now = 1.9 * wait
        reporter.done(5.0, "net: half")
        clock.now = 2.5 * wait
        assert not reporter.due(), "a line that is printed is one of them"
        reporter.under_way(2.5, "net: three quarters")
        lines = out.getvalue().splitlines()
        assert reporter._left() == f"about {2.5 * wait / 3:.1f}s left"
        if not terminal:
            assert lines == [
                "net: a quarter | about 30s left",
                "net: half | about 19s left",
                "net: three quarters | about 8.3s left",
            ]


def test_time_left_is_reckoned_from_the_first_plan_without_what_was_done_before() -> None:
    clock = Clock()
    reporter = ConsoleReporter(Console(file=io.StringIO()), clock=clock)
    clock.now = 500.0  # loading the data, say
    reporter.plan(10.0)
    reporter.skip(6.0)  # an earlier process did that
    clock.now = 510.0
    reporter.under_way(1.0, "a quarter of the rest")
    assert reporter._left() == "about 30s left"


def test_a_line_that_is_longer_than_the_terminal_is_wide_is_wrapped() -> None:
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, force_terminal=True, width=60, highlight=False, soft_wrap=True)
    words = [f"word{number}" for number in range(20)]
    with ConsoleReporter(console, clock=clock) as reporter:
        reporter.under_way(1.0, " ".join(words))
    assert all(word in out.getvalue() for word in words)
