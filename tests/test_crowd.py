"""The real server and many visitors: so much for each address, the others go on, and the line is told and moves."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx

from tests import studios
from tests.studios import animate, endless_animate, quick_animate, upload

speech, make_studio, serve = studios.speech, studios.make_studio, studios.serve


def test_an_address_has_so_many_requests_a_minute(serve, speech):
    _, address = serve(requests_a_minute=3)
    mine, others = {"x-forwarded-for": "198.51.100.1"}, {"x-forwarded-for": "198.51.100.2"}
    assert [upload(address, speech, **mine).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert upload(address, speech, **others).status_code == 200


def test_an_address_has_so_many_requests_at_a_time(serve, monkeypatch):
    from app import door

    _, address = serve()
    monkeypatch.setattr(door, "MOST_OPEN", 3)
    with ExitStack() as stack:
        for number in range(3):
            page = stack.enter_context(httpx.stream("GET", f"{address}gradio_api/heartbeat/{number}"))
            assert page.status_code == 200
        assert httpx.get(address).status_code == 429
        assert httpx.get(address, headers={"x-forwarded-for": "198.51.100.2"}).status_code == 200


def test_a_hundred_requests_of_one_address(serve, speech):
    release = threading.Event()

    def waiting_animate(job, bundle, progress=None, moved=None):
        release.wait(60)
        return quick_animate(job, bundle, progress)

    studio, address = serve(animate=waiting_animate, jobs_an_hour=200)
    (stored,) = upload(address, speech).json()
    with ThreadPoolExecutor(101) as pool:
        many = [pool.submit(animate, address, stored, "198.51.100.1") for _ in range(100)]
        other = pool.submit(animate, address, stored, "198.51.100.2")
        until = time.monotonic() + 60
        while (sum(one.done() for one in many) < 99 or len(studio.line) < 2) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(studio.line) == 2  # one of each address
        release.set()
        outcomes = [one.result(60) for one in many]
        assert other.result(60)[0] == "complete"
    assert sum(event == "complete" for event, _ in outcomes) == 1
    refused = [told for event, told in outcomes if event != "complete"]
    assert all("still under way" in str(told) for told in refused), refused
    assert len(studio.line) == 0


def test_the_place_in_line_is_told_and_who_leaves_frees_it(serve, speech):
    studio, address = serve(animate=endless_animate)
    (stored,) = upload(address, speech).json()
    call = f"{address}gradio_api/call/animate"
    file = {"path": stored, "meta": {"_type": "gradio.FileData"}}
    told = []
    for visitor in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        headers = {"x-forwarded-for": visitor}
        begun = httpx.post(call, json={"data": [file, "", "", "", "", 0]}, headers=headers).json()
        told.append(httpx.stream("GET", f"{call}/{begun['event_id']}", headers=headers, timeout=30))
    with told[0], told[1], told[2] as third:
        text = ""
        for text in third.iter_text():
            if "2 jobs are before yours" in text:
                break
        assert "2 jobs are before yours" in text
    until = time.monotonic() + 30
    while len(studio.line) and time.monotonic() < until:
        time.sleep(0.1)
    assert len(studio.line) == 0
