"""The real source of a function, as it stands in the package: lessons show it and never a copy."""

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

__all__ = ["Source", "show_source"]


class Source:
    """Source text, highlighted where the notebook can.

    Parameters
    ----------
    path : str
        Place in the repository, such as ``"kernels/conv/reference.py"``.
    text : str
    """

    def __init__(self, path: str, text: str):
        self.path = path
        self.text = text

    def __repr__(self) -> str:
        return f"# {self.path}\n{self.text}"

    def _repr_mimebundle_(self, **selection: Any) -> dict[str, str]:
        link = f"[`{self.path}`](../../{self.path})"  # from lessons/en and lessons/zh
        return {"text/markdown": f"{link}\n```python\n{self.text}\n```", "text/plain": repr(self)}


def show_source(*functions: Callable[..., Any], docstring: bool = True) -> None:
    """Display the source of functions, compiled kernels or classes, with the place where they stand.

    Parameters
    ----------
    *functions : callable
        All from one module.
    docstring : bool
        False leaves the docstrings out, where the lesson's text has just said the same.
    """
    plain = [getattr(function, "py_func", function) for function in functions]
    modules = {function.__module__ for function in plain}
    if len(modules) != 1:
        raise ValueError(
            f"show_source: expected functions of one module, got {sorted(modules) or 'none'}; call it for each"
        )
    path = modules.pop().replace(".", "/") + ".py"
    _publish(Source(path, "\n\n".join(_text(function, docstring) for function in plain)))


def _text(function: Callable[..., Any], docstring: bool) -> str:
    text = textwrap.dedent(inspect.getsource(function)).rstrip()
    if docstring or not function.__doc__:
        return text
    for quotes in ('"""', "'''"):
        start = text.find(quotes)
        if start >= 0:
            end = text.index(quotes, start + 3) + 3
            return text[:start].rstrip() + text[end:]
    return text


def _publish(source: Source) -> None:
    try:
        from IPython.display import display  # comes with the lessons extra
    except ImportError:
        print(source)
    else:
        display(source)
