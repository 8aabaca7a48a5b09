"""A plugin's configuration: found by its type argument, read strictly, checked by the plugin."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

import attrs
import pytest

from gridbus.errors import PluginValidationError
from gridbus.manifest import PluginMetadata, ValidationResult
from gridbus.plugins import Plugin, PluginManager

T = TypeVar("T")
U = TypeVar("U")


@attrs.frozen
class Target:
    """A nested part."""

    path: str
    retries: int = 3


@attrs.frozen
class Options:
    """A configuration."""

    target: Target = Target("out")
    level: int = attrs.field(default=1, validator=attrs.validators.ge(0))


@attrs.frozen
class Required:
    """A configuration that cannot be empty."""

    name: str


class Sample(Plugin[Options]):
    metadata = PluginMetadata(id="sample", name="Sample", version="1.0.0")


class Plain(Plugin[None]):
    metadata = PluginMetadata(id="plain", name="Plain", version="1.0.0")


def test_defaults_make_a_configuration() -> None:
    """A plugin made of nothing has its defaults."""
    assert Sample().config == Options()


def test_values_are_read_as_the_configuration() -> None:
    """Single values may be plain data, at any depth."""
    assert Sample(target={"path": "here"}, level=2).config == Options(Target("here"), 2)


def test_a_mapping_is_read_as_the_configuration() -> None:
    """What comes from a file is one mapping."""
    assert Sample({"level": 2}).config == Options(level=2)


def test_a_configuration_is_taken_as_it_is() -> None:
    """No copy is made."""
    options = Options(level=5)
    assert Sample(options).config is options


def test_problems_name_plugin_and_path() -> None:
    """All that is wrong is listed at once, with where it is."""
    with pytest.raises(PluginValidationError) as caught:
        Sample(target={"path": 1}, levle=3)
    text = str(caught.value)
    assert "plugin 'sample'" in text
    assert "@ $.target.path" in text
    assert "levle" in text
    assert caught.value.plugin_id == "sample"
    assert len(caught.value.details["problems"]) == 2


def test_a_missing_value_is_named() -> None:
    """A configuration without all defaults says what it needs."""

    class Needy(Plugin[Required]):
        metadata = PluginMetadata(id="needy", name="Needy", version="1.0.0")

    with pytest.raises(PluginValidationError, match=r"missing.*@ \$\.name"):
        Needy()


def test_a_validator_speaks_even_without_values() -> None:
    """The short way for defaults hides no error."""

    @attrs.frozen
    class Broken:
        level: int = attrs.field(default=-1, validator=attrs.validators.ge(0))

    class Sad(Plugin[Broken]):
        metadata = PluginMetadata(id="sad", name="Sad", version="1.0.0")

    with pytest.raises(PluginValidationError, match="level"):
        Sad()


def test_both_a_configuration_and_values_are_too_much() -> None:
    """Which of them would count is nobody's to guess."""
    with pytest.raises(PluginValidationError, match="not both"):
        Sample(Options(), level=2)


@pytest.mark.parametrize("base", [Plugin, Plugin[None]])
def test_a_plugin_without_configuration_takes_none(base: Any) -> None:
    """A value is an error, none is None."""
    cls = type("Bare", (Plugin,), {"metadata": Plain.metadata}) if base is Plugin else Plain
    assert cls().config is None
    with pytest.raises(PluginValidationError, match="takes none"):
        cls(level=1)


def test_the_type_is_found_through_generic_classes_in_between() -> None:
    """A base class may leave the configuration open, among other things, and rename it."""

    class Mixin:
        pass

    class Sender(Mixin, Plugin[T], Generic[U, T]):
        pass

    class Mailer(Sender[int, Options]):
        metadata = Sample.metadata

    class Louder(Mailer):
        pass

    assert Mailer(level=2).config == Options(level=2)
    assert Louder(level=3).config == Options(level=3)


def test_any_type_that_plain_data_makes_will_do() -> None:
    """A configuration need not be a class of one's own."""

    class Table(Plugin[dict[str, int]]):
        metadata = PluginMetadata(id="table", name="Table", version="1.0.0")

    assert Table(a=1).config == {"a": 1}
    with pytest.raises(PluginValidationError, match="expected int"):
        Table(a="1")


class Strict(Plugin[Options]):
    metadata = PluginMetadata(id="strict", name="Strict", version="1.0.0")
    verdict: Any = None

    def validate_config(self, config: Options) -> Any:
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict(0) if callable(self.verdict) else self.verdict


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (["path is odd @ $.target.path"], "path is odd @ $.target.path"),
        (ValidationResult(False, ("no good @ $",)), "no good @ $"),
        (OSError("disk is gone"), "OSError: disk is gone"),
        ("a lone text", "validate_config returned str"),
        (asyncio.sleep, "validate_config returned coroutine"),
    ],
)
async def test_g12_a_configuration_that_the_plugin_refuses_leaves_nothing(
    manager: PluginManager, monkeypatch: pytest.MonkeyPatch, verdict: Any, message: str
) -> None:
    """The plugin's own check is part of registering."""
    monkeypatch.setattr(Strict, "verdict", staticmethod(verdict) if callable(verdict) else verdict)
    with pytest.raises(PluginValidationError) as caught:
        await manager.register_and_initialize(Strict)
    assert message in str(caught.value)
    assert manager.list_plugins() == []


@pytest.mark.parametrize("verdict", [None, [], ValidationResult(True, warnings=("hm @ $",))])
async def test_a_configuration_that_the_plugin_takes(
    manager: PluginManager, monkeypatch: pytest.MonkeyPatch, verdict: Any
) -> None:
    """Each way to say yes is one."""
    monkeypatch.setattr(Strict, "verdict", verdict)
    await manager.register(Strict)
    assert manager.get_plugin("strict").id == "strict"


async def test_validating_tells_errors_and_warnings_without_registering(
    manager: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form can check what its user typed, for a class as for a registered plugin."""
    assert (await manager.validate_plugin_config(Strict, {"level": 2})).is_valid
    wrong = await manager.validate_plugin_config(Strict, {"level": "high"})
    assert not wrong.is_valid
    assert "$.level" in wrong.errors[0]
    assert manager.list_plugins() == []
    await manager.register(Strict)
    monkeypatch.setattr(Strict, "verdict", ValidationResult(True, warnings=("hm @ $",)))
    assert await manager.validate_plugin_config("strict", {}) == ValidationResult(True, warnings=("hm @ $",))
    assert await manager.validate_plugin_config(Strict(), None) == ValidationResult(True, warnings=("hm @ $",))
