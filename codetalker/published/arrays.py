"""Arrays under names, such as a templates.pkl, {subject: (V, 3)}, read from the bytes of their pickle: nothing that it
names is looked up."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError

LARGEST = 256 << 20  # bytes of a file; the 14 templates of BIWI are 8 MB, as text of protocol 0 some 25
MOST_STEPS = 100_000  # of a pickle; an array takes some 40
MOST_TEMPLATES = 1_000
LONGEST_NAME = 100  # letters
FLOATS = frozenset(("f2", "f4", "f8"))
WHOLE = frozenset(f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8))
DEEPEST = 3  # dicts in one another


@dataclass(frozen=True)
class Allowed:
    """What a pickle may hold: kinds of the arrays' numbers; numbered: whole numbers for names, too; bytes; steps."""

    kinds: frozenset[str] = FLOATS
    numbered: bool = False
    largest: int = LARGEST
    steps: int = MOST_STEPS


TEMPLATES = Allowed()


@dataclass
class _Kind:
    """A dtype: its code, and its byte order, which pickle sets afterwards."""

    code: str
    order: str = "="

    def build(self, state: tuple) -> None:
        if state[1] not in "<>=|":
            raise pickle.UnpicklingError("a byte order that is none")
        self.order = state[1]


@dataclass
class _Array:
    """An array as its pickle tells it; its bytes are taken for numbers only once its shape is known to be wanted."""

    shape: tuple = ()
    kind: _Kind | None = None
    fortran: bool = False
    raw: Any = b""

    def build(self, state: tuple) -> None:
        _, self.shape, self.kind, self.fortran, self.raw = state

    def values(self) -> np.ndarray:
        raw = self.raw.encode("latin1") if isinstance(self.raw, str) else self.raw
        flat = np.frombuffer(raw, np.dtype(self.kind.code).newbyteorder(self.kind.order))
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


def _kind(kinds: frozenset[str], code: str | bytes, *_: Any) -> _Kind:
    code = code.decode("latin1") if isinstance(code, bytes) else code
    if code.lstrip("<>=|") not in kinds:
        told = "floats" if kinds == FLOATS else "numbers"
        raise pickle.UnpicklingError(f"an array of {code[:20]!r}, not of {told}")
    return _Kind(code.lstrip("<>=|"), code[0] if code[0] in "<>" else "=")


def _array_of_buffer(raw: bytes, kind: _Kind, shape: tuple, order: str) -> _Array:
    return _Array(shape, kind, order == "F", raw)


def _scalar(kind: _Kind, raw: bytes) -> _Array:
    """A single number of numpy's."""
    return _Array((), kind, False, raw)


def _latin1(text: str, _: str) -> str:
    """What bytes are spelt with under protocol 2 of Python 3; they stay text, as those of Python 2."""
    return text


KNOWN: dict[tuple[str, str], Callable] = {  # numpy's names, old and new, and what stands in for them
    **{(f"numpy.{core}.multiarray", "_reconstruct"): lambda *_: _Array() for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _array_of_buffer for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _latin1,
}


class _Steps(dict):
    """Pickle's instructions, of which an array dict needs these; each step is counted."""

    PLAIN = (
        "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 BINFLOAT STRING BINSTRING "
        "SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 EMPTY_TUPLE "
        "TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL "
        "STACK_GLOBAL POP"
    ).split()

    def __init__(self, own: dict[bytes, Callable], most: int) -> None:
        whole = pickle._Unpickler.dispatch
        super().__init__({getattr(pickle, name)[0]: whole[getattr(pickle, name)[0]] for name in self.PLAIN})
        self.update({code[0]: step for code, step in own.items()})
        self.left = most

    def __getitem__(self, code: int) -> Callable:
        self.left -= 1
        if self.left < 0:
            raise pickle.UnpicklingError("it takes too many steps")
        return super().__getitem__(code)

    def __missing__(self, code: int) -> Callable:
        raise pickle.UnpicklingError(f"an instruction {bytes([code])!r} that arrays don't need")


class _ArraysOnly(pickle._Unpickler):
    """Python's own unpickler, whose memo is a dict, with the instructions that arrays need.

    The faster one in C reserves whatever memory a pickle names, and numpy's own classes trust their pickled state.
    """

    def __init__(self, file: Any, allowed: Allowed) -> None:
        super().__init__(file, encoding="latin1")
        self.names = (str, int) if allowed.numbered else (str,)
        self.known = KNOWN | {("numpy", "dtype"): partial(_kind, allowed.kinds)}
        own = {
            pickle.SETITEM: lambda self: self._set(self.stack.pop(-2), self.stack.pop()),
            pickle.SETITEMS: lambda self: self._set_all(self.pop_mark()),
            pickle.DICT: _ArraysOnly._dict,
            pickle.REDUCE: _ArraysOnly._call,
            pickle.BUILD: _ArraysOnly._build,
            pickle.BYTEARRAY8: _ArraysOnly._bytearray,
        }
        self.dispatch = _Steps(own, allowed.steps)

    def find_class(self, module: str, name: str) -> Callable:
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(f"it asks for {module[:60]}.{name[:60]}")
        return self.known[module, name]

    def _set(self, name: Any, value: Any) -> None:
        if not isinstance(name, self.names):  # to hash nested tuples can take years
            raise pickle.UnpicklingError("a name that is no text")
        if not isinstance(self.stack[-1], dict):
            raise pickle.UnpicklingError("a named value outside of a dict")
        self.stack[-1][name] = value

    def _dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self._set_all(items)

    def _set_all(self, items: list) -> None:
        for name, value in zip(items[::2], items[1::2]):
            self._set(name, value)

    def _call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if function not in self.known.values():
            raise pickle.UnpicklingError("it calls what is no function")
        self.stack.append(function(*arguments))

    def _build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], (_Array, _Kind)):
            raise pickle.UnpicklingError("it sets the state of what has none")
        self.stack[-1].build(state)

    def _bytearray(self) -> None:
        length = int.from_bytes(self.read(8), "little")
        self.stack.append(self.read(min(length, LARGEST)))


def read_arrays(path: Path, allowed: Allowed = TEMPLATES) -> dict[Any, Any]:
    """Arrays, numbers and text under names, in dicts up to DEEPEST in one another, of Python 2 or 3, any protocol."""
    content = _load(path, allowed)
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path} holds no arrays under names")
    try:
        return _told(content, DEEPEST)
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: {' '.join(str(error).split())[:120]}") from error


def _told(value: Any, deep: int) -> Any:
    """Arrays by their values, in whatever dicts they lie."""
    if isinstance(value, dict):
        if not deep:
            raise ValueError(f"dicts lie in one another more than {DEEPEST} deep")
        return {name: _told(part, deep - 1) for name, part in value.items()}
    if isinstance(value, _Array):
        return value.values()
    if not isinstance(value, (int, float, str, type(None))):
        raise ValueError(f"it holds a {type(value).__name__.strip('_').lower()} where arrays are wanted")
    return value


def read_templates(path: Path, vertices: int) -> dict[str, np.ndarray]:
    """A templates.pkl of Python 2 or 3, any protocol -> {subject: (V, 3) float32}."""
    content = _load(path, TEMPLATES)
    if not isinstance(content, dict) or not 0 < len(content) <= MOST_TEMPLATES:
        raise UserError(f"{path} holds no dict of templates, of 1 to {MOST_TEMPLATES}")
    return {name: _template(path, name, array, vertices) for name, array in content.items()}


def _load(path: Path, allowed: Allowed) -> Any:
    try:
        size = path.stat().st_size
        if size > allowed.largest:
            raise UserError(f"{path} has {size >> 20} MB, too much for what it is: {allowed.largest >> 20} at most")
        return _ArraysOnly(io.BytesIO(path.read_bytes()), allowed).load()
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from error
    except UserError:
        raise
    except Exception as error:  # a broken pickle raises almost anything
        reason = " ".join(str(error).split()) or "it is cut short"
        raise UserError(f"{path} is not a pickle of numpy arrays in a dict and nothing else: {reason}") from error


def _template(path: Path, name: str, array: Any, vertices: int) -> np.ndarray:
    """(V, 3) float32; flat arrays count as well, since the published code flattens them all."""
    if not (name.isprintable() and 0 < len(name) <= LONGEST_NAME):
        raise UserError(f"{path}: {name[:60]!r} is no name of a template")
    if not isinstance(array, _Array) or not all(isinstance(number, int) for number in array.shape):
        raise UserError(f"{path} must hold arrays under names, but {name!r} is none")
    if array.shape not in ((vertices, 3), (3 * vertices,), (1, 3 * vertices)):
        raise UserError(f"{path}: the template {name} has the shape {array.shape} instead of {(vertices, 3)}")
    try:
        values = array.values()
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: the template {name} is damaged: {error}") from error
    with np.errstate(over="ignore"):
        made = np.array(values.reshape(vertices, 3), np.float32, order="C")
    if not np.isfinite(made).all():
        raise UserError(f"{path}: the template {name} has values that are no numbers")
    return made
