"""What is handed out to run the program with: units, container, and what the documents say of it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import sync.web.metrics
from sync.telemetry.metrics import REGISTRY

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
SERVICE, ONCE = "pipedrive-sync.service", "pipedrive-sync-once.service"
HARDENING = re.compile(
    r"^(?:Capability|Lock|NoNew|Private|Protect|Restrict|SystemCall|UMask|Dynamic)\w*=.*$", re.MULTILINE
)


def unit(name: str) -> str:
    return (CONFIG / name).read_text()


def values(name: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit(name), re.MULTILINE)


def test_the_service_runs_until_it_is_stopped_and_is_started_again_unless_a_person_is_needed() -> None:
    assert values(SERVICE, "ExecStart") == ["/opt/pipedrive-sync/bin/pipedrive-sync run"]
    assert values(SERVICE, "Type") == ["exec"]
    assert values(SERVICE, "Restart") == ["on-failure"]
    assert values(SERVICE, "RestartPreventExitStatus") == ["2"]
    assert values(SERVICE, "WantedBy") == ["multi-user.target"]


def test_the_timer_starts_one_cycle_of_its_own_name() -> None:
    assert (CONFIG / "pipedrive-sync-once.timer").exists()  # a timer starts the service of its name
    assert values(ONCE, "ExecStart") == ["/opt/pipedrive-sync/bin/pipedrive-sync sync"]
    assert values(ONCE, "Type") == ["oneshot"]
    assert not values(ONCE, "WantedBy")


def test_both_services_are_locked_up_alike() -> None:
    assert len(HARDENING.findall(unit(SERVICE))) >= 15
    assert HARDENING.findall(unit(SERVICE)) == HARDENING.findall(unit(ONCE))


@pytest.mark.parametrize("name", [SERVICE, ONCE, "pipedrive-sync-once.timer"])
def test_systemd_finds_nothing_wrong_with_a_unit(name: str, tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd here")
    for path in CONFIG.glob("pipedrive-sync*"):
        text = path.read_text().replace("/opt/pipedrive-sync/bin/pipedrive-sync", "/bin/true")
        (tmp_path / path.name).write_text(text)
    found = subprocess.run([verify, "verify", "--man=no", tmp_path / name], capture_output=True, text=True, check=False)
    assert [line for line in found.stderr.splitlines() if name in line] == []


def test_the_container_runs_the_service_and_says_whether_it_is_alive() -> None:
    lines = (ROOT / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["pipedrive-sync"]\nCMD ["run"]\n' in lines
    assert "EXPOSE 8080" in lines
    assert re.search(r"HEALTHCHECK .*\n? *CMD .*/healthz", lines)


def test_the_documents_name_every_file_there_is_to_run_it_with() -> None:
    text = (ROOT / "docs" / "service.md").read_text()
    for path in CONFIG.glob("pipedrive-sync*"):
        assert path.name in text or f"{path.stem}.service` and `{path.suffix}" in text, path.name


def test_the_documents_name_every_metric_with_its_labels() -> None:
    text = (ROOT / "docs" / "service.md").read_text()
    told = dict(re.findall(r"`(pipedrive_sync_\w+)(\{[\w,]+\})?` \|", text))
    source = Path(sync.web.metrics.__file__).read_text()
    gauges = {f"pipedrive_sync_{name}" for name in re.findall(r'_gauge\(\s*"(\w+)"', source)}
    counted: dict[str, str] = {}
    for family in REGISTRY.collect():
        labels = ",".join(REGISTRY._names_to_collectors[family.name]._labelnames)
        counted[family.name + ("_total" if family.type == "counter" else "")] = f"{{{labels}}}" if labels else ""
    assert told.keys() == counted.keys() | gauges
    assert {name: told[name] for name in counted} == counted
