"""A user's own function, called `module:function`; imported only where a command asks for it."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from search_spaces.errors import InputError

__all__ = ["load_function", "source_digest"]


def load_function(name: str, *, what: str) -> Callable[..., Any]:
    """Imports a module, the current folder's before others, and returns its function.

    `what` names the option that asks for it. Importing runs the module, so nothing that was read
    from a file may be given here. Raises `InputError`, in one line, where there is no such module
    or function, or where importing fails.
    """
    module_name, _, function_name = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), function_name)):
        raise InputError(f"{what} {name!r} cannot be read; write it as module:function")
    module = _imported(module_name, what=f"{what} {name}")
    found = getattr(module, function_name, None)
    if not callable(found):
        public = [key for key, value in vars(module).items() if callable(value)]
        near = difflib.get_close_matches(function_name, public, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"{what} {name}: {module_name} has no function {function_name!r}{hint}")
    return found  # type: ignore[no-any-return]


def _imported(module: str, *, what: str) -> ModuleType:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        place = "in this folder or on Python's path"
        raise InputError(f"{what}: there is no module {error.name!r} {place}") from None
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"
        raise InputError(f"{what}: importing {module} failed: {said}") from error
    finally:
        sys.path.remove(here)


def source_digest(function: Callable[..., Any]) -> str:
    """Returns a digest of a function's source; "" where there is none to read."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()[:12]
