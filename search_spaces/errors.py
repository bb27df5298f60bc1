"""The errors that a user can mend; the command prints their message and exits with status 2."""

__all__ = ["InputError", "RunError"]


class InputError(ValueError):
    """Says in one line what was wrong with an input, where, and what would be right."""


class RunError(RuntimeError):
    """Says in one line why work that was asked for rightly could not be done."""
