"""The wheel, installed away from the checkout, is the whole program: code, migrations, templates, example settings."""

import os
import sqlite3
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import sync

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    result = subprocess.run(
        command, cwd=cwd, env=kept | {"HOME": str(cwd)} | environment, capture_output=True, text=True, timeout=180
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel in it; the libraries are those of the running environment."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "bin" / "python")
    run(*pip, "install", "--no-index", "--no-deps", wheel, cwd=folder)
    # A .pth file adds a folder without reading the .pth files in it, so the checkout stays out of reach.
    (own,) = folder.glob("lib/python*/site-packages")
    libraries = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (own / "libraries.pth").write_text("\n".join(libraries) + "\n")
    return folder / "bin"


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "sync").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == files | {"sync/data/sync.example.toml"}
    assert any(name.startswith("sync/store/migrations/versions/") for name in packed)


def test_the_wheel_carries_the_example_settings_and_the_license(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        example = archive.read("sync/data/sync.example.toml").decode()
        info = f"pipedrive_sync-{sync.__version__}.dist-info"
        assert "the pipedrive-sync authors" in archive.read(f"{info}/licenses/LICENSE").decode()
    assert example == (ROOT / "config" / "sync.example.toml").read_text()
    tomllib.loads(example)


def test_the_installed_package_is_the_wheel_s_and_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import sync; print(sync.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_the_installed_command_lists_its_commands(installed: Path, tmp_path: Path) -> None:
    shown = run(installed / "pipedrive-sync", "--help", cwd=tmp_path)
    for command in ("demo", "backfill", "sync", "accounts", "status", "check", "db"):
        assert command in shown


def test_the_installed_package_runs_as_a_module_and_knows_its_version(installed: Path, tmp_path: Path) -> None:
    assert sync.__version__ in run(installed / "python", "-m", "sync", "--version", cwd=tmp_path)


def test_the_installed_command_migrates_a_database_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    file = tmp_path / "scratch.db"
    run(installed / "pipedrive-sync", "db", "upgrade", cwd=tmp_path, DATABASE_URL=f"sqlite:///{file}")
    connection = sqlite3.connect(file)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert {"organizations", "deals", "accounts", "account_won_values"} <= tables
