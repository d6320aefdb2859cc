"""All voices of the corpus in one table, and the one verb `speak`.

Voices recorded from people (festival, flite) teach what speech sounds like; espeak-ng brings accents and vowel systems.
Some of each kind are heard in testing only. Licences are listed in README.md beside this file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from codetalker.errors import UserError

from . import espeak, festival, flite
from .take import Line, Take

TEST_FESTIVAL = ("ked_diphone", "pc_diphone")  # an English and an Italian man
TEST_VARIANTS = ("Andrea", "Michael", "f5", "m7", "linda", "edward")

ESPEAK_ENGLISH = "en-us en en-us en-029 en-gb-scotland en-gb-x-gbclan en-gb-x-gbcwmd en-gb-x-rp en-us-nyc".split()
ESPEAK_FOREIGN = "de nl sv nb it es es-419 pt pt-br fr ro pl cs sk hr hu fi et tr id sw eo la lt lv sq af ca".split()
FRONT_ROUNDING = "de sv hu fi et tr".split()  # languages that write ö and ü
# Left out: whispers, croaks, robots, and effects that hide the mouth.
ESPEAK_VARIANTS = """
    Alex Alicia Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Mike Nguyen adam anika antonio
    aunty belinda benjamin boris caleb david ed f1 f2 f3 f4 grandma grandpa gustave iven iven2 iven3 iven4 john
    klatt klatt2 klatt3 klatt4 m1 m2 m3 m4 m5 m6 m8 marcelo max miguel norbert pablo paul pedro quincy rob robert
    sandro shelby steph steph2 steph3 travis victor zac
""".split()


@dataclass(frozen=True)
class Voice:
    """One voice of one engine."""

    engine: str  # festival, flite or espeak
    name: str  # as the engine calls it
    language: str
    script: str  # of the text it reads: "english", or a script of text.foreign
    test: bool = False  # kept out of training

    @property
    def full_name(self) -> str:
        return f"{self.engine}:{self.name}"


def _festival(name: str) -> Voice:
    spec = festival.VOICES[name]
    script = {"ascii": "ascii", "iso8859-2": "latin", "utf-8": "cyrillic"}[spec.encoding]
    return Voice("festival", name, spec.language, "english" if spec.language == "en" else script, name in TEST_FESTIVAL)


def _script(language: str) -> str:
    if language.startswith("en"):
        return "english"
    return "germanic" if language in FRONT_ROUNDING else "latin"


def _espeak(languages: Iterable[str], test: bool) -> list[Voice]:
    return [
        Voice("espeak", f"{language}+{variant}", language, _script(language), test)
        for language in languages
        for variant in (TEST_VARIANTS if test else ESPEAK_VARIANTS)
    ]


FLITE = [Voice("flite", name, "en", "english") for name in flite.LATENESS]
FESTIVAL = [_festival(name) for name in festival.VOICES]
RECORDED_ENGLISH = [voice for voice in [*FLITE, *FESTIVAL] if voice.language == "en" and not voice.test]
RECORDED_FOREIGN = [voice for voice in FESTIVAL if voice.language != "en" and not voice.test]
SYNTHETIC_ENGLISH = _espeak(ESPEAK_ENGLISH, test=False)
SYNTHETIC_FOREIGN = _espeak(ESPEAK_FOREIGN, test=False)
TEST_RECORDED = [voice for voice in FESTIVAL if voice.test]
TEST_SYNTHETIC = _espeak(["en-us", "en", "de", "it"], test=True)


def speak(voice: Voice, lines: Iterable[Line]) -> list[Take]:
    """Takes of the lines; those that the engine can't say, or says with an unknown sound, are left out."""
    return list({"festival": festival, "flite": flite, "espeak": espeak}[voice.engine].speak(voice.name, lines))


def installed(voice: Voice) -> bool:
    return {"festival": festival, "flite": flite, "espeak": espeak}[voice.engine].installed(voice.name)


def require(voices: Iterable[Voice]) -> None:
    """Raises a UserError that names every Debian package which the voices need and the machine lacks."""
    packages = set()
    for voice in {(voice.engine, voice.name.partition("+")[0]): voice for voice in voices}.values():
        if not installed(voice):
            packages |= {
                "festival": {"festival", festival.VOICES[voice.name].package} if voice.engine == "festival" else set(),
                "flite": {"flite"},
                "espeak": {"libespeak-ng1", "espeak-ng-data"},
            }[voice.engine]
    if packages:
        raise UserError(
            f"The corpus needs speech engines; install them with `apt install {' '.join(sorted(packages))}`."
        )
