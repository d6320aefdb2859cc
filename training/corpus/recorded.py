"""People's own voices: prompts and dialogues that Debian packages, with what is said in them, aligned to phones.

espeak-ng reads each text, which gives its phones; the speech encoder of a bundle says when each is heard, and the best
path through both (Viterbi 1967) gives the times. What fits badly was said otherwise than written, and is left out.
"""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
import torch

from codetalker.audio import SAMPLE_RATE
from codetalker.phones import PHONES, VISEME_OF_PHONE
from codetalker.speech_encoder import FEATURE_RATE, MelEncoder

from . import amazon_queen, espeak
from .build import Utterance, settle, utterance_of
from .phone_maps import Phones
from .take import Line, Take
from .text import split_of

SHORTEST, LONGEST = 0.6, 20.0  # seconds of a recording
PHONES_A_SECOND = (5.0, 24.0)
FIT = -2.3  # mean log probability of the aligned phones, at least
AGREEMENT = 0.4  # share of frames whose likeliest viseme is the aligned one, at least
PAUSE = -2.0  # log probability of a pause where the text has none
MARGIN = 0.1  # seconds of silence put before and after: the path begins and ends in it

NOT_SAID = re.compile(r"[%\[\](){}<>;]")  # marks of sounds, remarks and blanks to be filled
ASTERISK = Path("/usr/share/asterisk/sounds")
FILLETS = Path("/usr/share/games/fillets-ng")
FILLETS_FONTS = {"font_small": "small", "font_big": "big"}  # the two heroes; all others are minor parts


class Recording(NamedTuple):
    """Speech (N,) float32 at 16 kHz and what it says."""

    speaker: str
    speech: np.ndarray
    text: str


@dataclass(frozen=True)
class Prompts:
    """A telephone exchange's prompts by one speaker."""

    folder: str
    language: str  # of espeak-ng
    test: bool = False  # heard in testing only

    @property
    def package(self) -> str:
        return f"asterisk-core-sounds-{self.folder[:2]}-g722"

    @property
    def installed(self) -> bool:
        return (ASTERISK / self.folder).is_dir()

    def recordings(self) -> Iterator[Recording]:
        """A raw G.722 byte is two samples: all files are decoded as one, and cut where they were joined."""
        lines = gzip.decompress(
            Path(f"/usr/share/doc/{self.package[:-5]}/core-sounds-{self.folder[:2]}.txt.gz").read_bytes()
        )
        texts = dict(line.split(":", 1) for line in lines.decode("utf-8", "replace").splitlines() if ":" in line)
        files = [(ASTERISK / self.folder / f"{name.strip()}.g722", text) for name, text in texts.items()]
        files = [
            (path, text.strip()) for path, text in files if path.is_file() and not re.search(r"[\[\](){}<>;]", text)
        ]
        joined = b"".join(path.read_bytes() for path, _ in files)
        command = ["ffmpeg", "-loglevel", "error", "-f", "g722", "-i", "pipe:0", "-f", "f32le", "pipe:1"]
        decoded = np.frombuffer(subprocess.run(command, input=joined, capture_output=True, check=True).stdout, "<f4")
        start = 0
        for path, text in files:
            count = 2 * path.stat().st_size
            yield Recording(f"asterisk:{self.folder}", decoded[start : start + count].copy(), text)
            start += count


@dataclass(frozen=True)
class Dialogues:
    """The spoken dialogues of the game Fish Fillets in one language."""

    language: str
    test: bool = False

    @property
    def package(self) -> str:
        return f"fillets-ng-data-{self.language}"

    @property
    def installed(self) -> bool:
        return any(FILLETS.glob(f"sound/*/{self.language}/*.ogg"))

    def recordings(self) -> Iterator[Recording]:
        for script in sorted(FILLETS.glob(f"script/*/*dialogs_{self.language}.lua")):
            written = script.read_text(encoding="utf-8", errors="replace")
            said = re.findall(r'dialogId\("([^"]+)",\s*"([^"]*)",.*?\)\s*dialogStr\("(.+?)"\)', written)
            for name, font, text in said:
                path = FILLETS / "sound" / script.parent.name / self.language / f"{name}.ogg"
                if path.is_file() and not NOT_SAID.search(text):
                    speech, rate = soundfile.read(path, dtype="float32", always_2d=True)
                    speech = soxr.resample(speech.mean(1), rate, SAMPLE_RATE).astype(np.float32)
                    speaker = FILLETS_FONTS.get(font, "others")
                    yield Recording(f"fillets:{self.language}-{speaker}", speech, text.replace("\\", ""))


@dataclass(frozen=True)
class Adventure:
    """The spoken dialogues of the game Flight of the Amazon Queen."""

    language: str = "en-us"
    test: bool = False
    package: str = "flight-of-the-amazon-queen"

    @property
    def installed(self) -> bool:
        return amazon_queen.PATH.is_file()

    def recordings(self) -> Iterator[Recording]:
        for speaker, speech, rate, text in amazon_queen.lines():
            if not NOT_SAID.search(text):
                speech = soxr.resample(speech, rate, SAMPLE_RATE).astype(np.float32)
                yield Recording(f"amazon-queen:{speaker}", speech, text)


SOURCES = (
    Prompts("en_US_f_Allison", "en-us"),
    Prompts("es_MX_f_Allison", "es-419"),
    Prompts("ru_RU_f_IvrvoiceRU", "ru"),
    Prompts("fr_CA_f_June", "fr", test=True),
    Prompts("it_IT_m_Carlo", "it", test=True),
    Dialogues("cs"),
    Dialogues("nl"),
    Adventure(),
)


def packages() -> list[str]:
    """Debian packages of the recordings that this machine lacks."""
    return [source.package for source in SOURCES if not source.installed]


def utterances(encoder: MelEncoder, seed: int) -> Iterator[list[Utterance]]:
    """All recordings of the packages that are installed, in lists of one; the encoder tells their phones' times."""
    rng = np.random.default_rng([seed, 3])
    for source in SOURCES:
        for speaker, take in takes(source, encoder) if source.installed else ():
            split = "test" if source.test else split_of(take.line.text)
            yield [utterance_of(settle(take, rng), speaker, "recorded", source.language, split)]


def takes(source: Prompts | Dialogues | Adventure, encoder: MelEncoder) -> Iterator[tuple[str, Take]]:
    """Speaker and aligned take of every recording of the source that says what is written."""
    for speaker, speech, text in source.recordings():
        if not SHORTEST <= len(speech) / SAMPLE_RATE <= LONGEST:
            continue
        spoken = next(iter(espeak.speak(source.language, [Line(text)])), None)
        phones = [phone for phone, _, _ in spoken.phones] if spoken else []
        speech = np.pad(speech, round(MARGIN * SAMPLE_RATE))
        speech *= 0.5 / max(float(np.abs(speech).max()), 1e-3)
        if any(phone != "sil" for phone in phones) and (times := align(encoder, speech, phones)):
            yield speaker, Take(Line(text), speech, times)


@torch.inference_mode()
def align(encoder: MelEncoder, speech: np.ndarray, phones: list[str]) -> Phones | None:
    """When each of the phones is heard in speech (N,); "sil" is a written pause. None where they do not fit."""
    logits = encoder.phone_logits(encoder.log_mels(torch.from_numpy(speech)[None]))[0]
    heard = logits.log_softmax(-1).numpy()  # (T, phones)
    count = sum(phone != "sil" for phone in phones)
    rate = count / max(1e-3, (heard.argmax(1) != 0).sum() / FEATURE_RATE)
    if not PHONES_A_SECOND[0] <= rate <= PHONES_A_SECOND[1] or len(heard) < count + 2:
        return None
    states, path = best_path(heard, phones)
    names = states[path]
    if not _fits(heard, names):
        return None
    edges = np.flatnonzero(np.diff(path, prepend=-1))
    starts = [0.0, *((edge - 0.5) / FEATURE_RATE for edge in edges[1:]), len(speech) / SAMPLE_RATE]
    return [(PHONES[names[edge]], start, end) for edge, start, end in zip(edges, starts, starts[1:])]


def _fits(heard: np.ndarray, names: np.ndarray) -> bool:
    """Whether what is heard, (T, phones), speaks for the phones (T,) that were found in it."""
    voiced = names != 0
    told = heard[np.arange(len(names)), names][voiced].mean()
    visemes = np.array(VISEME_OF_PHONE)
    return told >= FIT and (visemes[heard.argmax(1)] == visemes[names])[voiced].mean() >= AGREEMENT


def best_path(heard: np.ndarray, phones: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """heard: (T, phones) log probabilities -> the phone of each state, and the state of each frame, (T,).

    The states are the phones in order, with a pause before, between and after them, at the even places. A pause
    between two may be left out; it costs PAUSE where none is written. T must be two more than the phones at least.
    """
    states, cost = [0], [0.0]
    for before, phone in zip(["sil", *phones], phones):
        if phone != "sil":
            cost[-1] = 0.0 if before == "sil" else PAUSE
            states += [PHONES.index(phone), 0]
            cost += [0.0, 0.0]
    states, cost = np.array(states), np.array(cost)
    emitted = heard[:, states]  # (T, S)
    is_phone = np.arange(len(states)) % 2 == 1
    score = np.full(len(states), -np.inf)
    score[0] = emitted[0, 0]
    moved = np.zeros(emitted.shape, np.int64)  # by how many states each frame's best path had gone on
    for frame in range(1, len(heard)):
        on = np.concatenate([[-np.inf], score[:-1]]) + cost
        past_a_pause = np.where(is_phone, np.concatenate([[-np.inf, -np.inf], score[:-2]]), -np.inf)
        choices = np.stack([score, on, past_a_pause])
        moved[frame] = choices.argmax(0)
        score = choices.max(0) + emitted[frame]
    path = np.empty(len(heard), np.int64)
    path[-1] = len(states) - 1
    for frame in range(len(heard) - 1, 0, -1):
        path[frame - 1] = path[frame] - moved[frame, path[frame]]
    return states, path
