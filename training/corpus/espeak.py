"""espeak-ng, spoken to through its C library: many accents and variants, labels in IPA.

The library is one global object per process; its state outlives an utterance, so build.py
gives each job a fresh process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

from codetalker.errors import UserError

from .phone_maps import Phones, UnknownSound, from_ipa, share_out
from .take import Line, Take, make_take

LATENESS = 0.012  # seconds, against forced alignment
WORDS_PER_MINUTE = 175
_UNVOICED_STOPS = ("p", "t", "k", "ch")
_CLOSURE = 0.06  # seconds: at most so much of the quiet before such a stop belongs to it
_SYNCHRONOUS, _PHONEME_EVENTS_IPA = 2, 1 | 2
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_END, _PHONEME, _UTF8 = 0, 7, 1  # espeak_EVENT_TYPE, espeakCHARS_UTF8


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h"""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Engine:
    def __init__(self) -> None:
        try:
            self.library = ctypes.CDLL("libespeak-ng.so.1")
        except OSError:
            raise UserError("espeak-ng is missing; install it with `apt install libespeak-ng1`.") from None
        self.rate = self.library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS_IPA)
        if self.rate <= 0:
            raise UserError("espeak-ng finds no voices; install them with `apt install espeak-ng-data`.")
        self.audio: list[bytes] = []
        self.events: list[tuple[int, str]] = []  # sample, IPA
        self._callback = _Callback(self._hear)  # kept, or it would be collected while C holds it
        self.library.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples, count, event) -> int:
        if samples and count > 0:
            self.audio.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while event[index].type != _END:
            if event[index].type == _PHONEME:
                self.events.append((event[index].sample, event[index].id.string.decode("utf-8", "replace")))
            index += 1
        return 0

    def choose(self, voice: str) -> bool:
        return self.library.espeak_SetVoiceByName(voice.encode()) == 0

    def speak(self, voice: str, line: Line) -> tuple[np.ndarray, list[tuple[int, str]]]:
        self.audio.clear()
        self.events.clear()
        if not self.choose(voice):
            raise UserError(f"espeak-ng has no voice '{voice}'; install them with `apt install espeak-ng-data`.")
        for parameter, value in ((_RATE, WORDS_PER_MINUTE * line.tempo), (_PITCH, 50 * line.pitch), (_RANGE, 50)):
            self.library.espeak_SetParameter(parameter, round(value), 0)
        text = line.text.encode()
        self.library.espeak_Synth(text, len(text) + 1, 0, 0, 0, _UTF8, None, None)
        self.library.espeak_Synchronize()
        return np.frombuffer(b"".join(self.audio), np.int16).astype(np.float32) / 32768, list(self.events)


@cache
def _engine() -> _Engine:
    return _Engine()


def installed(voice: str) -> bool:
    try:
        return _engine().choose(voice)
    except UserError:
        return False


def speak(voice: str, lines: Iterable[Line]) -> Iterator[Take]:
    """Takes of the lines by a voice "language+variant"; a line with a sound of no table is left out."""
    engine = _engine()
    for line in lines:
        speech, events = engine.speak(voice, line)
        try:
            yield make_take(line, speech, engine.rate, _labels(speech, engine.rate, events, voice), LATENESS)
        except UnknownSound:
            continue


def _labels(speech: np.ndarray, rate: int, events: list[tuple[int, str]], voice: str) -> Phones:
    starts = [sample / rate for sample, _ in events]
    phones = share_out(["sil"], 0.0, starts[0] if starts else len(speech) / rate)
    for (_, symbols), start, end in zip(events, starts, [*starts[1:], len(speech) / rate]):
        phones += share_out(from_ipa(symbols, voice), start, end)
    return _with_closures(speech, rate, phones)


def _with_closures(speech: np.ndarray, rate: int, phones: Phones) -> Phones:
    """Stops from where their closure begins: espeak-ng tells of an unvoiced stop at its burst, after 30 ms of quiet."""
    step = rate // 200  # 5 ms
    loudness = np.sqrt(np.mean(speech[: len(speech) // step * step].reshape(-1, step) ** 2, axis=1))
    quiet = loudness < 0.1 * np.sqrt(np.mean(speech**2))
    moved: Phones = []
    for phone, start, end in phones:
        if phone in _UNVOICED_STOPS and moved:
            before, since, _ = moved[-1]
            first = last = min(int(start * rate / step), len(quiet))
            earliest = max(start - _CLOSURE, (since + start) / 2) * rate / step
            while first - 1 >= earliest and quiet[first - 1]:
                first -= 1
            if first < last:
                start = first * step / rate + LATENESS  # seen, not told: it is not late
                moved[-1] = (before, since, start)
        moved.append((phone, start, end))
    return moved
