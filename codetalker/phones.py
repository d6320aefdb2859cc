"""The phones that the open speech encoder tells apart."""

# The common set of English and other engines; diphthongs are split in time (aw = aa + uh, ...). "sil" comes first.
PHONES = (
    "sil aa ae ah ao eh er ih iy uh uw ue b ch d dh f g hh jh k l m n ng p r s sh t th v w y z zh x"
).split()
