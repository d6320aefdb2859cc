"""What a host may set, and how much one address may have: its place in the line, jobs an hour, requests a minute."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.limits import Line, Rate, address_of
from app.settings import Settings, told_settings
from codetalker.errors import UserError


def test_settings_from_the_environment():
    given = {"CODETALKER_LIMIT_SECONDS": "30", "CODETALKER_WEIGHTS": "/somewhere", "OTHER": "1"}
    settings = Settings.from_environment(given)
    assert (settings.limit_seconds, settings.weights, settings.queue_length) == (30.0, Path("/somewhere"), 20)
    for name, value in [("LIMIT_SECONDS", "long"), ("QUEUE_LENGTH", "0"), ("PICTURE_SIZE", "17")]:
        with pytest.raises(UserError):
            Settings.from_environment({f"CODETALKER_{name}": value})


def test_settings_are_told_with_defaults_and_meaning():
    told = told_settings()
    assert "CODETALKER_LIMIT_SECONDS (120): longest speech" in told
    assert "CODETALKER_BEHIND_PROXY (no): " in told and "CODETALKER_WEIGHTS (weights/open): " in told
    assert all(f"CODETALKER_{name.upper()} (" in told for name in Settings.__dataclass_fields__)


def test_yes_and_no_from_the_environment():
    assert Settings.from_environment({"CODETALKER_BEHIND_PROXY": "yes"}).behind_proxy
    assert Settings.from_environment({"SPACE_ID": "someone/codetalker"}).behind_proxy
    assert not Settings.from_environment({"SPACE_ID": "a/b", "CODETALKER_BEHIND_PROXY": "no"}).behind_proxy
    with pytest.raises(UserError, match="must be yes or no, not 'maybe'"):
        Settings.from_environment({"CODETALKER_BEHIND_PROXY": "maybe"})


def test_the_line_keeps_its_order_its_length_and_one_place_an_address():
    line, never = Line(length=2, at_once=1, an_hour=9), threading.Event()
    a, b, c = (line.enter(address) for address in "abc")
    with pytest.raises(UserError, match="2 jobs are waiting already"):
        line.enter("d")
    with pytest.raises(UserError, match="still under way"):
        line.enter("b")
    assert next(line.wait(c, never)) == 2 and next(line.wait(b, never)) == 1
    assert list(line.wait(a, never)) == []
    line.leave(b)  # gave up
    assert next(line.wait(c, never)) == 1
    line.leave(a)
    assert list(line.wait(c, never)) == [] and len(line) == 1
    line.leave(c)
    assert len(line) == 0


def test_a_closed_line_lets_nobody_in_and_is_soon_empty():
    line = Line(length=2, at_once=1, an_hour=9)
    place = line.enter("a")
    line.close()
    with pytest.raises(UserError, match="going down"):
        line.enter("b")
    assert not line.drain(0.01)
    threading.Timer(0.05, line.leave, (place,)).start()
    assert line.drain(10.0)


def test_an_address_has_so_many_jobs_an_hour():
    now = 0.0
    line = Line(length=5, at_once=5, an_hour=2, clock=lambda: now)
    for _ in range(2):
        line.leave(line.enter("a"))
    with pytest.raises(UserError, match="in 61 min"):
        line.enter("a")
    line.leave(line.enter("b"))
    now = 3601.0
    line.leave(line.enter("a"))


def test_a_rate_forgets_those_who_are_gone():
    now = 0.0
    rate = Rate(1, 60.0, clock=lambda: now)
    assert [rate.take(str(visitor)) for visitor in range(100)] == [0.0] * 100
    assert rate.take("7") == 60.0
    now = 61.0
    rate.take("new")
    assert set(rate._events) == {"new"}


@pytest.mark.parametrize(
    ("connection", "told", "behind_proxy", "address"),
    [
        ("8.8.8.8", "1.1.1.1", False, "8.8.8.8"),  # the header is the visitor's own claim
        ("10.0.0.1", "1.1.1.1, 8.8.4.4", True, "8.8.4.4"),  # what comes first is as well
        ("10.0.0.1", "8.8.4.4, 10.0.0.7", True, "8.8.4.4"),
        ("10.0.0.1", "nonsense", True, "10.0.0.1"),
        ("2a00:1450:1:2:3:4:5:6", None, False, "2a00:1450:1:2::/64"),
        ("::ffff:8.8.8.8", None, False, "8.8.8.8"),
    ],
)
def test_whose_request_it_is(connection, told, behind_proxy, address):
    headers = {"x-forwarded-for": told} if told else {}
    assert (
        address_of(SimpleNamespace(client=SimpleNamespace(host=connection), headers=headers), behind_proxy) == address
    )
