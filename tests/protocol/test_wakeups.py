"""No wake-up is lost: whatever the moment a request comes, lane and wire wake up for it."""

from __future__ import annotations

import random

import pytest

from protocol.harness import EchoProcess, meanwhile
from rawkernel import RawClient

REQUESTS = 10_000


def ask(client: RawClient, channel: str, seed: int) -> int:
    """Send requests, a few at a time, at random intervals of up to a millisecond; return how many got their reply."""
    choose = random.Random(seed)
    replies = 0
    while replies < REQUESTS:
        burst = []
        for _ in range(choose.randint(1, 4)):
            burst.append(client.send("execute_request", b'{"code": ""}', channel=channel))
            for _ in range(int(2 ** choose.uniform(0, 14))):
                pass
        for request in burst:
            assert client.reply(request, channel)["content"]["status"] == "ok"
        replies += len(burst)
    return replies


@pytest.mark.parametrize(
    "parking, channels",
    [("parked", ("shell", "shell")), ("plain", ("shell", "shell")), ("parked", ("shell", "control"))],
)
def test_two_clients_that_ask_at_any_moment_get_every_reply(parking: str, channels: tuple[str, str]) -> None:
    with EchoProcess(env={"ECHO_PARKING": parking}) as echo:
        asking = [meanwhile(ask, echo.deaf_client(), channel, seed) for seed, channel in enumerate(channels)]
        assert all(future.result() >= REQUESTS for future in asking)
