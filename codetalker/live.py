"""From a pipe to a pipe: sound in as it is spoken, rows of ARKit weights out as they settle."""

from __future__ import annotations

import csv
import os
import select
import signal
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, TextIO

import numpy as np

from .audio import SAMPLE_RATE
from .errors import UserError
from .motion import Animation

if TYPE_CHECKING:
    from .streaming import Stream

BLOCK = 1 << 16  # bytes read at a time, at most
PATIENCE = 0.1  # seconds of a silent pipe, after which Ctrl-C is seen
PCM, EXTENSIBLE = 1, 0xFFFE  # formats of a wav: whole numbers, and those that are told at more length
ENDLESS = 0x7FFF0000  # bytes; a size beyond it stands in the wav of who doesn't know yet
HOW = f"arecord -f S16_LE -r {SAMPLE_RATE} -c 1, or ffmpeg -i FILE -ac 1 -ar {SAMPLE_RATE} -f s16le -"


def write_rows(stream: Stream, sound: BinaryIO, out: TextIO) -> None:
    """As the export `arkit` has them, until the sound ends, or Ctrl-C is pressed. sound, out: pipes or files.

    Raises UserError for sound of another form; and BrokenPipeError where nobody reads `out` any more.
    """
    from .export.arkit import arkit_columns, arkit_rows

    table, written = csv.writer(out), 0

    def write(motion: np.ndarray) -> int:
        table.writerows(arkit_rows(Animation.from_motion(motion, stream.fps), written))
        out.flush()
        return len(motion)

    heard = read_speech(sound)
    table.writerow(arkit_columns())
    for speech in heard:
        written += write(stream.push(speech))
    write(stream.finish())


def read_speech(sound: BinaryIO) -> Iterator[np.ndarray]:
    """Yields (n,) float32 within [-1, 1], as much each time as has come, until it ends or Ctrl-C is pressed.

    sound: of one channel, 16 bits, little-endian, at SAMPLE_RATE, bare or as a wav. Raises UserError for anything else.
    """
    if sound.isatty():
        raise UserError(f"speech comes through a pipe: send some by {HOW}")
    pipe = _Pipe(sound.fileno())
    start = pipe.exactly(4)
    if len(start) < 4:
        raise UserError(f"no sound came through the pipe: send some by {HOW}")
    if start == b"RIFF":
        return _samples(pipe, b"", _wav_bytes(pipe))
    return _samples(pipe, start, None)


def _samples(pipe: _Pipe, block: bytes, left: int | None) -> Iterator[np.ndarray]:
    """block: read already; left: bytes that are sound, None: all"""
    held = b""
    while block := block or pipe.some():
        held += block if left is None else block[: max(0, left)]
        left = None if left is None else left - len(block)
        whole = len(held) // 2 * 2
        yield np.frombuffer(held[:whole], "<i2").astype(np.float32) / 2**15
        block, held = b"", held[whole:]


def _wav_bytes(pipe: _Pipe) -> int | None:
    """Reads on to the samples of a wav; how many bytes they are, None where it isn't known."""
    pipe.exactly(8)  # the size of the file, and WAVE
    form = None
    while len(head := pipe.exactly(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            if form != (1, SAMPLE_RATE, 16):
                told = "of another form" if form is None else "{} x {} Hz, {} bits".format(*form)
                raise UserError(f"the wav is {told}, not 1 x {SAMPLE_RATE} Hz, 16 bits: send it by {HOW}")
            return size if 0 < size < ENDLESS else None
        chunk = pipe.exactly(size + size % 2)
        if name == b"fmt " and len(chunk) >= 16:
            kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
            form = (channels, rate, bits) if kind in (PCM, EXTENSIBLE) else None
    raise UserError(f"the wav ends before its sound: send it by {HOW}")


class _Pipe:
    """Bytes as they come. Ctrl-C ends them, so that what has been heard is still told; a second one breaks off."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.stopped = descriptor, False
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, signum: int, frame: object) -> None:
        self.stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def some(self, most: int = BLOCK) -> bytes:
        """At least one, none at the end."""
        while not self.stopped:
            if select.select([self.descriptor], [], [], PATIENCE)[0]:
                return os.read(self.descriptor, most)
        return b""

    def exactly(self, count: int) -> bytes:
        """Fewer where they end."""
        read = b""
        while len(read) < count and (block := self.some(count - len(read))):
            read += block
        return read
