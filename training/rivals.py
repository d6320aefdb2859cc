"""Two rivals that need no network, to stand beside the bundle's models: they encode and generate as a bundle does."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np
import torch

from codetalker.bundle import Bundle
from codetalker.motion import ARKIT_NAMES, MOTION_DIM, Animation
from codetalker.phones import PHONES, VISEME_OF_PHONE, VISEMES
from codetalker.specs import face_regions
from codetalker.windows import Heard

from .corpus.articulation import STYLES, articulate
from .corpus.phone_maps import ENGLISH, Phones, from_table, share_out
from .motion_set import FPS, MotionSet

FITTED = 300  # training clips that the jaw is fitted on
SPHINX_RATE = 100  # Hz, of PocketSphinx's segments
NOISE = ("sil", "+nsn+", "+spn+", "<sil>", "(null)")


class Loudness:
    """The jaw follows the loudness that the models hear as well, along a line fitted on their training clips."""

    def __init__(self, bundle: Bundle, motions: MotionSet) -> None:
        self.encoder, self.jaw = next(iter(bundle.encoders.values())), ARKIT_NAMES.index("jawOpen")
        self.bands = self.encoder.spec.bands
        pairs = [motions.read(clip) for clip in motions.split("train")[:FITTED]]
        loud = np.concatenate([self._loudness(features) for features, _ in pairs])
        jaw = np.concatenate([motion[:, self.jaw] for _, motion in pairs])
        self.line = np.polyfit(loud, jaw, 1)

    def _loudness(self, features: np.ndarray) -> np.ndarray:
        """(T, D) of the open encoder -> (T,) mean of its loudness bands"""
        return features[:, len(PHONES) : len(PHONES) + self.bands].mean(1)

    @torch.inference_mode()
    def encode(self, speech: np.ndarray, model: str) -> Heard:
        device = next(self.encoder.parameters()).device
        return Heard(self.encoder(torch.from_numpy(np.asarray(speech, np.float32)).to(device)[None]))

    def generate(self, heard: Heard, style: str | None, model: str, seed: int = 0) -> Animation:
        features = heard.features[0].cpu().numpy()
        motion = np.zeros((len(features), MOTION_DIM), np.float32)
        motion[:, self.jaw] = np.polyval(self.line, self._loudness(features))
        return Animation.from_motion(motion, FPS)


class Visemes:
    """PocketSphinx's phones, each taken for its viseme, articulated as the truth is; nothing moves above the mouth."""

    needs_speech = True  # where a bundle can do with stored features

    def __init__(self) -> None:
        from pocketsphinx import Decoder, get_model_path

        phones = get_model_path("en-us/en-us-phone.lm.bin")
        self.decoder = Decoder(allphone=phones, lm=None, dict=None, lw=2.0, beam=1e-20, pbeam=1e-20, loglevel="FATAL")
        self.mouth = list(face_regions()[0].channels)

    @staticmethod
    def installed() -> bool:
        return importlib.util.find_spec("pocketsphinx") is not None

    def phones(self, speech: np.ndarray) -> Phones:
        """Visemes by the first phone of each, with their times in seconds"""
        self.decoder.start_utt()
        samples = (np.clip(speech, -1, 1) * 32767).astype(np.int16).tobytes()
        self.decoder.process_raw(samples, no_search=False, full_utt=True)
        self.decoder.end_utt()
        return [one for segment in self.decoder.seg() or [] for one in _visemes(segment)]

    def encode(self, speech: np.ndarray, model: str) -> np.ndarray:
        return speech

    def generate(self, speech: np.ndarray, style: str | None, model: str, seed: int = 0) -> Animation:
        motion = articulate(self.phones(speech), speech, STYLES["neutral"], fps=FPS)
        still = np.zeros_like(motion)
        still[:, self.mouth] = motion[:, self.mouth]
        return Animation.from_motion(still, FPS)


def _visemes(segment: object) -> Iterator[tuple[str, float, float]]:
    start, end = segment.start_frame / SPHINX_RATE, (segment.end_frame + 1) / SPHINX_RATE
    word = segment.word.lower()
    names = ["sil"] if word in NOISE or word.startswith(("+", "<")) else from_table(ENGLISH, word)
    for phone, begin, close in share_out(names, start, end):
        yield VISEMES[VISEME_OF_PHONE[PHONES.index(phone)]][0], begin, close
