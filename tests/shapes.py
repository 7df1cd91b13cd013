"""Check the shapes in the signatures of `src/` while the tests run.

    def step(self, ids: Annotated[Ids, "B"], state: State) -> tuple[Annotated[Array, "B R"], State]: ...

A shape has a word per dimension: a name is a size, the same wherever a call has it; a number is that size; `_` is any
size; `...` is any number of dimensions, the same ones wherever a call has it. The type of the numbers is checked too.
So are the fields of records, and the items of lists and generators: a name that only items have is each one's own.
A program never evaluates any of this.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

Sizes = dict[str, Any]  # of the dimensions in a call, by name
NAMES = {"Annotated"}  # and those of classes whose fields have shapes, and of aliases that have them
Check = Callable[[Any, Sizes, str], object]  # raises ShapeError; the text says what the value is


class ShapeError(AssertionError):
    """An array does not fit a signature."""


class CheckingFinder(MetaPathFinder):
    """Finds the package's modules for `CheckingLoader`."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.startswith("afterword.") else None
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = CheckingLoader(spec.loader.name, spec.loader.path)
        return spec


class CheckingLoader(SourceFileLoader):
    """Decorates a module's public functions with `checked`."""

    def get_code(self, fullname: str) -> Any:
        tree = ast.parse(self.get_data(self.path))  # compiled again: the code that Python has cached checks nothing
        NAMES.update(ast.unparse(x.targets[0]) for x in tree.body if isinstance(x, ast.Assign) and _has_shape(x.value))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                fields = [x.annotation for x in node.body if isinstance(x, ast.AnnAssign)]
                if any(map(_has_shape, fields)) or not NAMES.isdisjoint(map(ast.unparse, node.bases)):
                    NAMES.add(node.name)
            elif isinstance(node, ast.FunctionDef) and (node.name[0] != "_" or node.name.endswith("__")):
                decorator = ast.parse(f"__import__({__name__!r}, fromlist=['_']).checked", mode="eval").body
                node.decorator_list.append(ast.copy_location(decorator, node))
        return compile(tree, self.path, "exec", dont_inherit=True)


def _has_shape(tree: ast.AST) -> bool:
    return any(
        isinstance(x, ast.Subscript) and ast.unparse(x.value) == "Annotated" and ast.unparse(x.slice).endswith("')")
        for x in ast.walk(tree)
    )


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, whose calls raise ShapeError if they do not fit its signature; itself without shapes."""
    if NAMES.isdisjoint(re.findall(r"\w+", str(function.__annotations__))):
        return function
    names, called = function.__code__.co_varnames[: function.__code__.co_argcount], function.__qualname__
    has_own = "Annotated[" in str(function.__annotations__)  # shapes: else each record is checked by itself

    @functools.cache
    def checks() -> tuple[list[tuple[int, str, str, Check]], Check | None]:
        found = _checks(function)
        returned, places = found.pop("return", None), {name: place for place, name in enumerate(names)}
        return [(places.get(one, sys.maxsize), one, f"{called}: {one}", found[one]) for one in found], returned

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        arguments, returned = checks()
        sizes: Sizes = {}
        for place, name, what, check in arguments:
            if place < len(args) or name in options:
                check(args[place] if place < len(args) else options[name], sizes if has_own else {}, what)
        result = function(*args, **options)
        if isinstance(result, Generator) and returned is not None:
            return _checked_items(result, returned, called)
        if returned is not None:
            returned(result, sizes, f"{called}: the result")
        return result

    return call


def _checked_items(items: Iterator[Any], check: Check, called: str) -> Iterator[Any]:
    for item in items:
        check([item], {}, f"{called}: an item")  # as if all of them were a list, of parts
        yield item


def _checks(of: Any) -> dict[str, Check]:
    """Return the checks of a function's parameters and result, or of a record's fields."""
    found: dict[str, Check] = {}
    for one in getattr(of, "__mro__", [of]):
        for name, hint in getattr(one, "__annotations__", {}).items():
            text = getattr(hint, "__forward_arg__", hint)  # others may name what only type checkers import
            if not NAMES.isdisjoint(re.findall(r"\w+", text)):
                check = _check(eval(text, vars(sys.modules[one.__module__])))
                found |= {} if check is None else {name: check}
    return found


def _check(hint: Any) -> Check | None:
    """Return the check of a value of the type `hint`; None if it has no shape."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Annotated and isinstance(parts[1], str):
        of = get_args(get_args(parts[0])[1])[0] if get_args(parts[0]) else Any  # NDArray[of], or a tensor
        return functools.partial(_check_array, parts[1].split(), None if of is Any else get_origin(of) or of)
    if isinstance(hint, type) and hint.__name__ in NAMES:
        fields = _checks(hint)
        return lambda value, sizes, what: [c(getattr(value, n), sizes, f"{what}.{n}") for n, c in fields.items()]
    checks = [_check(part) for part in parts]
    if not any(checks) or kind is Callable:
        return None
    if kind is tuple and parts[-1] is not ...:
        return lambda value, sizes, what: [c and c(part, sizes, what) for c, part in zip(checks, value, strict=True)]
    (check,) = filter(None, checks)
    if kind in (Union, UnionType):
        return lambda value, sizes, what: value is None or check(value, sizes, what)
    if kind in (dict, Mapping):
        return lambda value, sizes, what: [check(item, dict(sizes), f"{what}[{key!r}]") for key, item in value.items()]
    return lambda value, sizes, what: [  # of a list or a tuple: reading an iterator would empty it
        check(item, dict(sizes), what) for item in value if isinstance(value, Sequence)
    ]


def _check_array(dimensions: list[str], of: type | None, array: Any, sizes: Sizes, what: str) -> None:
    shape = array.shape
    if "..." in dimensions and (more := len(shape) - len(dimensions) + 1) >= 0:
        at = dimensions.index("...")
        shape = (*shape[:at], shape[at : at + more], *shape[at + more :])
    fits = len(shape) == len(dimensions)
    for name, size in zip(dimensions, shape, strict=False):  # a plain loop: it runs at each step of a network
        if name != "_" and size != (int(name) if name.isdigit() else sizes.setdefault(name, size)):
            fits = False
    if not fits:
        raise ShapeError(f"{what} has the shape {list(array.shape)}, not [{' '.join(dimensions)}], where {sizes}")
    if of is not None and not issubclass(array.dtype.type, of):
        raise ShapeError(f"{what} has {array.dtype}, not {of.__name__}")
