"""Sentences to speak: English ones from a small grammar, and pseudo-words for voices of other languages.

The encoder learns sounds, not meanings, so coverage counts: words are chosen for closures (p b m), rounding (w, u),
lips on teeth (f v) and th, and made-up English words bring sound sequences that no list has.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "validation", "test")

NOUNS = """
    baby bishop bubble cabin moment member bump problem map lamp album pump thumb jump hope soap lemon summer hammer
    family farm film camera movie mummy memory museum tomb room broom womb spoon moon tooth roof wolf woman world
    window swallow wheel whale wave tower flower owl towel quiz queen square language penguin question thing thought
    path mouth month breath cloth thunder thief theatre father mother brother weather leather feather rhythm voice
    vine veil valley river fever cover five giant jury edge bridge judge garage vision treasure measure beige shoe
    sugar ship fish ocean chair church match picture kitchen dog garden goose bag egg king ring finger singer lung
    young hour house horse behaviour human yellow onion union yard year light lily hill railway road rabbit mirror
    arrow bird nurse earth worm skirt purse boy toy coin oyster noise voyage cow cloud mountain town sound night
    kite time fire bicycle island day train cake table paper rain neighbour boat coat stone yogurt ocean pillow book
    cook foot wood wool cushion cup bus money country blood glove cat apple jacket basket castle bed pen desk
    elephant treasure tea tree key machine piece pizza door horse corn story saucer hawk water daughter
""".split()
NAMES = """
    Bob Pam Paul Phoebe Bella Maeve Vivian Ruth Theo Judith Matthew Hugh George Joyce Roy Lou Walter Wendy Wanda
    Quentin Yvonne Uma Omar Amy Emma Tom Tim Fiona Steven Eve Beth Keith Zoe Susan Charles Richard Shirley Sasha
    Michelle Greg Peggy Hannah Harry Igor Alice Oscar Ursula Aaron Noah Owen Ingrid Bombay Paris Vienna Warsaw
    Budapest Peru Fiji Wyoming Memphis Boston Thebes Perth Bath Moscow Zurich Geneva Chicago
""".split()
VERBS = """
    bought makes wants painted pushed moved mapped bumped thumbed loved favoured visited wove whispered watched
    wishes woke threw thanked breathed soothed bathed finds phoned shaped shared chose judged changed enjoyed
    measured used looked cooked took pulled knew chewed blew drew sings brings hung hugged began forgot heard hurt
    turned served earned spoiled joined pointed avoided found counted announced kept left asked laughs laid makes
    waved broke drove wrote closed opened hopes wrapped robbed rubbed climbed swam combed dreamed
""".split()
ADJECTIVES = """
    big small plump warm calm humble simple possible famous empty happy wooden woollen wild quick quiet white swift
    blue smooth cool gloomy huge fuzzy rough brave heavy lovely vivid fifth fourth thin thick healthy southern
    smooth soft purple open round loud brown proud royal noisy joyful fair rare weird dear early third certain awful
    tall small strange gentle large young singing long strong orange cheap rich sharp fresh usual azure casual
""".split()
ADVERBS = """
    maybe happily simply slowly quickly warmly foolishly usually always never sometimes together tomorrow now soon
    somehow everywhere above perhaps very beautifully thoroughly forever
""".split()
NUMBERS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen twenty forty fifty
    ninety hundred thousand million
""".split()
PREPOSITIONS = "from above below behind with without through beyond before for from of upon over between".split()
CONJUNCTIONS = "and but so because if while".split()
QUESTIONS = "who whom what where when why how which".split()
PHRASES = (
    "hello, good morning, good evening, thank you very much, I beg your pardon, of course, oh my, yes please, "
    "no way, by the way, for example, wait a moment, see you tomorrow, how do you do, you are welcome, happy birthday, "
    "what a wonderful world, both of them, five of the fifth, whoops, maybe, wow, bye bye, my name is, come home"
).split(", ")

ONSETS = """p b t d k g m n f v th s sh z h ch j l r w y pl pr bl br tr dr kl kr gl gr fl fr thr shr sm sn sp st
    sk sw tw qu spl spr str m b p w v
""".split()
NUCLEI = "a e i o u ee oo ou ai oi ow ar er or ea au aw igh oa".split()
CODAS = """
    p b t d ck g m n ng f v th s sh z ch dge l r mp nd nt nk lp lm lf ft st sp pt ps bs ms ths ves mb
""".split()

FOREIGN_ONSETS = "p b t d k g m n f v s z l r p b m j h č š ž c".split()
FOREIGN_CODAS = ["", "", "", "", "n", "s", "l", "r", "m", "t", "k", "p"]
FOREIGN_VOWELS = "a e i o u a o u y".split()
FRONT_ROUNDED = "ö ü".split()  # letters that Slavic and Romance voices can't read
CYRILLIC_ONSETS = "п б т д к г м н ф в с з л р п б м ж ш ч щ х ц".split()
CYRILLIC_CODAS = ["", "", "", "", "н", "с", "л", "р", "м", "т", "к", "п"]
CYRILLIC_VOWELS = "а э и о у ы я ю ё е".split()


def split_of(text: str) -> str:
    """The split that a sentence belongs to for good, whatever the seed: a tenth each validation and test."""
    return SPLITS[{0: 2, 1: 1}.get(zlib.crc32(text.encode()) % 10, 0)]


def english(rng: np.random.Generator) -> str:
    """An utterance of about two to eight seconds, of one to three sentences."""
    sentences = [_sentence(rng)]
    while sum(len(s) for s in sentences) < rng.integers(25, 75):
        sentences.append(_sentence(rng))
    return " ".join(sentences)


def foreign(rng: np.random.Generator, script: str = "latin") -> str:
    """Pseudo-words in letters that the voice reads; script: "ascii", "latin", "germanic" or "cyrillic"."""
    onsets, vowels, codas = {
        "latin": (FOREIGN_ONSETS, FOREIGN_VOWELS, FOREIGN_CODAS),
        "germanic": (FOREIGN_ONSETS[:-4], FOREIGN_VOWELS + FRONT_ROUNDED, FOREIGN_CODAS),
        "ascii": ([o for o in FOREIGN_ONSETS if o.isascii()], FOREIGN_VOWELS, FOREIGN_CODAS),
        "cyrillic": (CYRILLIC_ONSETS, CYRILLIC_VOWELS, CYRILLIC_CODAS),
    }[script]
    words = []
    for _ in range(rng.integers(5, 11)):
        syllables = [_pick(rng, onsets) + _pick(rng, vowels) for _ in range(rng.integers(1, 4))]
        words.append("".join(syllables) + _pick(rng, codas) + _pick(rng, ["", "", "", "", ","]))
    return " ".join(words).strip(",").capitalize() + _pick(rng, [".", ".", "?", "!"])


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[rng.integers(len(items))].strip()


def _made_up(rng: np.random.Generator) -> str:
    syllables = [_pick(rng, ONSETS) + _pick(rng, NUCLEI) for _ in range(rng.integers(1, 3))]
    return "".join(syllables) + _pick(rng, CODAS)


def _noun(rng: np.random.Generator) -> str:
    noun = _made_up(rng) if rng.random() < 0.2 else _pick(rng, NOUNS)
    adjective = _pick(rng, ADJECTIVES) + " " if rng.random() < 0.5 else ""
    return f"{_pick(rng, ['the', 'a', 'my', 'your', 'this', 'both', 'every', 'those', 'some'])} {adjective}{noun}"


def _subject(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.4:
        return _pick(rng, NAMES)
    if kind < 0.6:
        return _pick(rng, ["I", "you", "we", "they", "he", "she", "everybody", "nobody", "who"])
    return _noun(rng)


def _statement(rng: np.random.Generator) -> str:
    parts = [_subject(rng), _pick(rng, VERBS), _noun(rng)]
    if rng.random() < 0.3:
        parts.insert(1, _pick(rng, ADVERBS))
    if rng.random() < 0.5:
        parts += [_pick(rng, PREPOSITIONS), _noun(rng)]
    return " ".join(parts)


def _sentence(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.4:
        text, end = _statement(rng), ".!"
    elif kind < 0.5:
        text, end = (
            f"{_statement(rng)}, {_pick(rng, ['and', 'but', 'so', 'because', 'if', 'while'])} {_statement(rng)}",
            ".",
        )
    elif kind < 0.6:
        text, end = f"{_pick(rng, QUESTIONS)} {_pick(rng, ['would', 'will', 'did', 'should'])} {_statement(rng)}", "?"
    elif kind < 0.72:
        things = [_pick(rng, NOUNS) if rng.random() < 0.7 else _made_up(rng) for _ in range(rng.integers(3, 6))]
        text, end = ", ".join(things[:-1]) + f", and {things[-1]}", ".?"
    elif kind < 0.8:
        text, end = f"{_pick(rng, NAMES)} has " + " ".join(_pick(rng, NUMBERS) for _ in range(rng.integers(3, 7))), "."
    elif kind < 0.88:
        text, end = f"{_pick(rng, PHRASES)}, {_pick(rng, NAMES)}", ".!?"
    else:
        text, end = " ".join(_made_up(rng) for _ in range(rng.integers(3, 7))), ".?!"
    return text[0].upper() + text[1:] + _pick(rng, end)
