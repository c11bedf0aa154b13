"""A load generator for the webhook receiver: `python -m scripts.benchmarks.deliveries ADDRESS USER PASSWORD`.

Every event is another one, with a payload of the size that a deal with a dozen custom fields has. Connections are kept
alive, and each sends its next delivery when the last one is answered. Prints what it measured as JSON.
"""

import argparse
import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import quantiles
from urllib.parse import urlsplit
from uuid import UUID

_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Measured:
    """How deliveries were answered: all of them, those that got no 2xx, seconds in all, milliseconds for one."""

    deliveries: int
    failed: int
    seconds: float
    p50: float
    p99: float
    worst: float


def main() -> None:
    """Warm up, deliver, and print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmarks.deliveries", description="Delivers events.")
    parser.add_argument("address")
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--company", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=1_000)
    parser.add_argument("--deliveries", type=int, default=8_000)
    options = parser.parse_args()
    requests = list(_requests(options, options.warm_up + options.deliveries))
    asyncio.run(_deliver(options.address, requests[: options.warm_up]))
    measured = asyncio.run(_deliver(options.address, requests[options.warm_up :]))
    print(json.dumps(asdict(measured)))


async def _deliver(address: str, requests: Sequence[bytes]) -> Measured:
    left = iter(requests)
    milliseconds: list[float] = []
    statuses: list[bytes] = []

    async def connection() -> None:
        parts = urlsplit(address)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for request in left:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
            milliseconds.append(1000 * (time.perf_counter() - began))
            statuses.append(head.split(b" ", 2)[1])
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(_CONNECTIONS)))
    seconds = time.perf_counter() - began
    hundredths = quantiles(milliseconds, n=100)
    failed = sum(status != b"200" for status in statuses)
    return Measured(len(requests), failed, seconds, hundredths[49], hundredths[98], max(milliseconds))


def _requests(options: argparse.Namespace, count: int) -> Iterator[bytes]:
    credentials = b64encode(f"{options.user}:{options.password}".encode()).decode()
    for number in range(count):
        body = json.dumps(_event(options.company, number)).encode()
        head = (
            "POST /webhooks/pipedrive HTTP/1.1\r\nHost: receiver\r\nContent-Type: application/json\r\n"
            f"Authorization: Basic {credentials}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def _event(company: int, number: int) -> dict[str, object]:
    record = 1 + number % 5_000
    return {
        "meta": {
            "action": "change",
            "entity": "deal",
            "entity_id": str(record),
            "company_id": str(company),
            "id": str(UUID(int=number)),
            "correlation_id": str(UUID(int=number)),
            "timestamp": f"2026-11-02T09:{number // 60_000 % 60:02}:{number // 1_000 % 60:02}.{number % 1_000:03}Z",
            "user_id": "1",
            "webhook_id": "7",
            "webhook_owner_id": "1",
            "change_source": "app",
            "is_bulk_edit": False,
            "attempt": 1,
            "host": "example.pipedrive.com",
            "permitted_user_ids": [str(one) for one in range(1, 41)],
            "version": "2.0",
        },
        "data": {
            "id": record,
            "title": f"Deal {record}",
            "org_id": record,
            "value": number,
            "currency": "EUR",
            "status": "open",
            "stage_id": 1,
            "pipeline_id": 1,
            "owner_id": 1,
            "add_time": "2026-10-02T09:00:00Z",
            "update_time": "2026-11-02T09:00:00Z",
            "visible_to": "3",
            "is_archived": False,
            "custom_fields": {f"{one:040x}": {"type": "varchar", "value": f"value {one}"} for one in range(12)},
        },
        "previous": {"value": number - 1, "update_time": "2026-11-01T09:00:00Z"},
    }


if __name__ == "__main__":
    main()
