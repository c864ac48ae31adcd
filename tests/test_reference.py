"""The reference lists every public name, and its docstrings become what they look like."""

import inspect
import re
import types
from importlib import import_module
from pathlib import Path

import pytest
import reference_pages
from docstrings import converted

import rnnjax

ROOT = Path(rnnjax.__file__).parent.parent


def public_modules():
    """Every module that is reached from `rnnjax` by public names alone."""
    found, waiting = {}, [rnnjax]
    while waiting:
        module = waiting.pop()
        if module.__name__ not in found:
            found[module.__name__] = module
            names = (getattr(module, name) for name in getattr(module, "__all__", ()))
            waiting += [value for value in names if isinstance(value, types.ModuleType)]
    return found


MODULES = public_modules()


@pytest.fixture(scope="module")
def pages():
    return reference_pages.pages()


def names_of(module):
    """Its ``__all__``, or every function and class that it defines without an underscore."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "") == module.__name__
        and (inspect.isfunction(value) or inspect.isclass(value))
    ]


def missing(name, page):
    """The public names of a module that its page lacks."""
    module = MODULES[name]
    documented = set(re.findall(rf"^\.\. [\w:]+:: {re.escape(name)}\.(\w+)$", page, re.MULTILINE))
    linked = set(re.findall(r"^- ``(\w+)``: ", page, re.MULTILINE))
    inner = set(re.findall(r":py:mod:`[\w.]*\.(\w+)`", page))
    return {*names_of(module)} - documented - linked - inner


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_in_the_reference(name, pages):
    assert not missing(name, pages[name])


def test_a_name_that_a_page_lacks_is_found(pages):
    page = pages["rnnjax.rules"].replace(".. autoclass:: rnnjax.rules.RFLO\n", "")
    assert missing("rnnjax.rules", page) == {"RFLO"}


def test_every_name_of_the_reference_exists_and_every_link_leads_to_an_entry(pages):
    text = "\n".join(pages.values())
    places = set(re.findall(r"^\.\. (?:py:data|autoclass|autofunction):: (\S+)$", text, re.M))
    for place in places:
        module, _, name = place.rpartition(".")
        try:
            assert hasattr(import_module(module), name), place
        except ModuleNotFoundError:
            pytest.fail(place)
    for page in pages.values():
        assert set(re.findall(r"^- ``\w+``: :py:obj:`([\w.]+)`", page, re.M)) <= places


def test_every_function_and_class_is_documented_once(pages):
    text = "\n".join(pages.values())
    entries = re.findall(r"^\.\. auto(?:class|function):: (\S+)$", text, re.MULTILINE)
    values = [getattr(import_module(e.rpartition(".")[0]), e.rpartition(".")[2]) for e in entries]
    assert len({id(value) for value in values}) == len(values) > 500
    assert all(value.__doc__ for value in values)


@pytest.mark.parametrize(
    ("docstring", "shown"),
    [
        (["A |x| of w_ and *args."], ["A \\|x\\| of w\\_ and \\*args."]),
        (["``a*b`` and `h_` stay."], ["``a*b`` and `h_` stay."]),
        (["Equation:", "  a = b"], ["Equation:", "", ".. code-block:: none", "", "    a = b"]),
        (["- one", "  more", "- two"], ["- one", "  more", "- two"]),
        ([":param x: a", "    | b"], [":param x: a", "    \\| b"]),
        ([">>> f(*x)", "3"], [">>> f(*x)", "3"]),
        (["== ==", "a  b", "== =="], ["== ==", "a  b", "== =="]),
    ],
)
def test_docstrings_are_read_as_text(docstring, shown):
    assert converted(docstring) == shown


def test_a_table_with_markup_characters_is_shown_as_it_is():
    table = ["== ==", "*  b", "== =="]
    assert converted(table)[-3:] == [f"  {line}" for line in table]
