"""Live speech to motion: an open bundle settles each frame a moment after it is spoken, at a steady cost.

Every few frames the encoder hears the last seconds anew, as though the recording ended there, and the frames of which
it then has heard enough are decoded. What is settled depends on the speech alone, not on the chunks in which it came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import decoding
from .audio import SAMPLE_RATE
from .bundle import Bundle
from .errors import UserError
from .phones import PHONES
from .speech_encoder import HOP, N_FFT, WINDOW, MelEncoder
from .styles import style_weights

LOOK_AHEAD = 0.2  # seconds, the longest; `python -m training.evaluate --streamed` has what a shorter one costs
HEARD = 3 * SAMPLE_RATE  # samples that the encoder hears at a time
GRID = 2 * HOP  # samples; what is heard begins on a multiple, so that the encoder's frames stay where they are
APART = 0.1  # seconds between two hearings, where the look-ahead allows: each costs the same
# The mean of MelEncoder.log_powers over speech at an ordinary level, before any was heard: Hz, logarithm of the power
EXPECTED = ((100, -4.5), (450, -6.0), (800, -8.8), (2_000, -10.3), (4_000, -10.8), (7_000, -11.7))
TRUSTED, MOST = 100.0, 800.0  # log-mels, of 10 ms: how many the expected mean is worth, and all that were heard
SILENCE, SILENCE_SHARE = PHONES.index("sil"), 0.2  # how much a silent log-mel counts


@dataclass
class RunningMean:
    """Of the log-mels so far, where an utterance has its own: (mels,). A voice is found within a second, the mean moves
    slowly ever after, and a pause hardly moves it: noise after it would be taken for speech."""

    value: Tensor
    weight: float = TRUSTED
    counted: int = 0  # log-mels since the start

    @classmethod
    def expected(cls, encoder: MelEncoder) -> RunningMean:
        frequency = torch.arange(N_FFT // 2 + 1, device=encoder.filters.device) * (SAMPLE_RATE / N_FFT)
        centres = (frequency @ encoder.filters / encoder.filters.sum(0).clamp_min(1e-9)).cpu().numpy()
        return cls(torch.from_numpy(np.interp(centres, *zip(*EXPECTED))).to(encoder.filters))

    def follow(self, log_mels: Tensor, silence: Tensor) -> None:
        """log_mels: (n, mels), the next; silence: (n,), how likely each is"""
        shares = 1.0 - (1.0 - SILENCE_SHARE) * silence
        self.weight = min(self.weight + float(shares.sum()), MOST)
        self.value = self.value + shares @ (log_mels - self.value) / self.weight
        self.counted += len(log_mels)


class Stream:
    """One person's speech as it comes; ends with `finish`.

    Frame k, whose middle is (k + 0.5) / fps seconds, depends on no speech later than `look_ahead` after that, and is
    told as soon as this is heard. Of frames that are settled together the first has all of the look-ahead, each other
    a frame less.
    """

    def __init__(
        self,
        bundle: Bundle,
        style: str | None = None,
        model: str = "talker",
        look_ahead: float = LOOK_AHEAD,
        seed: int = 0,
    ) -> None:
        """Raises UserError for a bundle that can't stream, an unknown style or model, a look-ahead out of range."""
        self.model = bundle._model(model)
        self.encoder = bundle.encoders[model]
        if not (isinstance(self.encoder, MelEncoder) and decoding.incremental(self.model)):
            raise UserError(f"the bundle {bundle.name} needs to hear the whole clip: to stream, take an open bundle")
        if not 0.0 <= look_ahead <= LOOK_AHEAD:
            raise UserError(f"a look-ahead of {look_ahead:g} s can't be had: choose from 0 to {LOOK_AHEAD:g} s")
        self.fps, self.look_ahead = bundle.fps, look_ahead
        self.together = min(max(1, round(APART * bundle.fps)), 1 + math.floor(look_ahead * bundle.fps))  # frames
        self._states = decoding.start(self.model, style_weights(style, bundle.styles).to(bundle.device), seed)
        self._mean = RunningMean.expected(self.encoder)
        self._speech, self._begin = [np.zeros(0, np.float32)], 0  # what is still of use, and its first sample
        self._heard = 0  # samples
        self._settled = 0  # frames

    def push(self, speech: np.ndarray) -> np.ndarray:
        """speech: (n,) at 16 kHz, the next n >= 0 samples -> the frames that are now settled, (T, 55) float32"""
        self._speech.append(np.nan_to_num(np.asarray(speech, np.float32)).clip(-1.0, 1.0))
        self._heard += len(speech)
        made = []
        while self._heard > (horizon := self._horizon()):
            made.append(self._settle(self.together, horizon))
        return np.concatenate(made) if made else self._nothing()

    def finish(self) -> np.ndarray:
        """The frames that are left, (T, 55) float32: with those before, round(seconds * fps)."""
        frames = round(self._heard / SAMPLE_RATE * self.fps) - self._settled
        return self._settle(frames, self._heard) if frames else self._nothing()

    def _horizon(self) -> int:
        """How many samples the next frames may depend on."""
        return math.floor((self._settled + 0.5) * SAMPLE_RATE / self.fps + self.look_ahead * SAMPLE_RATE)

    def _nothing(self) -> np.ndarray:
        return np.zeros((0, self.model.motion_dim), np.float32)

    @torch.inference_mode()
    @decoding.single_thread()
    def _settle(self, frames: int, horizon: int) -> np.ndarray:
        """The next `frames`, of the speech before sample `horizon`: (frames, 55)"""
        begin = max(0, horizon - HEARD) // GRID * GRID
        speech = self._between(begin, horizon)
        log_mels = self.encoder.log_powers(speech)[0]  # (T, mels)
        end, per_frame = self._settled + frames, self.model.speech_per_frame
        first = max(0, self._settled - self.model.reach)
        last = max(end, math.floor(horizon / SAMPLE_RATE * self.fps + 0.5))  # whose middle was heard
        wanted = torch.arange(first * per_frame, last * per_frame) + 0.5
        whole = max(self._mean.counted, (horizon - WINDOW // 2) // HOP + 1)  # log-mels that more speech can't change
        passed = torch.arange(self._mean.counted, whole)
        seconds = torch.cat([wanted / self.encoder.spec.fps, passed * (HOP / SAMPLE_RATE)]) - begin / SAMPLE_RATE
        told = self.encoder.features((log_mels - self._mean.value)[None], seconds.to(log_mels))
        features, silence = told.split([len(wanted), len(passed)], 1)
        held = torch.arange(math.ceil(begin / SAMPLE_RATE * self.encoder.spec.fps - 0.5), last * per_frame) + 0.5
        pitch = self.encoder.pitch(speech, held / self.encoder.spec.fps - begin / SAMPLE_RATE)[:, -len(wanted) :]
        features = torch.cat([features, pitch.to(features)], -1)
        self._mean.follow(log_mels[passed - begin // HOP], silence[0, :, SILENCE])
        made = decoding.settle(self.model, self._states, features, self._settled - first, frames)
        self._settled = end
        return made[0].cpu().numpy()

    def _between(self, begin: int, end: int) -> Tensor:
        """(1, end - begin) samples; what lies before them is needed no more."""
        speech = self._speech[0] if len(self._speech) == 1 else np.concatenate(self._speech)
        speech = speech[begin - self._begin :]
        self._speech, self._begin = [speech], begin
        return torch.from_numpy(speech[: end - begin]).to(self._mean.value.device)[None]
