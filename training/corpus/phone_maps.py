"""What the engines call their sounds, told in the common phones of `codetalker.phones`.

A value of several phones is shared out in time: two take 60 % and 40 %, the first of a diphthong being the longer.
"""

from __future__ import annotations

import re
import unicodedata

Phones = list[tuple[str, float, float]]  # phone, start, end in seconds

_PLAIN = "aa ae ah ao eh er ih iy uh uw b ch d dh f g hh jh k l m n ng p r s sh t th v w y z zh".split()

# Festival's radio phone set and flite's: CMU phones and a few allophones.
ENGLISH = {phone: phone for phone in _PLAIN} | {
    "pau": "sil", "h#": "sil", "brth": "sil", "ssil": "sil", "ax": "ah", "axr": "er", "dx": "d", "nx": "n", "hv": "hh",
    "aw": "aa uh", "ay": "aa ih", "ey": "eh ih", "ow": "ao uh", "oy": "ao ih", "el": "ah l", "em": "ah m", "en": "ah n",
}  # fmt: skip

_ROMANCE = {
    "#": "sil", "pau": "sil", "_": "sil", "i": "iy", "e": "eh", "E": "eh", "a": "aa", "o": "ao", "O": "ao", "u": "uw",
    "ax": "ah", "j": "y", "w": "w", "S": "sh", "Z": "zh", "ts": "t s", "tS": "ch", "dz": "d z", "dZ": "jh", "J": "n",
    "nf": "m", "L": "l", "rr": "r",
}  # fmt: skip
_CONSONANTS = {phone: phone for phone in "p t k b d g f s v z m n ng l r".split()}
ROMANCE = _CONSONANTS | _ROMANCE | {f"{vowel}1": _ROMANCE[vowel] for vowel in "ieEaoOu"}  # 1: stressed

CZECH = _CONSONANTS | {
    "#": "sil", "_": "sil", "a": "aa", "e": "eh", "i": "ih", "o": "ao", "u": "uw", "c": "t s", "c~": "ch", "ch": "x",
    "t~": "t", "d~": "d", "dz": "d z", "dz~": "jh", "h": "hh", "j": "y", "n*": "ng", "n~": "n", "r~": "zh", "r~*": "sh",
    "s~": "sh", "z~": "zh",
}  # fmt: skip

FINNISH = _CONSONANTS | {
    "#": "sil", "##": "sil", "a": "aa", "e": "eh", "i": "iy", "o": "ao", "u": "uw", "y": "ue", "@": "ae", "7": "ue",
    "&": "ah", "h": "hh", "j": "y", "w": "w", "N": "ng", "S": "sh", "Z": "zh", "T": "th", "D": "dh", "L": "l",
}  # fmt: skip

# A doubled letter is a palatalised consonant or a stressed vowel.
_RUSSIAN = _CONSONANTS | {
    "pau": "sil", "a": "ah", "e": "eh", "i": "iy", "y": "ih", "u": "uh", "ae": "ah", "ay": "ah", "ur": "uh", "c": "t s",
    "ch": "ch", "sh": "sh", "sch": "sh", "zh": "zh", "h": "x", "j": "y",
}  # fmt: skip
RUSSIAN = (
    _RUSSIAN
    | {2 * phone: target for phone, target in _RUSSIAN.items() if len(phone) == 1}
    | {"aa": "aa", "oo": "ao", "uu": "uw"}
)

# IPA as espeak-ng writes it; a string is read from the left, the longest symbol first.
IPA = {
    "tʃ": "ch", "dʒ": "jh", "tɕ": "ch", "dʑ": "jh", "ɔː": "ao", "əʊ": "ah uh", "oʊ": "ao uh", "p": "p",
    "b": "b", "t": "t", "d": "d", "k": "k", "g": "g", "ɡ": "g", "c": "k", "ɟ": "g", "q": "k", "ɣ": "g",
    "ʈ": "t", "ɖ": "d", "m": "m", "ɱ": "m", "n": "n", "ɲ": "n", "ɳ": "n", "ŋ": "ng", "f": "f", "v": "v",
    "ʋ": "v", "β": "v", "θ": "th", "ð": "dh", "s": "s", "z": "z", "ʃ": "sh", "ʒ": "zh", "ʂ": "sh", "ʐ": "zh",
    "ɕ": "sh", "ʑ": "zh", "ç": "hh", "ʝ": "y", "x": "x", "χ": "x", "h": "hh", "ɦ": "hh", "ʔ": "hh", "ʁ": "x",
    "ʀ": "x", "r": "r", "ɹ": "r", "ɾ": "r", "ɽ": "r", "ɻ": "r", "l": "l", "ɫ": "l", "ʎ": "l", "ɭ": "l",
    "w": "w", "ʍ": "w", "j": "y", "i": "iy", "ɪ": "ih", "ᵻ": "ih", "ɨ": "ih", "ɯ": "ih", "e": "eh", "ɛ": "eh",
    "æ": "ae", "a": "aa", "ɑ": "aa", "ɐ": "ah", "ʌ": "ah", "ə": "ah", "ɤ": "ah", "ɜ": "er", "ɚ": "er",
    "ɝ": "er", "ɵ": "uh", "o": "ao", "ɔ": "ao", "ɒ": "ao", "u": "uw", "ʊ": "uh", "ʉ": "uw", "y": "ue",
    "ʏ": "ue", "ø": "ue", "œ": "ue",
}  # fmt: skip
_IPA_LENGTHS = sorted({len(symbol) for symbol in IPA}, reverse=True)
_IPA_DROPPED = set('ːˈˌʲʰ͡"^-')  # length, stress, palatalisation, aspiration, ties, espeak's marks of variants
_IPA_SWITCH = re.compile(r"\([a-z-]+\)")  # to a word of another language, as in "(en)"


class UnknownSound(ValueError):
    """An engine named a sound that no table has; the utterance is left out."""


def from_table(table: dict[str, str], name: str) -> list[str]:
    """Common phones of one festival or flite segment name; length marks (":") are not heard here."""
    found = table.get(name) or table.get(name.rstrip(":"))
    if found is None:
        raise UnknownSound(name)
    return found.split()


def from_ipa(symbols: str, language: str) -> list[str]:
    """Common phones of one espeak-ng event; an empty one is a pause. American taps are d, others r."""
    symbols = _IPA_SWITCH.sub("", symbols)
    plain = "".join(c if c in IPA else _bare(c) for c in symbols if c not in _IPA_DROPPED)
    if not plain:
        return ["sil"]
    phones: list[str] = []
    while plain:
        for length in _IPA_LENGTHS:
            if found := IPA.get(plain[:length]):
                break
        else:
            raise UnknownSound(symbols)
        phones += ["d"] if plain[0] == "ɾ" and language.startswith("en") else found.split()
        plain = plain[length:]
    return phones


def _bare(letter: str) -> str:
    """Without marks of nasality, place and so on: no phone here depends on them."""
    return "".join(c for c in unicodedata.normalize("NFD", letter) if not unicodedata.combining(c))


def share_out(phones: list[str], start: float, end: float) -> Phones:
    """Phones that one label stands for, with their part of its time."""
    ends = {1: [1.0], 2: [0.6, 1.0]}.get(len(phones)) or [(i + 1) / len(phones) for i in range(len(phones))]
    times = [start + (end - start) * part for part in (0.0, *ends)]
    return list(zip(phones, times[:-1], times[1:]))
