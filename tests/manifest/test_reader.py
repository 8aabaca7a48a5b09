"""The manifest file: read without importing the plugin, refused with file and key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gridbus.errors import PluginLoadError, PluginValidationError
from gridbus.manifest import (
    MANIFEST_NAME,
    Dependency,
    Isolation,
    Permission,
    ResourceLimits,
    parse_manifest,
    read_manifest,
    read_packaged_manifest,
)

PLUGIN = """
[plugin]
id = "greeter"
name = "Greeter"
version = "1.0.0"
entry = "greeter.plugin:Greeter"
"""
FULL = (
    PLUGIN
    + """
category = "utility"
core_version = "^0.1"
isolation = "process"
topics = ["hello"]
channels = ["greeter:greet"]
tags = ["demo"]

[permissions]
subscribe = ["row:*", "data:load"]
net = "api.example.org:443"
storage = true
threads = false
grid.read = true
"fs.write" = ["/var/greeter"]

[limits]
max_storage_bytes = "1 MiB"
handler_timeout = inf

[dependencies]
audit-log = ">=1.0,<2"
export = { versions = "^1.0", optional = true }

[conflicts]
rude = "*"

[peers]
polite = {}
"""
)


def test_a_manifest_declares_everything_that_metadata_has() -> None:
    """Tables and lists become permissions, limits and dependencies."""
    manifest = parse_manifest(FULL, where="there")
    metadata = manifest.metadata
    assert (manifest.entry, manifest.where) == ("greeter.plugin:Greeter", "there")
    assert (metadata.id, metadata.version, metadata.isolation) == ("greeter", "1.0.0", Isolation.PROCESS)
    assert [str(permission) for permission in metadata.permissions] == [
        "subscribe:row:*",
        "subscribe:data:load",
        "net:api.example.org:443",
        "storage",
        "grid.read",
        "fs.write:/var/greeter",
    ]
    assert metadata.limits == ResourceLimits(max_storage_bytes=1 << 20, handler_timeout=float("inf"))
    assert metadata.dependencies == (Dependency("audit-log", ">=1.0,<2"), Dependency("export", "^1.0", optional=True))
    assert metadata.conflicts == (Dependency("rude"),)
    assert metadata.peers == (Dependency("polite"),)


def test_four_keys_are_enough() -> None:
    """What is not declared is not asked for."""
    metadata = parse_manifest(PLUGIN).metadata
    assert metadata.permissions == ()
    assert metadata.limits == ResourceLimits()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "missing @ plugin.id"),
        ("plugin = 3", r"a table is needed, not 3: write \[plugin\] @ plugin"),
        (PLUGIN + 'nmae = "x"', 'unknown key "nmae", did you mean "name"\\? @ plugin.nmae'),
        (PLUGIN + "verified = true", 'unknown key "verified", choose from author, .* @ plugin.verified'),
        (PLUGIN + "[permisions]", 'unknown key "permisions", did you mean "permissions"\\? @ permisions'),
        (PLUGIN + "[limits]\nmax_handler = 3", 'did you mean "max_handlers"\\? @ limits.max_handler'),
        (PLUGIN + "[limits]\nthreads = 0", "a whole number above 0 is needed, not 0 @ limits.threads"),
        (PLUGIN + '[limits]\nmemory_bytes = "x"', "'x' is no size: .* @ limits.memory_bytes"),
        (
            PLUGIN + '[permissions]\nsubscribe = ["row"]',
            r"is no topic and no pattern: .* @ permissions\.subscribe\[0\]",
        ),
        (PLUGIN + "[permissions]\ngrid.raed = true", r"'grid.raed' is no permission: .* @ permissions\.grid\.raed"),
        (PLUGIN + "[permissions]\nstorage = 3", r"target of storage is text, not 3 @ permissions\.storage"),
        (PLUGIN + '[dependencies]\na = ">>1"', r"'>>1' is no version range: .* @ dependencies\.a"),
        (PLUGIN + '[dependencies]\nA = "*"', r"'A' is no plugin id: .* @ dependencies\.A"),
        (PLUGIN + "[peers]\na = { version = 1 }", 'did you mean "versions"\\? @ peers.a.version'),
        (PLUGIN + '[conflicts]\ngreeter = "*"', "'greeter' is the plugin itself @ conflicts"),
        (PLUGIN.replace("greeter.plugin:Greeter", "greeter"), "'greeter' is no entry: write 'package.module:Class'"),
        (PLUGIN.replace('"1.0.0"', "1.0"), "text is needed, not 1.0 @ plugin.version"),
        (PLUGIN.replace('"greeter"', '"row"'), "'row' is reserved for gridbus itself: choose another id @ plugin.id"),
    ],
)
def test_a_key_that_cannot_be_used_is_named(text: str, problem: str) -> None:
    """The error names file and key, and what would be right."""
    with pytest.raises(PluginValidationError, match=problem) as caught:
        parse_manifest(text, where="folder/gridbus-plugin.toml")
    assert str(caught.value).startswith("folder/gridbus-plugin.toml:")


def test_all_problems_are_listed_at_once() -> None:
    """A missing key does not hide what is wrong with the others."""
    with pytest.raises(PluginValidationError) as caught:
        parse_manifest('[plugin]\nid = "greeter"\nversion = "x"\n[limits]\nthreads = 0\n[permissions]\nfly = true')
    paths = [problem.rpartition(" @ ")[2] for problem in caught.value.details["problems"]]
    assert paths == ["plugin.name", "plugin.entry", "permissions.fly", "limits.threads", "plugin.version"]
    assert caught.value.plugin_id == "greeter"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[plugin]\nid = greeter", r"is no TOML: .*line 2, column 6"),
        ("a = " + "[" * 5000, "is no TOML: it is nested too deeply"),
    ],
)
def test_text_that_is_no_toml_is_refused(text: str, reason: str) -> None:
    """Where TOML says the place, so does the error."""
    with pytest.raises(PluginValidationError, match=f"there {reason}"):
        parse_manifest(text, where="there")


def test_a_manifest_is_found_in_its_folder(tmp_path: Path) -> None:
    """The folder or the file may be named."""
    (tmp_path / MANIFEST_NAME).write_text(PLUGIN)
    assert read_manifest(tmp_path) == read_manifest(str(tmp_path / MANIFEST_NAME))
    assert read_manifest(tmp_path).where == str(tmp_path / MANIFEST_NAME)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, not UTF-8 and far too long are three different errors."""
    path = tmp_path / MANIFEST_NAME
    with pytest.raises(PluginLoadError, match=rf"cannot read the manifest {path}: No such file"):
        read_manifest(tmp_path)
    path.write_bytes(b"[plugin]\nname = '\xff'\n")
    with pytest.raises(PluginValidationError, match=rf"{path}: line 2 is not UTF-8"):
        read_manifest(tmp_path)
    path.write_bytes(b"#" * (1 << 20) + b"#")
    with pytest.raises(PluginValidationError, match="a manifest has at most 1,048,576 bytes"):
        read_manifest(tmp_path)


def test_a_packaged_manifest_is_read_without_importing_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package whose import fails still says what it is."""
    package = tmp_path / "explosive_greeter" / "inner"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / MANIFEST_NAME).write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    assert read_packaged_manifest("explosive_greeter.inner").metadata.id == "greeter"
    assert "explosive_greeter" not in sys.modules
    with pytest.raises(
        PluginLoadError, match=f"'explosive_greeter' cannot be used as a plugin: it has no {MANIFEST_NAME}"
    ):
        read_packaged_manifest("explosive_greeter")
    with pytest.raises(PluginLoadError, match="it is not installed"):
        read_packaged_manifest("no_such_package_anywhere")
    with pytest.raises(PluginLoadError, match="it has no"):
        read_packaged_manifest("json.decoder")


def test_metadata_costs_no_heavy_import() -> None:
    """Declaring a plugin imports neither packaging nor cattrs nor tomllib; ranges do so when they are read."""
    code = (
        "import sys; from gridbus.manifest import PluginMetadata\n"
        "PluginMetadata(id='greeter', name='Greeter', version='1.0.0', permissions=['subscribe:row:*'])\n"
        "heavy = {'packaging', 'cattrs', 'tomllib', 'pathlib', 'importlib.metadata'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_permissions_of_a_manifest_are_those_of_a_class() -> None:
    """Both ways of writing yield the same objects."""
    manifest = parse_manifest(PLUGIN + '[permissions]\nsubscribe = ["row:*"]')
    assert manifest.metadata.permissions == (Permission.parse("subscribe:row:*"),)
