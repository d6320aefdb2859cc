"""The corpus: its sentences, phone tables, plan, augmentation, and a small build by the engines that are here."""

import io
import json
import re
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from codetalker.audio import SAMPLE_RATE
from codetalker.bundle import load
from codetalker.phones import PHONES
from training.corpus import amazon_queen, augment, build, examples, phone_maps, recorded, text, voices
from training.corpus.take import Line, Take, make_take

ROOT = Path(__file__).parent.parent
ASSETS, WEIGHTS = ROOT / "assets" / "speech", ROOT / "weights" / "open"
TABLES = [
    phone_maps.ENGLISH,
    phone_maps.ROMANCE,
    phone_maps.CZECH,
    phone_maps.FINNISH,
    phone_maps.RUSSIAN,
    phone_maps.IPA,
]


def sentences(seed: int, count: int = 300) -> list[str]:
    rng = np.random.default_rng(seed)
    return [text.english(rng) for _ in range(count)]


def test_sentences_repeat_with_the_seed_and_vary_without():
    assert sentences(0) == sentences(0)
    assert len(set(sentences(0)) & set(sentences(1))) < 10
    assert len(set(sentences(0))) > 280


def test_sentences_are_safe_to_quote_and_have_pauses_and_questions():
    spoken = sentences(0)
    assert all(re.fullmatch(r"[A-Za-z ,.!?]+", sentence) for sentence in spoken)
    assert sum("?" in sentence for sentence in spoken) > 30
    assert sum("," in sentence for sentence in spoken) > 100


@pytest.mark.parametrize(("script", "letters"), [("ascii", r"[A-Za-z ,.!?]+"), ("cyrillic", r"[А-Яа-яё ,.!?]+")])
def test_pseudo_words_keep_to_their_script(script, letters):
    rng = np.random.default_rng(0)
    assert all(re.fullmatch(letters, text.foreign(rng, script), re.IGNORECASE) for _ in range(100))


def test_a_sentence_belongs_to_one_split_whatever_the_seed():
    parts = Counter(text.split_of(sentence) for sentence in sentences(3, 2000))
    assert 0.06 < parts["test"] / 2000 < 0.14 and 0.06 < parts["validation"] / 2000 < 0.14


@pytest.mark.parametrize("table", TABLES)
def test_tables_speak_of_common_phones_only(table):
    assert {phone for value in table.values() for phone in value.split()} <= set(PHONES)


def test_every_common_phone_has_a_source():
    assert {phone for table in TABLES for value in table.values() for phone in value.split()} == set(PHONES)


@pytest.mark.parametrize(
    ("symbols", "language", "phones"),
    [("tʃ", "en", "ch"), ("oʊ", "en", "ao uh"), ("ɜː", "en", "er"), ("ɑ̃", "fr", "aa"), ("ts", "de", "t s"),
     ("", "en", "sil"), ("ɾ", "en-us", "d"), ("ɾ", "es", "r"), ("ç", "de", "hh"), ("nʲ", "ru", "n")],
)  # fmt: skip
def test_ipa_is_read_from_the_left_the_longest_first(symbols, language, phones):
    assert phone_maps.from_ipa(symbols, language) == phones.split()


def test_an_unknown_sound_is_refused():
    with pytest.raises(phone_maps.UnknownSound):
        phone_maps.from_ipa("ʘ", "de")


def test_diphthongs_are_shared_out_60_to_40():
    assert phone_maps.share_out(["aa", "uh"], 1.0, 2.0) == [("aa", 1.0, 1.6), ("uh", 1.6, 2.0)]


def test_labels_are_shifted_by_their_lateness_and_fill_the_speech():
    labels = [("sil", 0.0, 0.1), ("p", 0.1, 0.2), ("aa", 0.2, 0.35)]
    take = make_take(Line("pa"), np.zeros(8000), SAMPLE_RATE, labels, lateness=0.01)
    assert take.phones == [
        ("sil", 0.0, pytest.approx(0.09)),
        ("p", pytest.approx(0.09), pytest.approx(0.19)),
        ("aa", pytest.approx(0.19), pytest.approx(0.34)),
        ("sil", pytest.approx(0.34), 0.5),
    ]


def test_settling_moves_labels_with_the_sound():
    speech = np.zeros(32000, np.float32)
    speech[8000:16000] = 0.1
    take = Take(Line("a"), speech, [("sil", 0.0, 0.5), ("aa", 0.5, 1.0), ("sil", 1.0, 2.0)])
    for seed in range(20):
        settled = build.settle(take, np.random.default_rng(seed))
        (_, _, first), (_, start, end), (_, _, last) = settled.phones
        loud = np.flatnonzero(settled.speech) / SAMPLE_RATE
        assert first == start == pytest.approx(loud[0], abs=1e-3) and end == pytest.approx(loud[-1], abs=1e-3)
        assert last == pytest.approx(len(settled.speech) / SAMPLE_RATE) and 0.03 < first <= 1.01


def test_splits_share_neither_test_voices_nor_sentences():
    jobs = build.plan(hours=4.0, seed=0)
    spoken = {split: [r for job in jobs if job.split == split for r in job.requests] for split in text.SPLITS}
    names = {split: {request.voice.full_name for request in requests} for split, requests in spoken.items()}
    lines = {split: {request.line.text for request in requests} for split, requests in spoken.items()}
    assert not names["test"] & (names["train"] | names["validation"])
    assert not lines["test"] & (lines["train"] | lines["validation"]) and not lines["train"] & lines["validation"]
    recorded = sum(request.voice.engine != "espeak" for request in spoken["train"])
    assert recorded / len(spoken["train"]) > 0.5


def test_the_plan_repeats_with_the_seed():
    assert build.plan(1.0, seed=5) == build.plan(1.0, seed=5) != build.plan(1.0, seed=6)


ENGINES = {voice.engine: voice for voice in [*voices.SYNTHETIC_ENGLISH, *reversed(voices.FESTIVAL), *voices.FLITE]}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_labels_closures_quiet_and_vowels_loud(engine):
    voice = ENGINES[engine]
    if not voices.installed(voice):
        pytest.skip(f"{voice.full_name} is not installed")
    (take,) = voices.speak(voice, [Line("Papa took a paper cup, and Peter packed a copper pot.")])
    loudness: dict[str, list[float]] = {}
    for phone, start, end in take.phones:
        middle, half = round((start + end) / 2 * SAMPLE_RATE), round((end - start) / 6 * SAMPLE_RATE)
        part = take.speech[max(middle - half, 0) : middle + half]
        group = "closure" if phone in "ptk" else "vowel" if phone in "aa ae ah ao eh er ih iy uh uw".split() else phone
        loudness.setdefault(group, []).append(float(np.sqrt(np.mean(part**2))))
    vowel = np.median(loudness["vowel"])
    assert np.median(loudness["closure"]) < 0.4 * vowel
    assert np.median(loudness["sil"]) < 0.05 * vowel


def test_a_small_build_repeats_to_the_byte(tmp_path):
    spoken = {voice.engine: voice for voice in ENGINES.values() if voices.installed(voice)}
    if not spoken:
        pytest.skip("no speech engine is installed")
    jobs = [
        build.Job("train", (0, index), [build.Request(voice, Line(sentence)) for sentence in sentences(index, 3)])
        for index, voice in enumerate(spoken.values())
    ]
    for folder in ("once", "again"):
        build.build(jobs, (), tmp_path / folder)
    assert (tmp_path / "once/speech.npy").read_bytes() == (tmp_path / "again/speech.npy").read_bytes()
    assert (tmp_path / "once/utterances.jsonl").read_bytes() == (tmp_path / "again/utterances.jsonl").read_bytes()
    assert sorted(path.name for path in (tmp_path / "once").iterdir()) == ["speech.npy", "utterances.jsonl"]
    speech = np.load(tmp_path / "once/speech.npy", mmap_mode="r")
    rows = [json.loads(row) for row in (tmp_path / "once/utterances.jsonl").read_text().splitlines()]
    assert {row["engine"] for row in rows} == set(spoken)
    assert sum(row["samples"] for row in rows) == len(speech) and speech.dtype == np.int16
    for row in rows:
        starts, ends = [start for _, start, _ in row["phones"]], [end for _, _, end in row["phones"]]
        assert starts == [0.0, *ends[:-1]] and ends[-1] == pytest.approx(row["samples"] / SAMPLE_RATE, abs=1e-3)
        assert {phone for phone, _, _ in row["phones"]} <= set(PHONES)


def test_augmentation_tells_how_it_stretched_time():
    """Where noise sets in lies where the factor says, to 50 ms in which a room may build up."""
    speech = np.zeros(4 * SAMPLE_RATE, np.float32)
    speech[2 * SAMPLE_RATE :] = np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE)
    factors = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        changed, factor = augment.augment_speech(speech, rng, lambda samples: np.zeros(samples, np.float32))
        assert changed.dtype == np.float32 and np.isfinite(changed).all() and np.abs(changed).max() <= 1.0
        assert len(changed) == round(len(speech) * factor) and 1 / 1.3 - 1e-3 <= factor <= 1 / 0.8 + 1e-3
        loudness = np.sqrt(np.add.reduceat(changed**2, np.arange(0, len(changed), 160)))
        step = [loudness[i:].mean() - loudness[:i].mean() for i in range(1, len(loudness) - 100)]
        assert (1 + int(np.argmax(step))) / 100 == pytest.approx(2.0 * factor, abs=0.05), seed
        factors.add(factor)
    assert len(factors) == 30


def test_warping_the_vocal_tract_moves_a_formant():
    centres = augment._mel_centres(64)
    mels = torch.from_numpy(np.exp(-(((np.arange(64) - 30) / 2.0) ** 2)))[None, None].repeat(2, 3, 1)
    warped = augment.warp_mels(mels, np.array([1.0, 1.15]))
    assert torch.allclose(warped[0], mels[0])
    assert centres[warped[1, 0].argmax()] == pytest.approx(1.15 * centres[30], rel=0.03)


def test_mel_augmentation_repeats_with_its_generator():
    mels = torch.randn(4, 200, 64, generator=torch.Generator().manual_seed(0))
    once, again, other = (augment.augment_mels(mels, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert once.shape == mels.shape and torch.equal(once, again) and not torch.equal(once, other)


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=lambda example: example.name)
def test_an_example_lies_where_the_app_looks_with_the_phones_of_its_text(example):
    speech, rate = soundfile.read(ASSETS / f"{example.name}.flac")
    clip = json.loads((ASSETS / "phones.json").read_text(encoding="utf-8"))[f"{example.name}.flac"]
    assert rate == SAMPLE_RATE and speech.ndim == 1 and 4 * rate <= len(speech) <= 10 * rate
    assert clip["text"] == example.line.text and clip["text"] in (ASSETS / "README.md").read_text(encoding="utf-8")
    assert clip["phones"][0][1] == 0.0 and clip["phones"][-1][2] == pytest.approx(len(speech) / rate, abs=2e-3)
    first, last = (round(time * rate) for time in (clip["phones"][0][2], clip["phones"][-1][1]))
    outside = np.concatenate([speech[: first - 800], speech[last + 800 :]])
    assert np.sqrt(np.mean(outside**2)) < 0.02 * np.sqrt(np.mean(speech[first:last] ** 2))


def test_phones_are_found_where_they_were_spoken():
    """An engine's own times are the truth; the text alone must lead to them."""
    voice = next((v for v in (ENGINES["flite"], ENGINES["espeak"]) if voices.installed(v)), None)
    if voice is None or not voices.installed(ENGINES["espeak"]):
        pytest.skip("no speech engine is installed")
    encoder = load(WEIGHTS).encoders["talker"]
    off, away = [], 0
    for take in voices.speak(voice, [Line(sentence) for sentence in sentences(5, 6)]):
        spoken = [phone for phone, _, _ in take.phones]
        found = recorded.align(encoder, take.speech, [phone for phone in spoken if phone != "sil"])
        other = recorded.align(encoder, take.speech, [phone for phone in spoken[::-1] if phone != "sil"])
        away += other is None
        assert found is not None
        told = [(phone, start) for phone, start, _ in take.phones if phone != "sil"]
        heard = [(phone, start) for phone, start, _ in found if phone != "sil"]
        assert [phone for phone, _ in heard] == [phone for phone, _ in told]
        off += [abs(a - b) for (_, a), (_, b) in zip(told, heard)]
    assert np.median(off) < 0.025 and np.percentile(off, 90) < 0.08
    assert away >= 5  # what was not said is refused


def _game_file(path: Path, entries: dict[str, bytes]) -> Path:
    """A file as amazon_queen.py describes it."""
    start, table = 15 + 21 * len(entries), b""
    for name, data in entries.items():
        table += struct.pack(">12sBII", name.encode(), 1, start, len(data))
        start += len(data)
    path.write_bytes(b"QTBLCEM10\0\0\0\x01" + struct.pack(">H", len(entries)) + table + b"".join(entries.values()))
    return path


def _counted(line: str, at: int, align: int) -> bytes:
    """A text with its length, so long that the next one, from `at` on, begins at a multiple of `align`."""
    data = bytes([len(line)]) + line.encode()
    return data + bytes(-(at + len(data)) % align if line else 0)


def test_a_games_sounds_meet_their_subtitles(tmp_path, monkeypatch):
    sounds = {}
    for index, name in enumerate(("07SSSSJ1", "07000AJ1", "07000AJ2", "07000BP1", "07XXXXP1", "C3A__021", "07000CP1")):
        file = io.BytesIO()
        soundfile.write(file, np.full(100 * (index + 1), 0.1), 11_025, format="WAV")
        sounds[f"{name}.SB"] = file.getvalue()
    hero = 32 + 96  # one level of choices
    own = struct.pack(">5h", 1, 0, 7, 2, 2) + bytes(12)
    own_table = b"\0\0\0\0" + _counted("Hello there.", hero + 4, 4)  # the greeting has no number
    own_table += b"\0\0\0\x0a" + _counted("Who are you?*FLAnd why?", hero + len(own_table) + 4, 4)
    other = hero + len(own_table)
    other_table = b"\0\0\0\x0b" + _counted("Bob.", other + 4, 4)
    other_table += b"\0\0\0\x0c" + _counted("", other + len(other_table) + 4, 4)
    again = other + len(other_table)
    data = own_table + other_table + _counted("You again?", again, 2) + _counted("Me.", again + 12, 2)
    own += struct.pack(">3H", other, 0, again) + bytes(4 + 96)
    scene = struct.pack(">6H", 0, 2, 0, 0, 12, 0) + _counted("*FL", 12, 2)
    scene += _counted("*", 12 + len(scene), 2)
    scene += _counted("Look out!", len(scene), 2)
    entries = {"BOB2.DOG": bytes(20) + own + data, "C3A.CUT": bytes(20) + scene} | sounds
    monkeypatch.setattr(amazon_queen, "PATH", _game_file(tmp_path / "queen.1c", entries))
    heard = {(speaker, text): (len(speech), rate) for speaker, speech, rate, text in amazon_queen.lines()}
    assert heard[("joe", "Hello there.")] == (100, 11_025)
    assert heard[("joe", "Who are you?")] == (200, 11_025) and heard[("joe", "And why?")] == (300, 11_025)
    assert heard[("bob", "Bob.")] == (400, 11_025) and heard[("bob", "You again?")] == (500, 11_025)
    assert heard[("scenes", "Look out!")] == (600, 11_025)
    assert len(heard) == 6
