"""A GPU that is lent for a call: the same motion comes back, a duration is asked for, without one the CPU works."""

import importlib
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from app import lending
from codetalker.errors import UserError
from codetalker.shelf import DEFAULT_WEIGHTS
from tests.test_audio import voice


class Host:
    """Stands in for `spaces`: a call's values are pickled on their way there and back, and its duration is kept."""

    def __init__(self) -> None:
        self.durations: list[int] = []
        self.free = True

    def GPU(self, duration):
        def decorate(function):
            def call(*values):
                self.durations.append(duration(*values))
                if not self.free:
                    raise RuntimeError("no GPU is free")
                return pickle.loads(pickle.dumps(function(*pickle.loads(pickle.dumps(values)))))

            return call

        return decorate


@pytest.fixture
def host(monkeypatch):
    host = Host()
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=host.GPU))
    importlib.reload(lending)
    yield host
    monkeypatch.undo()
    importlib.reload(lending)


def test_what_comes_back_is_what_the_bundle_itself_makes(host):
    speech = voice(16_000, 3.0).astype(np.float32)
    plain = lending.load(DEFAULT_WEIGHTS, device="cpu")
    expected = plain.generate(plain.encode(speech), "lively", seed=3)
    lent = lending.open_bundle(DEFAULT_WEIGHTS)
    found = lent.generate(lent.encode(speech), "lively", seed=3)
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-5)
    assert len(host.durations) == 2 and host.durations[0] == 10
    with pytest.raises(UserError, match="style"):
        lent.generate(lent.encode(speech), "no such style")


def test_longer_speech_asks_for_more_time():
    minute = np.zeros(60 * 16_000, np.float32)
    assert lending._seconds_to_hear("", minute[:16_000], "talker", "auto") == 10
    assert lending._seconds_to_hear("", minute, "talker", "auto") == 13
    assert lending._seconds_to_move("", 60.0) == 40


def test_without_a_free_gpu_the_cpu_does_it(host):
    speech = voice(16_000).astype(np.float32)
    lent = lending.open_bundle(DEFAULT_WEIGHTS)
    with_gpu = lent.generate(lent.encode(speech), seed=1)
    host.free = False
    without = lent.generate(lent.encode(speech), seed=1)
    np.testing.assert_allclose(without.weights, with_gpu.weights, atol=1e-5)


def test_other_hosts_lend_nothing(monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert not lending.is_lent()
    speech = voice(16_000).astype(np.float32)
    lent = lending.open_bundle(DEFAULT_WEIGHTS)
    assert len(lent.generate(lent.encode(speech), progress=lambda fraction: None)) == 30
