"""The benchmark of visitors: a short one, on the real app, finds nothing wrong."""

import pytest

from app import steps
from benchmarks import load, visitors


@pytest.mark.slow
def test_a_few_visitors(monkeypatch, capsys):
    monkeypatch.setattr(load, "KEEP_SECONDS", 4)
    done = load.main(["--minutes", "0.3", "--visitors", "3", "--size", "128", "--disk", "no"])
    told = capsys.readouterr().out
    assert "WRONG" not in told and "a job afterwards: done" in told, told
    assert "files left: 0" in told and "killed" in told
    assert done == 0 or "memory" in told  # so short a run may grow by more than a long one


def test_bad_files_are_as_they_say(tmp_path):
    files = {path.name: path for path in visitors.make_bad_files(tmp_path)}
    assert len(files) == 8 and files["hours.flac"].stat().st_size < 8 * 2**20 < files["huge.wav"].stat().st_size


def test_what_counts_as_refused():
    assert visitors.outcome("429", "") == "refused"
    assert visitors.outcome("error", "12 jobs are waiting already: please come back") == "refused"
    assert visitors.outcome("error", "Something broke on this machine") == "failed"


def test_waiting_is_predicted_from_the_places_ahead():
    told = (steps.waiting(7).words, steps.waiting(1).words, "Listening")
    tally = visitors.Tally(services=[2.0, 4.0], ahead=[visitors.places_ahead(doing) for doing in told])
    assert load.predicted(tally) == [21.0, 3.0, 0.0]
