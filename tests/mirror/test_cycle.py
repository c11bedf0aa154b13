"""A cycle brings the mirror in step with whatever happened at Pipedrive since the last one."""

from sync.clock import ManualClock
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.sandbox import Sandbox
from tests.truth import built_accounts, differences, expected_accounts


def test_after_the_backfill_the_mirror_is_what_pipedrive_shows(filled: Mirror, sandbox: Sandbox) -> None:
    assert differences(filled.database, sandbox.company) == []
    assert built_accounts(filled.database) == expected_accounts(sandbox.company)


def test_a_cycle_over_unchanged_data_changes_nothing(filled: Mirror, clock: ManualClock) -> None:
    clock.advance(60)
    assert run_cycle(filled).changed == 0
