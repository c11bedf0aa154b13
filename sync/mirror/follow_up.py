"""Reading what events told of only in part: many ids a call, once enough wait or one has waited for long.

Polls and the sweep read most of these records in passing, which settles them for nothing. What Pipedrive does not show
stays as it is: whether it was deleted is the sweep's to find out, under its brake.
"""

from collections.abc import Callable
from datetime import timedelta

from sync.mirror.asking import ask_for
from sync.mirror.company import Mirror
from sync.mirror.ingest import Ingested, settle_reads
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import BY_NAME, LOOKUP_BATCH, Entity, Lookup
from sync.pipedrive.purpose import Purpose
from sync.store.follow_ups import Queue, load_follow_ups, load_queues

# Seconds that a record of an entity may wait to be read.
Patience = Callable[[Entity], float]


def read_follow_ups(mirror: Mirror, refusals: Refusals, patience: Patience) -> Ingested:
    """Read what has waited longer than its patience, and full batches of the rest."""
    total = Ingested()
    with mirror.database.reading() as connection:
        queues = load_queues(connection, mirror.company_id)
    for queue in queues:
        entity = BY_NAME[queue.entity]
        if limit := _due(mirror, entity, queue, patience):
            with refusals.of(entity):
                total += _read(mirror, entity, limit)
    return total


def _due(mirror: Mirror, entity: Entity, queue: Queue, patience: Patience) -> int:
    """How many of those that wait are to be read now."""
    if mirror.clock.now() >= queue.waiting_since + timedelta(seconds=patience(entity)):
        return queue.count
    by_batch = entity.listings[0].lookup is Lookup.BATCH
    return queue.count // LOOKUP_BATCH * LOOKUP_BATCH if by_batch else 0


def _read(mirror: Mirror, entity: Entity, limit: int) -> Ingested:
    with mirror.database.reading() as connection:
        ids = load_follow_ups(connection, mirror.company_id, entity, limit)
    asked_at = mirror.clock.now()
    kept = mirror.privacy.keeps(entity)
    ingested = ask_for(mirror, entity, ids, purpose=Purpose.FOLLOW_UP)[0] if kept else Ingested()
    with mirror.database.writing() as connection:
        # Also what is not there any more, and what no row can hold: asking again would tell nothing else.
        settle_reads(connection, mirror.company_id, entity, ids, read_at=asked_at)
    return ingested
