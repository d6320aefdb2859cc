"""The GL context of the renderer's process, and programs for it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from OpenGL import GL
from OpenGL.GL import shaders
from pyrender.platforms import egl

SHADERS = Path(__file__).parent / "shaders"


def open_context() -> egl.EGLPlatform:
    """Made current in this thread, for as long as what is returned lives."""
    device = egl.get_device_by_index(int(os.environ.get("EGL_DEVICE_ID", "0")))
    platform = egl.EGLPlatform(1, 1, device=device)
    platform.init_context()
    platform.make_current()
    return platform


def describe_context() -> str:
    return f"{GL.glGetString(GL.GL_RENDERER).decode()}, OpenGL {GL.glGetString(GL.GL_VERSION).decode().split()[0]}"


class Program:
    """The shaders `vertex`.vert and `fragment`.frag, with names that are defined in both."""

    def __init__(self, vertex: str, fragment: str, *names: str) -> None:
        head = "".join(f"#define {name}\n" for name in names)
        stages = ((f"{vertex}.vert", GL.GL_VERTEX_SHADER), (f"{fragment}.frag", GL.GL_FRAGMENT_SHADER))
        compiled = [shaders.compileShader(_with_head(SHADERS / file, head), kind) for file, kind in stages]
        self._program = shaders.compileProgram(*compiled, validate=False)
        self._places: dict[str, int] = {}

    def use(self) -> None:
        GL.glUseProgram(self._program)

    def set_matrix(self, name: str, value: np.ndarray) -> None:
        """value: (4, 4)"""
        GL.glUniformMatrix4fv(self._place(name), 1, GL.GL_TRUE, np.ascontiguousarray(value, np.float32))

    def set_vector(self, name: str, value: np.ndarray) -> None:
        """value: (3,)"""
        GL.glUniform3f(self._place(name), *map(float, value))

    def set_number(self, name: str, value: float) -> None:
        GL.glUniform1f(self._place(name), value)

    def set_sampler(self, name: str, unit: int, texture: int) -> None:
        GL.glUniform1i(self._place(name), unit)
        GL.glActiveTexture(GL.GL_TEXTURE0 + unit)
        GL.glBindTexture(GL.GL_TEXTURE_2D, texture)

    def _place(self, name: str) -> int:
        if name not in self._places:
            self._places[name] = GL.glGetUniformLocation(self._program, name)
        return self._places[name]


class Programs:
    """Each made once: a context does not give back all of a program's memory."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, ...], Program] = {}

    def use(self, vertex: str, fragment: str, *names: str) -> Program:
        """The program, which is in use from here on."""
        key = vertex, fragment, *names
        if key not in self._made:
            self._made[key] = Program(*key)
        self._made[key].use()
        return self._made[key]


def _with_head(path: Path, head: str) -> str:
    version, _, rest = path.read_text(encoding="utf-8").partition("\n")
    return f"{version}\n{head}#line 2\n{rest}"
