"""The phones that the open speech encoder tells apart."""

# The common set of English and other engines; diphthongs are split in time (aw = aa + uh, ...). "sil" comes first.
PHONES = ("sil aa ae ah ao eh er ih iy uh uw ue b ch d dh f g hh jh k l m n ng p r s sh t th v w y z zh x").split()

# Phones that look alike on the lips; telling apart what looks apart is what counts.
VISEMES = tuple(
    group.split()
    for group in (
        "sil", "p b m", "f v", "th dh", "t d n l s z", "sh zh ch jh", "k g ng hh x", "r er", "w uw uh ue", "ao",
        "aa ae", "ah eh", "iy ih y",
    )
)  # fmt: skip
VISEME_OF_PHONE = tuple(next(v for v, group in enumerate(VISEMES) if phone in group) for phone in PHONES)
