"""festival and its voices, English and others, by one script for many utterances; labels are segments."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import soundfile

from codetalker.errors import UserError

from .phone_maps import CZECH, ENGLISH, FINNISH, ROMANCE, RUSSIAN, Phones, UnknownSound, from_table, share_out
from .take import Line, Take, make_take

LATENESS = {
    "kal_diphone": 0.0,
    "ked_diphone": 0.002,
    "cmu_us_slt_arctic_hts": 0.003,
}  # seconds, against forced alignment
OTHERS_LATENESS = 0.003  # seconds: nothing aligns the other languages

# Sets a voice's mean pitch where a plain target is in use (kal and ked); others keep theirs.
_SCRIPT = """
(define (say text tempo pitch name)
  (Parameter.set 'Duration_Stretch (/ 1.0 tempo))
  (if base_pitch
    (set! int_lr_params (cons (list 'target_f0_mean (* pitch base_pitch)) (cdr int_lr_params))))
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave utt (string-append name ".wav") 'riff)
    (let ((file (fopen (string-append name ".txt") "w")))
      (mapcar (lambda (s) (format file "%s %f\\n" (item.name s) (item.feat s "end"))) (utt.relation.items utt 'Segment))
      (fclose file))))
"""


@dataclass(frozen=True)
class FestivalVoice:
    """What a festival voice needs to be spoken through."""

    package: str  # Debian's
    language: str
    table: dict[str, str]  # its phones
    licence: str
    encoding: str = "ascii"
    base_pitch: float | None = None  # Hz, where the pitch can be set


VOICES = {
    "kal_diphone": FestivalVoice("festvox-kallpc16k", "en", ENGLISH, "BSD-like", base_pitch=105),
    "ked_diphone": FestivalVoice("festvox-kdlpc16k", "en", ENGLISH, "BSD-like", base_pitch=105),
    "cmu_us_slt_arctic_hts": FestivalVoice("festvox-us-slt-hts", "en", ENGLISH, "BSD-like"),
    "lp_diphone": FestivalVoice("festvox-italp16k", "it", ROMANCE, "GPL-2+"),
    "pc_diphone": FestivalVoice("festvox-itapc16k", "it", ROMANCE, "GPL-2+"),
    "upc_ca_ona_hts": FestivalVoice("festvox-ca-ona-hts", "ca", ROMANCE, "LGPL-2.1+"),
    "czech_dita": FestivalVoice("festvox-czech-dita", "cs", CZECH, "GPL-3+", "iso8859-2"),
    "czech_krb": FestivalVoice("festvox-czech-krb", "cs", CZECH, "GPL-3+", "iso8859-2"),
    "czech_machac": FestivalVoice("festvox-czech-machac", "cs", CZECH, "GPL-3+", "iso8859-2"),
    "czech_ph": FestivalVoice("festvox-czech-ph", "cs", CZECH, "GPL-2+", "iso8859-2"),
    "hy_fi_mv_diphone": FestivalVoice("festvox-suopuhe-mv", "fi", FINNISH, "LGPL-2.1+"),
    "suo_fi_lj_diphone": FestivalVoice("festvox-suopuhe-lj", "fi", FINNISH, "LGPL-2.1+"),
    "msu_ru_nsh_clunits": FestivalVoice("festvox-ru", "ru", RUSSIAN, "BSD-like", "utf-8"),
}


def installed(voice: str) -> bool:
    return shutil.which("festival") is not None and any(Path("/usr/share/festival/voices").glob(f"*/{voice}"))


def speak(voice: str, lines: Iterable[Line]) -> list[Take]:
    """Takes of the lines by a voice of `VOICES`; an utterance that festival can't say is left out."""
    spec = VOICES[voice]
    if not installed(voice):
        raise UserError(f"festival lacks the voice '{voice}'; install it with `apt install festival {spec.package}`.")
    lines = list(lines)
    with tempfile.TemporaryDirectory() as folder:
        script = [f"(voice_{voice})", f"(set! base_pitch {spec.base_pitch or 'nil'})", _SCRIPT]
        for index, line in enumerate(lines):
            script.append(f'(unwind-protect (say "{line.text}" {line.tempo:.3f} {line.pitch:.3f} "{index}") nil)')
        Path(folder, "lines.scm").write_bytes("\n".join(script).encode(spec.encoding))
        done = subprocess.run(["festival", "-b", "lines.scm"], cwd=folder, capture_output=True, check=False)
        takes = [
            _take(line, Path(folder, str(index)), spec.table, LATENESS.get(voice, OTHERS_LATENESS))
            for index, line in enumerate(lines)
        ]
    found = [take for take in takes if take is not None]
    if lines and not found:
        raise RuntimeError(f"festival said nothing with '{voice}':\n{done.stderr.decode(errors='replace')}")
    return found


def _take(line: Line, stem: Path, table: dict[str, str], lateness: float) -> Take | None:
    if not stem.with_suffix(".txt").exists() or not stem.with_suffix(".wav").exists():
        return None
    phones: Phones = []
    start = 0.0
    try:
        for name, end in (row.split() for row in stem.with_suffix(".txt").read_text().splitlines()):
            phones += share_out(from_table(table, name), start, float(end))
            start = float(end)
    except UnknownSound:
        return None
    speech, rate = soundfile.read(stem.with_suffix(".wav"), dtype="float32")
    return make_take(line, speech, rate, phones, lateness)
