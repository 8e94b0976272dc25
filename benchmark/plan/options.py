"""Options of models and data sets: from ``NAME.OPTION=VALUE`` to validated configs.

A config may hold another (a model's likelihood); its options are written with dots, as
``likelihood.c1``.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from benchmark.catalog import suggestion
from benchmark.errors import UsageError
from benchmark.labels import flat
from datasets import own
from datasets.registry import DATASETS, canonical
from models.base import Search
from models.registry import MODELS

B = TypeVar("B", bound=BaseModel)


def descriptions(config: BaseModel) -> dict[str, str]:
    """Return what each option of ``flat`` means, in one line."""
    found: dict[str, str] = {}
    docstrings = _docstrings(type(config))
    for key, field in type(config).model_fields.items():
        value = getattr(config, key)
        if isinstance(value, BaseModel):
            found |= {f"{key}.{inner}": about for inner, about in descriptions(value).items()}
        else:
            found[key] = " ".join((field.description or docstrings.get(key, "")).split())
    return found


def _docstrings(config: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each field of a config's class and of the classes above it.

    Pydantic's ``use_attribute_docstrings`` finds the same, but whenever a class is made: a fifth of
    the time in which a trial starts.
    """
    found: dict[str, str] = {}
    for kind in reversed(config.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        with suppress(OSError):  # a class that no class statement made, VAEConfig[Gaussian] for one
            (made,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            assert isinstance(made, ast.ClassDef)
            for field, text in itertools.pairwise(made.body):
                match field, text:
                    case ast.AnnAssign(target=ast.Name(key)), ast.Expr(ast.Constant(str(about))):
                        found[key] = about
    return found


def searches(config: BaseModel) -> dict[str, Search]:
    """Return the search range of each option of ``flat`` that has one."""
    found: dict[str, Search] = {}
    for key, field in type(config).model_fields.items():
        if isinstance(inner := getattr(config, key), BaseModel):
            found |= {f"{key}.{name}": search for name, search in searches(inner).items()}
        for search in field.metadata:
            if isinstance(search, Search):
                values = get_args(field.annotation) if search.low is None else ()
                found[key] = replace(search, values=values)
    return found


def configured(name: str, defaults: B, given: Mapping[str, Any]) -> B:
    """``defaults`` with the options ``given``; raises UsageError for an unknown option or a value
    it cannot take.
    """
    options = flat(defaults)
    for option in given:
        if option not in options:
            known = ", ".join(options) or "none"
            raise UsageError(
                f"{name} has no option {option!r}{suggestion(option, options)}; its options: "
                f"{known}"
            )
    # what nobody set is left out, so that a config knows what was set
    chosen = defaults.model_fields_set | {option.partition(".")[0] for option in given}
    values = {key: value for key, value in defaults.model_dump().items() if key in chosen}
    for option, value in given.items():
        *path, last = option.split(".")
        holder = values
        for key in path:
            holder = holder[key]
        holder[last] = value
    try:
        return type(defaults)(**values)
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(map(str, first["loc"]))
        message = first["msg"].replace("Input should", "it should").removeprefix("Value error, ")
        raise UsageError(f"{name}.{option} = {first['input']!r} will not do: {message}") from error


def assign(
    flag: str,
    settings: Iterable[str],
    data: Mapping[str, BaseModel],
    models: Mapping[str, BaseModel],
) -> dict[str, dict[str, str]]:
    """Return the options given to each name, by ``NAME.OPTION=TEXT`` or ``OPTION=TEXT``.

    The latter sets it for every model that has it, or else for every data set that has it. A
    person's own file may be named by its path. ``flag`` is the command line's; ``data`` and
    ``models`` are the chosen ones with their defaults. Raises UsageError for a text of another
    form, or one that names no option of theirs.
    """
    given: dict[str, dict[str, str]] = {name: {} for name in (*data, *models)}
    options = {name: flat(config) for name, config in models.items()}
    data_options = {name: flat(config) for name, config in data.items()}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"{flag} {setting}: it must read NAME.OPTION=VALUE or OPTION=VALUE")
        name, dot, option = key.partition(".")
        name = canonical(name)
        if name not in given or key.startswith(own.PREFIX):
            name, dot, option = own.addressed(key, data) or (name, dot, option)
        if dot and name in given:
            given[name][option] = text
            continue
        takers = [name for name, has in options.items() if key in has] or [
            name for name, has in data_options.items() if key in has
        ]
        if not takers:
            known = [*chain(*options.values(), *data_options.values())]
            why = _unknown_name(name, given) if dot else _unknown_option(key, known)
            raise UsageError(f"{flag} {setting}: {why}")
        for taker in takers:
            given[taker][key] = text
    return given


def _unknown_name(name: str, chosen: Mapping[str, object]) -> str:
    """Return the sentence on a name that is none of the ``chosen`` ones."""
    registered = name in {*DATASETS, *MODELS}
    what = "is not among the chosen ones" if registered else f"is unknown{suggestion(name, chosen)}"
    return f"the model or data set {name!r} {what}; chosen: {', '.join(chosen)}"


def _unknown_option(option: str, known: Iterable[str]) -> str:
    """Return the sentence on an option that nothing chosen has."""
    return (
        f"no chosen model and no data set has an option {option!r}{suggestion(option, known)}; "
        "`list` shows the options of each"
    )


def value_of(text: str) -> Any:
    """A value from the command line: JSON where it is JSON, "none", else the text itself; options
    validate it.
    """
    if text.lower() == "none":
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def points(tried: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the options' values, which are given with commas between them."""
    values = ([value_of(text) for text in texts.split(",")] for texts in tried.values())
    for point in itertools.product(*values):
        yield dict(zip(tried, point, strict=True))
