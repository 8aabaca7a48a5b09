"""The configuration of a plugin: its type, and plain values read as it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import attrs

from gridbus.errors import ConfigError, PluginValidationError
from gridbus.manifest import PluginMetadata, ValidationResult


def type_argument(cls: type[Any], generic: type[Any]) -> Any:
    """Return the type argument with which ``cls`` inherits a generic class; None where it gives none.

    It is found through generic classes in between: with ``class Sender(Plugin[C])``, ``class Mailer(Sender[Options])``
    inherits ``Plugin`` with ``Options``.
    """
    for base in cls.__dict__.get("__orig_bases__", cls.__bases__):
        origin = get_origin(base) or base
        if origin is generic:
            return next(iter(get_args(base)), None)
        if isinstance(origin, type) and issubclass(origin, generic):
            found = type_argument(origin, generic)
            if isinstance(found, TypeVar):
                given: dict[Any, Any] = dict(zip(getattr(origin, "__parameters__", ()), get_args(base), strict=False))
                found = given.get(found)
            return found
    return None


def read_config(cls: type[Any], wanted: Any, config: Any, values: Mapping[str, Any]) -> Any:
    """Return the configuration of a plugin class, of type ``wanted``, from one, from a mapping or from single values.

    Raises:
        PluginValidationError: they do not make one; the message lists each problem as ``message @ $.path``.
    """
    if config is not None and values:
        raise _error(cls, ["give a configuration or its values, not both @ $"])
    given = dict(values) if config is None else config
    if wanted in (None, type(None)) or isinstance(wanted, TypeVar):
        if given:
            raise _error(cls, [f"{cls.__name__} takes none: it inherits Plugin without the type of one @ $"])
        return None
    if wanted is Any or (isinstance(wanted, type) and get_origin(wanted) is None and isinstance(given, wanted)):
        return given
    if not given and attrs.has(wanted):
        try:
            return wanted()  # the usual case costs no import of cattrs
        except Exception:
            given = {}
    from gridbus.codec import structure  # imports cattrs, which takes 10 ms

    try:
        return structure(given, wanted, what=subject(cls))
    except ConfigError as error:
        raise _error(cls, error.problems) from None


def check_config(plugin: Any, config: Any) -> ValidationResult:
    """Return what a plugin says about a configuration; what it raises, or returns amiss, counts as a problem."""
    try:
        verdict = plugin.validate_config(config)
    except Exception as error:
        verdict = [f"{type(error).__name__}: {error} @ $"]
    if verdict is None:
        return ValidationResult(True)
    if inspect.iscoroutine(verdict):
        verdict.close()  # it would warn that nobody awaited it, after the error has said so
    if isinstance(verdict, ValidationResult):
        return verdict
    if isinstance(verdict, list) and all(isinstance(problem, str) for problem in verdict):
        return ValidationResult(not verdict, tuple(verdict))
    wrong = f"validate_config returned {type(verdict).__name__}; return a ValidationResult, a list of texts or None @ $"
    return ValidationResult(False, (wrong,))


def refuse_config(cls: type[Any], verdict: ValidationResult) -> None:
    """Raise what a verdict says.

    Raises:
        PluginValidationError: it says that the configuration cannot be used.
    """
    if not verdict.is_valid:
        raise _error(cls, verdict.errors)


def subject(cls: type[Any]) -> str:
    """Name the configuration of a plugin class in a message."""
    return f"config of plugin {plugin_name(cls)!r}"


def plugin_name(cls: type[Any]) -> str:
    """Return the id that a plugin class declares, or its name where it declares none."""
    metadata = getattr(cls, "metadata", None)
    return metadata.id if isinstance(metadata, PluginMetadata) else cls.__qualname__


def _error(cls: type[Any], problems: Any) -> PluginValidationError:
    message = str(ConfigError(subject(cls), list(problems)))
    return PluginValidationError(message, plugin_name(cls), problems=tuple(problems))
