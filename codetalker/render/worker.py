"""The renderer's process: owns the GL context, draws what it is told to.

Started by `process.py` as `python -m codetalker.render.worker SOCKET MEMORY NICE`: two inherited file descriptors, and
by how much it leaves others the first turn.
Messages in: ("show", figures, size, slots, background) and ("draw", slot, yaw); out: the renderer's name once it
is ready, "shown" for a new scene, and each drawn slot in order. A slot of the shared memory holds the vertices that
come in and the picture that goes out.
"""

from __future__ import annotations

import contextlib
import faulthandler
import mmap
import os
import sys
from multiprocessing.connection import Connection

from .slots import Slots


def main() -> None:
    faulthandler.enable()  # a crash inside the driver tells where, on stderr
    connection, memory = Connection(int(sys.argv[1])), int(sys.argv[2])
    os.nice(int(sys.argv[3]))
    from .scene import Stage

    stage = Stage()
    connection.send(stage.describe())
    with contextlib.suppress(EOFError, ConnectionError):  # the parent has gone, or has lost interest
        _serve(stage, connection, memory)


def _serve(stage, connection: Connection, memory: int) -> None:
    slots: Slots | None = None
    drawing: int | None = None  # the slot whose picture is being drawn
    while True:
        message = connection.recv()
        if message[0] == "show":
            _, figures, size, count, background = message
            stage.show(figures, size, background)
            slots = Slots([len(figure.vertices) for figure in figures], size, count)
            slots.attach(mmap.mmap(memory, slots.bytes))
            drawing = None
            connection.send("shown")
            continue
        _, slot, yaw = message
        stage.prepare(slots.vertices(slot), yaw)  # while the last picture is still being drawn
        if drawing is not None:
            stage.read(slots.picture(drawing))
            connection.send(drawing)
        stage.draw()
        drawing = slot
        if not connection.poll(0):
            stage.read(slots.picture(drawing))
            connection.send(drawing)
            drawing = None


if __name__ == "__main__":
    main()
