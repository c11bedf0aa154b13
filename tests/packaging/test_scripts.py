"""The scripts on machines that lack something, with stand-ins for Python; and the lock files they install from."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file())
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

# Says it is Python 3.12, and makes environments whose own python notes what it is told to do.
STAND_IN = """#!/bin/sh
case "$*" in
*version_info*) echo 3.12 ;;
"-m venv "*)
    for folder; do :; done
    mkdir -p "$folder/bin"
    printf '#!/bin/sh\\necho "$@" >>"%s/calls"\\n%s\\n' "$PWD" "${DURING:-exit 0}" >"$folder/bin/python"
    chmod +x "$folder/bin/python"
    rm -f "$folder/.stamp" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with as much in it as the scripts need, in a folder with a space in its name."""
    folder = tmp_path / "a check out"
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def stand_in(folder: Path, text: str) -> str:
    python = folder / "my python"
    python.write_text(text)
    python.chmod(0o755)
    return str(python)


def run(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "HOME": str(script.parent)}
    return subprocess.run(
        [script, *arguments], cwd="/", env=kept | environment, capture_output=True, text=True, timeout=60
    )


def installations(checkout: Path) -> int:
    return (checkout / "calls").read_text().count("--editable .")


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_a_script_can_be_run_and_is_free_of_syntax_errors(script: Path) -> None:
    first_line = script.read_text().splitlines()[0]
    if not script.name.startswith("_"):
        assert os.access(script, os.X_OK)
        assert first_line.startswith("#!")
    if "python" not in first_line:
        subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize("name", ["test", "demo"])
def test_a_python_that_is_too_old_is_named_in_one_line(checkout: Path, name: str) -> None:
    old = stand_in(checkout, "#!/bin/sh\necho 3.9\n")
    result = run(checkout / "scripts" / name, PYTHON=old)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"{name}: Python 3.11 or newer is missing: found only Python 3.9 ({old})\n"


@pytest.mark.parametrize("name", ["test", "demo"])
def test_a_missing_venv_module_is_named_in_one_line_with_the_package_that_brings_it(checkout: Path, name: str) -> None:
    bare = stand_in(checkout, '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\necho 3.12\n')
    result = run(checkout / "scripts" / name, PYTHON=bare)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "venv module of Python 3.12 is missing" in result.stderr
    assert "apt install python3.12-venv" in result.stderr


def test_a_machine_without_python_is_told_so_in_one_line(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    (tools / "dirname").symlink_to(str(shutil.which("dirname")))
    result = run(checkout / "scripts" / "test", PATH=str(tools))
    assert result.returncode == 1
    assert result.stderr.startswith("test: Python 3.11 or newer is missing: install it")
    assert result.stderr.count("\n") == 1


def test_a_python_that_exists_but_does_not_run_is_passed_over(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    stand_in(tools, "#!/bin/sh\nexit 127\n")
    (tools / "my python").rename(tools / "python3.14")
    stand_in(tools, STAND_IN)
    (tools / "my python").rename(tools / "python3.13")
    result = run(checkout / "scripts" / "test", PATH=f"{tools}:/usr/bin:/bin")
    assert result.returncode == 0, result.stderr
    assert installations(checkout) == 1


def test_the_tests_run_in_parallel_and_get_the_arguments(checkout: Path) -> None:
    result = run(checkout / "scripts" / "test", "tests/store", "-k", "money", PYTHON=stand_in(checkout, STAND_IN))
    assert result.returncode == 0, result.stderr
    assert result.stderr == "Preparing the environment (first run only, about a minute)…\n"
    assert (checkout / "calls").read_text().splitlines()[
        -1
    ] == "-m pytest -n auto --dist worksteal tests/store -k money"


def test_an_environment_is_made_once_and_again_when_a_lock_changes(checkout: Path) -> None:
    python = stand_in(checkout, STAND_IN)
    for _ in range(2):
        result = run(checkout / "scripts" / "test", PYTHON=python)
        assert result.returncode == 0, result.stderr
    assert installations(checkout) == 1
    assert result.stderr == ""
    lock = checkout / "requirements" / "test.txt"
    lock.write_text(lock.read_text().replace("pytest==", "pytest==1"))
    assert run(checkout / "scripts" / "test", PYTHON=python).returncode == 0
    assert installations(checkout) == 2


def test_an_environment_copied_along_with_its_checkout_is_made_again(checkout: Path) -> None:
    python = stand_in(checkout, STAND_IN)
    assert run(checkout / "scripts" / "test", PYTHON=python).returncode == 0
    copy = checkout.with_name("copy")
    shutil.copytree(checkout, copy)
    (copy / "calls").unlink()
    assert run(copy / "scripts" / "test", PYTHON=python).returncode == 0
    assert installations(copy) == 1


@pytest.mark.parametrize(
    ("trouble", "line"),
    [
        (
            'echo "NewConnectionError: [Errno 101] Network is unreachable"; exit 1',
            "the package index cannot be reached",
        ),
        ('echo "OSError: [Errno 28] No space left on device"; exit 1', "the disk is full"),
        ('echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"; exit 1', "THESE PACKAGES DO NOT MATCH THE HASHES"),
        ("exit 1", "the installation failed"),
    ],
)
def test_an_installation_that_fails_says_why_in_one_line_and_the_next_run_starts_over(
    checkout: Path, trouble: str, line: str
) -> None:
    python = stand_in(checkout, STAND_IN)
    failed = run(checkout / "scripts" / "test", PYTHON=python, DURING=trouble)
    assert failed.returncode == 1
    _, said = failed.stderr.splitlines()
    assert said.startswith(f"test: {line}")
    assert said.endswith("; details in .venv-test.log")
    assert run(checkout / "scripts" / "test", PYTHON=python).returncode == 0
    assert installations(checkout) == 1


def requirements(lock: Path) -> dict[str, tuple[str, list[str]]]:
    """The version (and marker) and the hashes of each package."""
    logical_lines = lock.read_text().replace("\\\n", " ").splitlines()
    pinned = [
        re.fullmatch(r"([a-z0-9-]+)(?:\[\w+\])?==([^-]+?)((?:\s+--hash=\S+)+)\s*", line) for line in logical_lines
    ]
    assert all(pinned), "every line is name==version with its hashes"
    return {match[1]: (match[2].strip(), match[3].split()) for match in pinned if match}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_every_package_by_hash_and_holds_no_address(lock: Path) -> None:
    assert not re.search(
        r"://|file:|@|#|^\s*-[-\w]*(?<!--hash)[ =]", lock.read_text().replace("--hash=", ""), re.MULTILINE
    )
    for name, (_, hashes) in requirements(lock).items():
        assert hashes, name
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in hashes), name


def test_the_test_lock_holds_exactly_what_the_run_and_build_locks_hold() -> None:
    tests = requirements(ROOT / "requirements" / "test.txt")
    for lock in ("run.txt", "build.txt"):
        for name, pinned in requirements(ROOT / "requirements" / lock).items():
            assert tests[name] == pinned


def test_every_dependency_of_the_project_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        "run.txt": project["project"]["dependencies"],
        "build.txt": project["build-system"]["requires"],
        "test.txt": [name for group in project["dependency-groups"].values() for name in group],
    }
    for lock, dependencies in wanted.items():
        names = {re.split(r"[\[<>=]", dependency)[0].lower() for dependency in dependencies}
        assert names <= requirements(ROOT / "requirements" / lock).keys()
