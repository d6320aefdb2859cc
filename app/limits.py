"""Who may do how much: jobs wait in one line, and no address takes more than its share."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from codetalker.errors import UserError

HOUR = 3600.0  # seconds
LOOK_SECONDS = 1.0  # how often one who waits looks whether they are still wanted


@dataclass(eq=False)
class Place:
    """In the line. address: whose job it is."""

    address: str


class Line:
    """Jobs in the order in which they came; the first one is being made."""

    def __init__(self, length: int, at_once: int, an_hour: int, clock: Callable[[], float] = time.monotonic) -> None:
        """length: how many may wait; at_once, an_hour: jobs of one address. clock: seconds"""
        self.length = length
        self.at_once = at_once
        self._an_hour = Rate(an_hour, HOUR, clock)
        self._clock = clock
        self._places: list[Place] = []
        self._first_since = clock()
        self._closed = False
        self._moved = threading.Condition()

    def __len__(self) -> int:
        """Jobs that wait or are being made."""
        return len(self._places)

    def enter(self, address: str) -> Place:
        """A place at the end, to be left by `leave`. Raises UserError where there is none to be had."""
        with self._moved:
            if self._closed:
                raise UserError("This server is going down: please come back in a few minutes")
            if sum(place.address == address for place in self._places) >= self.at_once:
                raise UserError("Your last job is still under way: let it finish, or cancel it, then start this one")
            if len(self._places) > self.length:
                raise UserError(f"{self.length} jobs are waiting already: please come back in a few minutes")
            wait = self._an_hour.take(address)
            if wait > 0:
                minutes = int(wait // 60) + 1
                raise UserError(f"That is all for now, to be fair to others: you can go on in {minutes} min")
            place = Place(address)
            if not self._places:
                self._first_since = self._clock()
            self._places.append(place)
            return place

    def leave(self, place: Place) -> None:
        with self._moved:
            if self._places[0] is place:
                self._first_since = self._clock()
            self._places.remove(place)
            self._moved.notify_all()

    def close(self) -> None:
        """Lets nobody in any more."""
        with self._moved:
            self._closed = True

    def drain(self, seconds: float) -> bool:
        """Waits until all have left, at most so long; whether they have."""
        with self._moved:
            return self._moved.wait_for(lambda: not self._places, seconds)

    def busy_for(self) -> float:
        """Seconds that the first job has taken so far."""
        with self._moved:
            return self._clock() - self._first_since if self._places else 0.0

    def wait(self, place: Place, stop: threading.Event) -> Iterator[int]:
        """Yields now and then how many are before `place`, until there is none, or `stop` is set."""
        while not stop.is_set():
            with self._moved:
                ahead = self._places.index(place)
            if not ahead:
                return
            yield ahead
            with self._moved:
                self._moved.wait_for(lambda before=ahead: self._places.index(place) < before, LOOK_SECONDS)


class Rate:
    """At most `most` events of an address within `seconds`."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.seconds = seconds
        self._clock = clock
        self._events: dict[str, deque[float]] = {}
        self._lock = threading.Lock()
        self._swept = clock()

    def take(self, address: str) -> float:
        """Counts an event and returns 0, or the seconds until there is room for one."""
        now = self._clock()
        with self._lock:
            if now - self._swept > self.seconds:  # those who are gone take no memory
                self._events = {name: times for name, times in self._events.items() if times[-1] > now - self.seconds}
                self._swept = now
            times = self._events.setdefault(address, deque(maxlen=self.most))
            if len(times) == self.most and times[0] > now - self.seconds:
                return times[0] + self.seconds - now
            times.append(now)
            return 0.0


def address_of(request: Any, behind_proxy: bool) -> str:
    """Who asks, for counting alone: the address of the connection, of IPv6 the network that a household has.

    request: starlette's or gradio's. behind_proxy: the last public address that proxies tell; what stands before it
    is the visitor's own claim.
    """
    told = [request.client.host if request.client else ""]
    if behind_proxy:
        told[:0] = (request.headers.get("x-forwarded-for") or "").split(",")
    parsed = [address for address in map(_parsed, told) if address is not None]
    public = [address for address in parsed if address.is_global]
    if not parsed:
        return ""
    address = (public or parsed)[-1] if behind_proxy else parsed[-1]
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
