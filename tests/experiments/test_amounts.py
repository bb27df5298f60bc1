import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.amounts import (
    format_count,
    format_seconds,
    parse_count,
    parse_range,
    parse_seconds,
)
from search_spaces.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2M", 2e6),
        ("2m", 2e6),
        ("0.4G", 4e8),
        ("1.5b", 1.5e9),
        ("300k", 3e5),
        ("1T", 1e12),
        ("2000000", 2e6),
        ("2e6", 2e6),
        (" 2 M ", 2e6),
        (".5M", 5e5),
    ],
)
def test_counts_read_as_people_write_them(text: str, value: float) -> None:
    assert parse_count(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("30min", 1800), ("2h", 7200), ("1.5d", 129600)],
)
def test_times_read_as_people_write_them(text: str, value: float) -> None:
    assert parse_seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "M", "2X", "two", "-2M", "2M3", "nan", "inf", "0", "1e999"])
def test_a_count_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--target-macs"):
        parse_count(text, what="--target-macs")


@pytest.mark.parametrize("text", ["", "2x", "h", "-1s", "0"])
def test_a_time_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--time"):
        parse_seconds(text, what="--time")


def test_what_would_be_right_is_said() -> None:
    with pytest.raises(InputError, match=r"write it as 2M or 0\.4G"):
        parse_count("2 apples")
    with pytest.raises(InputError, match="write it as 90s, 30m or 2h"):
        parse_seconds("soon")
    with pytest.raises(InputError, match=r"--alpha 'a:b' cannot be read; write it as 1:2"):
        parse_range("a:b", what="--alpha")


def test_ranges() -> None:
    assert parse_range("1:2") == (1.0, 2.0)
    assert parse_range("1.2") == (1.2, 1.2)
    for text in ("", ":", "1:", ":2", "1:2:3"):
        with pytest.raises(InputError):
            parse_range(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1835392, "1.84M"),
        (2e6, "2M"),
        (2034112, "2.03M"),
        (999_400, "999k"),
        (999_600, "1M"),
        (999_999_999, "1G"),
        (4.1e8, "410M"),
        (5e12, "5T"),
    ],
)
def test_counts_are_written_short(value: float, text: str) -> None:
    assert format_count(value) == text


@given(st.integers(1, 10**14))
def test_a_written_count_reads_back_to_three_digits(value: int) -> None:
    assert parse_count(format_count(value)) == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.2, "4.2s"), (42.4, "42s"), (125, "2m05s"), (3725, "1h02m"), (59.99, "1m00s")],
)
def test_times_are_written_short(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
