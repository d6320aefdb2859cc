"""The blind test: chance decides who stands where, votes are kept whole and once, and its figures are right."""

import csv
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import votes
from app.pairs import Pair, Pairs, Subject
from app.votes import Vote, Votes, wilson
from codetalker.errors import UserError


def vote(token, realism="talker", sync="baseline"):
    return Vote(token, "open", "neutral", "alex", "market", "baseline", realism, sync)


def test_a_pair_counts_once(tmp_path):
    kept = Votes(tmp_path / "votes.sqlite")
    assert kept.results() == {}
    assert kept.cast(vote("a")) and not kept.cast(vote("a", realism="baseline"))
    assert kept.cast(vote("b", realism="baseline"))
    results = kept.results()
    assert (results["realism"].votes, results["realism"].talker, results["sync"].talker) == (2, 1, 0)
    assert results["realism"].share == 0.5


def test_votes_at_the_same_time_are_all_kept(tmp_path):
    """Each from a connection of its own, as from visitors' threads, some twice."""
    path, start = tmp_path / "votes.sqlite", threading.Barrier(16)

    def cast(worker):
        start.wait()
        return sum(Votes(path).cast(vote(f"{worker % 12}-{number}")) for number in range(20))

    with ThreadPoolExecutor(16) as workers:
        counted = sum(workers.map(cast, range(16)))
    assert counted == Votes(path).results()["sync"].votes == 12 * 20


def test_wilson_against_published_values():
    """Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for hits, count, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson(hits, count) == pytest.approx((low, high), abs=5e-5)


def test_the_host_exports_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CODETALKER_VOTES", str(tmp_path / "kept" / "votes.sqlite"))
    out = tmp_path / "votes.csv"
    assert votes.main([str(out)]) == 2 and "no votes" in capsys.readouterr().err
    kept = Votes(tmp_path / "kept" / "votes.sqlite")
    for token in "abc":
        kept.cast(vote(token))
    assert votes.main([str(out)]) == 0 and "3 votes" in capsys.readouterr().out
    rows = list(csv.DictReader(out.open()))
    assert {row["token"] for row in rows} == set("abc") and rows[0]["realism"] == "talker"
    assert set(rows[0]) == {*Vote.__dataclass_fields__, "day"}  # and nothing about the visitor


def test_what_is_no_database_is_told(tmp_path):
    path = tmp_path / "votes.sqlite"
    path.write_bytes(b"something else, and long enough to be looked at " * 40)
    with pytest.raises(UserError, match="can't be kept"):
        Votes(path).cast(vote("a"))


def test_sides_become_models_and_unknown_pairs_are_refused(tmp_path):
    pairs = Pairs(studio=None, votes=Votes(tmp_path / "votes.sqlite"))
    subject = Subject(tmp_path / "secret name.wav", "neutral", "alex", "open")
    shown = pairs._showing(subject, ("baseline", "talker"), tmp_path / "pair.mp4")
    assert isinstance(shown, Pair) and shown.side_of("talker") == "right"
    again = pairs._showing(subject, ("talker", "baseline"), tmp_path / "pair.mp4")
    assert shown.token != again.token  # the same video, shown twice, may be judged twice
    assert pairs.cast(shown.token, {"realism": "left", "sync": "right"}) == (shown, True)
    assert pairs.cast(shown.token, {"realism": "right", "sync": "right"}) == (shown, False)
    results = pairs.votes.results()
    assert (results["realism"].talker, results["sync"].talker, results["sync"].votes) == (0, 1, 1)
    with pytest.raises(UserError, match="no longer known"):
        pairs.cast("guessed", {"realism": "left", "sync": "left"})
    pairs.votes.export(tmp_path / "votes.csv")
    assert "secret" not in (tmp_path / "votes.csv").read_text() and "visitor" in (tmp_path / "votes.csv").read_text()
