"""Where an equation of a jaxpr comes from: its name, from named scopes, and the user's source line.

Frameworks open a named scope for each module (linen, haiku, Keras), so the name stack of an
equation is the path of its module; flax's nnx and hand-written code have none. The frames of the
traceback that lie in installed packages or in Python's library belong to the framework, so the
line is that of the innermost frame outside of them.
"""

import os
import re
import sysconfig
from typing import Any

# Packages may be installed elsewhere than here: an outer environment, a user's own folder.
_INSTALLED = {"site-packages", "dist-packages"}
_LIBRARY = os.path.realpath(sysconfig.get_path("stdlib"))
_OWN = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
# What transformations wrap around a name: jvp(Net), vmap(transpose(Net)).
_WRAPPED = re.compile(r"^\w+\((.*)\)$")


def scope_of(equation: Any) -> tuple[str, ...]:
    """Return the named scopes of an equation within its own jaxpr, outermost first."""
    parts = (_unwrapped(part) for part in str(equation.source_info.name_stack).split("/"))
    return tuple(part for part in parts if part)


def _unwrapped(part: str) -> str:
    while match := _WRAPPED.match(part):
        part = match[1]
    return part


def line_of(equation: Any, called: str = "") -> str:
    """Return "file.py:41", the user's line an equation comes from; "" if it is not known.

    Args:
      equation: the equation.
      called: the name of a function: the line is that of its call, not one within it.
    """
    frames = _frames(equation)
    within = [i for i, frame in enumerate(frames) if frame.function_name == called]
    frames = frames[within[-1] + 1 :] if within else frames
    chosen = [frame for frame in frames if _is_users(frame.file_name)][:1]
    return "".join(f"{os.path.basename(frame.file_name)}:{frame.line_num}" for frame in chosen)


def functions_of(equation: Any) -> list[str]:
    """Return the names of the Python functions an equation was traced in, innermost first."""
    return [frame.function_name for frame in _frames(equation)]


def _frames(equation: Any) -> list[Any]:
    traceback = equation.source_info.traceback
    return [] if traceback is None else list(traceback.frames)


def _is_users(file_name: str) -> bool:
    path = os.path.realpath(file_name)
    if path.startswith(_OWN + os.sep) or _INSTALLED.intersection(path.split(os.sep)):
        return False
    # Code of a prompt or a notebook has a name such as <stdin>; what is frozen is Python's own.
    return not path.startswith(_LIBRARY + os.sep) and not file_name.startswith("<frozen")
