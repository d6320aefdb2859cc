"""What a host hears of its studio: /healthz, a GPU that was lost, and log lines that hold nothing of a visitor."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import bundles, log
from app.handlers import WARM_UPS
from app.health import health
from app.steps import Result
from tests import studios
from tests.studios import endless_animate, files_under, quick_animate, wait_until

speech, make_studio = studios.speech, studios.make_studio


def test_health(make_studio, speech, monkeypatch):
    studio = make_studio(endless_animate)
    assert health(studio)[0] == 503 and health(studio)[1]["status"] == "starting"
    studio.warm = True
    job = studio.generate("visitor", speech, None, None)
    next(job)
    wait_until(lambda: studio.shelf.device is not None, 30)  # the job loads the bundle on a thread of its own
    assert health(studio) == (200, {"status": "ok", "device": "cpu", "lost_gpu": False, "jobs": 1})
    monkeypatch.setattr(studio.line, "_first_since", time.monotonic() - 3600)
    assert health(studio)[0] == 503
    job.close()


@pytest.mark.parametrize("failing", [1, WARM_UPS])
def test_one_failure_leaves_no_studio_starting_for_good(make_studio, monkeypatch, failing):
    begun = []

    def animate(job, bundle, progress=None, moved=None):
        begun.append(job)
        if len(begun) <= failing:
            raise RuntimeError("the renderer's process crashed")
        return quick_animate(job, bundle, progress)

    studio = make_studio(animate)
    monkeypatch.setattr(studio, "prepare", lambda: None)
    studio.warm_up()
    assert studio.warm == (failing < WARM_UPS) and len(begun) == min(failing + 1, WARM_UPS)
    assert health(studio)[1]["status"] == ("ok" if studio.warm else "starting")
    assert len(studio.line) == 0 and not files_under(studio.sessions.root)


def test_without_its_gpu_the_studio_goes_on_with_the_cpu(make_studio, speech, monkeypatch):
    def animate(job, bundle, progress=None, moved=None):
        if bundle.device == "cuda":
            raise RuntimeError("CUDA error: device-side assert triggered")
        return quick_animate(job, bundle, progress)

    studio = make_studio(animate, lambda folder: SimpleNamespace(device="cuda"))
    monkeypatch.setattr(bundles, "_open_on_cpu", lambda folder: SimpleNamespace(device="cpu"))
    result = list(studio.generate("visitor", speech, None, None))[-1]
    assert isinstance(result, Result) and result.lost_gpu
    assert health(studio)[1]["lost_gpu"] and health(studio)[1]["device"] == "cpu"
    assert len(files_under(studio.sessions.root)) == len(result.downloads)


def test_other_errors_are_no_lost_gpu(make_studio, speech):
    def animate(job, bundle, progress=None, moved=None):
        raise RuntimeError("the renderer's process crashed")

    studio = make_studio(animate)
    with pytest.raises(RuntimeError, match="renderer"):
        list(studio.generate("visitor", speech, None, None))
    assert not studio.shelf.lost_gpu and len(studio.line) == 0


def test_a_log_line_holds_nothing_of_a_visitor(capsys):
    try:
        raise ValueError("/tmp/files/anna at home.wav is broken")
    except ValueError as error:
        for name in ("app", "uvicorn.error"):
            record = log.LOG.makeRecord(
                name, 40, "f.py", 1, "broken %s", ("anna",), (type(error), error, error.__traceback__)
            )
            line = json.loads(log.JsonLines().format(record))
            assert line["error"] == "ValueError" and Path(__file__).name in line["at"][-1]
            assert "anna" not in json.dumps(line)
