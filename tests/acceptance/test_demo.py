"""The first thing anybody runs."""

import sqlite3
from pathlib import Path

from tests.acceptance.conftest import MakeProgram, from_a_shell


def test_the_demo_shows_the_whole_job_and_leaves_a_mirror_to_look_into(
    make_program: MakeProgram, tmp_path: Path
) -> None:
    program = make_program("sqlite:////nowhere/at/all.db", TMPDIR=str(tmp_path), PIPEDRIVE_API_TOKEN="of nobody")
    program.begin = from_a_shell

    told = program.run("demo", "--organizations", "25", "--exit").stdout

    assert "is won, worth 250,000 EUR" in told
    assert " International" in told.partition("later, by webhook")[2]
    assert "(key account)" in told.partition("at Pipedrive: organization")[2]
    (file,) = tmp_path.glob("pipedrive-sync-demo-*/demo.db")
    assert str(file) in told
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM v_accounts WHERE status = 'active'").fetchone() > (5,)
    connection.close()
