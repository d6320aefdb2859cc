"""Visitors' files: in folders that nobody can guess, gone with their visitor or by age, and never too many."""

import os
import time
from pathlib import Path

import pytest

from app.sessions import MEGABYTE, Sessions
from codetalker.errors import UserError
from tests import studios

make_studio = studios.make_studio


def test_sessions_are_random_separate_and_removed(tmp_path):
    sessions = Sessions(keep_seconds=0.2, root=tmp_path, uploads=tmp_path)
    a, b = sessions.open("a"), sessions.open("b")
    assert a.folder != b.folder and a.folder.name != "a"
    assert sessions.open("a") is a
    shared, own = tmp_path / "shared.wav", tmp_path / "own.wav"
    for upload in (shared, own):
        upload.touch()
    for key, upload in (("a", shared), ("a", own), ("b", shared), ("b", Path(__file__))):
        sessions.note_upload(key, upload)
    sessions.close("a")
    assert a.stop.is_set() and not a.folder.exists() and not own.exists() and shared.exists()
    b.jobs = 1
    time.sleep(0.25)
    sessions.sweep()
    assert b.folder.exists()  # still at work
    b.jobs = 0
    sessions.open("c")
    assert not b.folder.exists() and not shared.exists()
    sessions.close_all()
    assert list(tmp_path.iterdir()) == []


def test_uploads_go_with_their_visitor_and_by_age(tmp_path):
    uploads = tmp_path / "files"
    (uploads / "1a").mkdir(parents=True)
    (uploads / "2b").mkdir()
    mine, lost, unfinished = uploads / "1a" / "a.wav", uploads / "2b" / "b.wav", uploads / "tmpx"
    for file in (mine, lost, unfinished):
        file.write_text("sound")
    sessions = Sessions(3600, uploads, uploads)
    sessions.note_upload("visitor", mine)
    sessions.sweep()
    assert lost.exists() and unfinished.exists()
    for file in (mine, mine.parent, lost, lost.parent, unfinished):
        os.utime(file, (1e9, 1e9))
    sessions.sweep()
    assert mine.exists() and not lost.parent.exists() and not unfinished.exists()
    sessions.close("visitor")
    assert mine.exists()  # somebody has sent it anew, as its time tells
    sessions.note_upload("visitor", mine)
    sessions.close("visitor")
    assert list(uploads.iterdir()) == [sessions.root]


def test_folders_have_secret_names(tmp_path):
    sessions = Sessions(3600, tmp_path)
    names = {sessions.open(str(key)).new_folder().name for key in range(50)}
    assert len(names) == 50 and all(len(name) == 32 for name in names)
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in sessions.root.iterdir())


def test_a_full_store_takes_no_more(make_studio):
    studio = make_studio(store_megabytes=1)
    studio.sessions.check_room()
    (studio.sessions.uploads / "large").write_bytes(bytes(2 * MEGABYTE))
    with pytest.raises(UserError, match="no room"):
        studio.sessions.check_room()
