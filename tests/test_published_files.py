"""Files of others: pickled templates, meshes and wav2vec2s as they come, and what is refused without being run."""

import io
import pickle
import struct
import time

import numpy as np
import pytest

from codetalker.errors import UserError
from codetalker.published.arrays import read_templates
from codetalker.published.mesh import read_topology

VERTICES = np.random.default_rng(0).normal(size=(40, 3))


def _python_2(array, protocol):
    """The bytes that Python 2.7's pickle makes of {"S0": array}: strings without an encoding, numpy's old names."""
    kind, order = f"f{array.itemsize}", ">" if array.dtype.byteorder == ">" else "<"
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    raw, shape = array.tobytes("F" if fortran else "C"), array.shape
    begin = b"cnumpy.core.multiarray\n_reconstruct\np1\n(cnumpy\nndarray\np2\n"
    if protocol == 0:
        numbers = b"".join(b"I%d\n" % size for size in shape)
        told = f"(I0\ntp3\nS'b'\np4\ntp5\nRp6\n(I1\n({numbers.decode()}tp7\ncnumpy\ndtype\np8\n(S'{kind}'\np9\nI0\nI1\n"
        told += f"tp10\nRp11\n(I3\nS'{order}'\np12\nNNNI-1\nI-1\nI0\ntp13\nbI0{int(fortran)}\nS"
        return b"(dp0\nS'S0'\n" + begin + told.encode() + repr(raw)[1:].encode() + b"\np14\ntp15\nbs."
    numbers = b"".join(struct.pack("<BI", ord("J"), size) for size in shape)
    text = lambda string: b"U" + bytes([len(string)]) + string.encode()  # noqa: E731
    body = b"}q\x00" + text("S0") + begin + b"(K\x00t" + text("b") + b"tR(K\x01(" + numbers + b"tcnumpy\ndtype\n("
    body += text(kind) + b"K\x00K\x01tR(K\x03" + text(order) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    flag = (b"\x88" if fortran else b"\x89") if protocol == 2 else (b"I01\n" if fortran else b"I00\n")
    return b"\x80\x02" * (protocol == 2) + body + flag + b"T" + struct.pack("<I", len(raw)) + raw + b"tbs."


@pytest.mark.parametrize("protocol", [0, 1, 2])
@pytest.mark.parametrize("kind", ["<f8", "<f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_templates_of_python_2(tmp_path, protocol, kind, order):
    array = np.array(VERTICES, kind, order=order)
    content = _python_2(array, protocol)
    assert np.array_equal(pickle.loads(content, encoding="latin1")["S0"], array)  # of our own making, so it may run
    (tmp_path / "templates.pkl").write_bytes(content)
    made = read_templates(tmp_path / "templates.pkl", 40)["S0"]
    assert made.dtype == np.float32 and made.flags.c_contiguous and np.array_equal(made, array.astype(np.float32))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_templates_of_python_3(tmp_path, protocol):
    given = {"S0": np.asfortranarray(VERTICES), "f4": VERTICES.astype(">f4").flatten(), "row": VERTICES.reshape(1, -1)}
    (tmp_path / "templates.pkl").write_bytes(pickle.dumps(given, protocol))
    made = read_templates(tmp_path / "templates.pkl", 40)
    assert list(made) == list(given) and all(np.allclose(array, VERTICES, atol=1e-6) for array in made.values())


class _Call:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _nested(depth):
    """Tuples whose hash and repr take 2^depth steps."""
    value = ()
    for _ in range(depth):
        value = (value, value)
    return value


HOSTILE = {
    "a call": (pickle.dumps({"S0": _Call(print, "run")}), "it asks for builtins.print"),
    "the shell": (b"cos\nsystem\n(S'echo run'\ntR.", "it asks for os.system"),
    "an evaluation": (b"c__builtin__\neval\n(S'print(\"run\")'\ntR.", "it asks for __builtin__.eval"),
    "a list": (pickle.dumps([VERTICES]), "an instruction"),
    "no dict": (pickle.dumps("S0"), "no dict of templates"),
    "an empty dict": (pickle.dumps({}), "no dict of templates"),
    "another shape": (pickle.dumps({"S0": VERTICES[1:]}), r"S0 has the shape \(39, 3\) instead of \(40, 3\)"),
    "no numbers": (pickle.dumps({"S0": np.full((40, 3), np.nan)}), "S0 has values that are no numbers"),
    "too large": (pickle.dumps({"S0": np.full((40, 3), 1e300)}), "S0 has values that are no numbers"),
    "objects": (pickle.dumps({"S0": np.array([None])}), "an array of 'O8', not of floats"),
    "whole numbers": (pickle.dumps({"S0": np.zeros((40, 3), int)}), "an array of 'i8', not of floats"),
    "a name to play with": (pickle.dumps({"\x1b[2J": VERTICES}), "is no name of a template"),
    "a name without end": (pickle.dumps({"a" * 10**6: VERTICES}), "is no name of a template"),
    "text": (pickle.dumps({"S0": "array"}), "'S0' is none"),
    "cut short": (pickle.dumps({"S0": VERTICES})[:-400], "not a pickle of numpy arrays"),
    "less data": (pickle.dumps({"S0": VERTICES}, 2).replace(b"K(K\x03", b"K)K\x03"), r"shape \(41, 3\)"),
    "huge bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 50), "not a pickle of numpy arrays"),
    "a huge bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 1 << 36) + b".", "it is cut short"),
    "a huge frame": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 50) + b"}.", "not a pickle|no dict"),
    "a huge memo": (b"\x80\x02}r\xff\xff\xff\xff.", "no dict of templates"),
    "an instruction unknown": (b"\xff.", "not a pickle of numpy arrays"),
    "recursion": (b"\x80\x02}q\x00U\x01ah\x00s.", "'a' is none"),
    "deep nesting": (b"(" * 90_000 + b"t" * 90_000 + b".", "takes too many steps"),
    "nested names": (b"\x80\x02}" + pickle.dumps(_nested(60), 2)[2:-1] + b"Ns.", "a name that is no text"),
    "a nested shape": (
        b"\x80\x02}U\x01acnumpy\nndarray\n" + pickle.dumps(_nested(60), 2)[2:-1] + b"\x85Rs.",
        "'a' is none",
    ),
    "state of a function": (b"cnumpy\ndtype\n}b.", "sets the state of what has none"),
    "a call of no function": (b"\x80\x02}U\x01a)R.", "calls what is no function"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_templates_that_are_refused(tmp_path, name, capfd):
    content, words = HOSTILE[name]
    (tmp_path / "templates.pkl").write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(UserError, match=words) as caught:
        read_templates(tmp_path / "templates.pkl", 40)
    assert time.perf_counter() - start < 2 and len(str(caught.value)) < 300 and "\n" not in str(caught.value)
    assert "run" not in capfd.readouterr().out.replace("pytest", "")


QUADS = [[0, 1, 2, 3], [3, 2, 1, 4]]


def _ply(faces, binary="", extra=""):
    """A .ply of the first ten of VERTICES with texture coordinates. binary: "", "little" or "big"."""
    told = f"binary_{binary}_endian" if binary else "ascii"
    head = f"ply\nformat {told} 1.0\n{extra}element vertex 10\nproperty float x\nproperty float y\nproperty float z\n"
    head += f"property float s\nproperty float t\nelement face {len(faces)}\n"
    head += "property list uchar int vertex_indices\nend_header\n"
    rows = [[*vertex, 0.1 * i, 0.2] for i, vertex in enumerate(VERTICES[:10])]
    if not binary:
        lines = [" ".join(f"{value:.8g}" for value in row) for row in rows]
        lines += [" ".join(map(str, [len(face), *face])) for face in faces]
        return (head + "\n".join(lines) + "\n").encode()
    order = "<" if binary == "little" else ">"
    body = np.array(rows, f"{order}f4").tobytes()
    return head.encode() + body + b"".join(struct.pack(f"{order}B{len(face)}i", len(face), *face) for face in faces)


def _obj(faces, before=""):
    lines = [before, *(f"v {x:.8g} {y:.8g} {z:.8g}" for x, y, z in VERTICES[:10]), "vt 0 0", "vt 1 1", "vn 0 0 1"]
    lines += ["usemtl skin", *("f " + " ".join(f"{i + 1}/{1 + i % 2}/1" for i in face) for face in faces[:1])]
    lines += ["usemtl eyes", *("f " + " ".join(f"{i + 1}/{2 - i % 2}/1" for i in face) for face in faces[1:])]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("binary", ["", "little", "big"])
@pytest.mark.parametrize("faces", [[[9, 1, 2], [2, 1, 0], [4, 4, 5]], QUADS])
def test_meshes_keep_their_order_and_quads_become_triangles(tmp_path, binary, faces):
    (tmp_path / "mesh.ply").write_bytes(_ply(faces, binary))
    (tmp_path / "mesh.obj").write_bytes(_obj(faces))
    for name in ("mesh.ply", "mesh.obj"):
        mesh = read_topology(tmp_path / name, 10)
        assert np.allclose(mesh.vertices, VERTICES[:10], atol=1e-6) and mesh.faces.dtype == np.int32
        if faces is QUADS:
            assert {frozenset(face) for face in mesh.faces.tolist()} == {frozenset(t) for t in QUAD_TRIANGLES}
        else:
            assert mesh.faces.tolist() == faces[:2] and mesh.degenerate == 1


QUAD_TRIANGLES = [[0, 1, 2], [2, 3, 0], [3, 2, 1], [1, 4, 3]]


def test_files_that_a_mesh_names_are_not_opened(tmp_path, monkeypatch):
    (tmp_path / "mesh.ply").write_bytes(_ply([[0, 1, 2]], extra="comment TextureFile secret.png\n"))
    (tmp_path / "mesh.obj").write_bytes(_obj([[0, 1, 2]], before="mtllib secret.mtl"))
    opened = []
    for module in ("builtins.open", "io.open", "os.open"):
        monkeypatch.setattr(module, _noting(module, opened))
    for name in ("mesh.ply", "mesh.obj"):
        read_topology(tmp_path / name, 10)
    assert not [path for path in opened if "secret" in path]


def _noting(name, opened):
    import builtins
    import os

    true = {"builtins.open": builtins.open, "io.open": io.open, "os.open": os.open}[name]

    def noted(path, *arguments, **named):
        opened.append(str(path))
        return true(path, *arguments, **named)

    return noted


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("mesh.stl", b"", "a topology is a .ply or .obj"),
        ("mesh.ply", _ply([]), "mesh.ply has no faces"),
        ("mesh.obj", _obj([]), "mesh.obj has no faces"),
        ("mesh.ply", _ply([[0, 1, 10]]), "(vertex|index) 10"),
        ("mesh.ply", _ply([[0, 1, -1]], "little"), "a face names the vertex -1"),
        ("mesh.obj", _obj([[0, 1, 10]]), "is not a mesh that can be read|names the vertex"),
        ("mesh.ply", _ply([[0, 0, 1], [2, 3, 3]]), "each of its 2 faces has the same vertex twice"),
        ("mesh.ply", _ply([[0, 1, 2]]).replace(b"vertex 10\n", b"vertex 99999999999\n"), "99999999999|10|be read"),
        ("mesh.ply", _ply([[0, 1, 2]], "little")[:-3], "is not a mesh that can be read"),
        ("mesh.ply", _ply([[0, 1, 2]])[:60], "is not a mesh that can be read"),
        ("mesh.ply", b"", "is not a mesh that can be read"),
        ("mesh.obj", b"\x00\xff\xfe", "0 vertices|be read"),
        ("mesh.obj", _obj([[0, 1, 2]]).replace(b"v 0.", b"v nan 0.", 1).replace(b"v -0.", b"v nan -0.", 1), "vert"),
    ],
)
def test_meshes_that_are_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_topology(tmp_path / name, 10)
    assert "\n" not in str(caught.value)


def test_a_mesh_of_another_count_names_both(tmp_path):
    (tmp_path / "mesh.ply").write_bytes(_ply([[0, 1, 2]]))
    with pytest.raises(UserError, match=r"mesh.ply has 10 vertices, but the config says 40"):
        read_topology(tmp_path / "mesh.ply", 40)
