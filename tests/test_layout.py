"""Imports run downward: training and app know the library, it knows neither, and drawing knows no model."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODELS = ("autoencoder", "bundle", "decoding", "faceformer", "predictor", "published", "quantizer", "talker", "wav2vec")
SIDE_LIBRARIES = ("gradio", "transformers", "librosa", "trimesh")  # must not be needed to draw or to read speech


def sources(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py")) if not folder.endswith(".py") else [ROOT / folder]
    return [path for path in found if "__pycache__" not in path.parts]


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it, relative ones resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]  # of a module and of an __init__ alike
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def importers(folder: str, *forbidden: str) -> list[str]:
    """The files in `folder` that import one of the forbidden modules, or something inside it."""
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in sorted(imports(path))
        if any(name == module or name.startswith(f"{module}.") for module in forbidden)
    ]


def test_the_check_sees_imports():
    assert "codetalker.errors.UserError" in imports(ROOT / "codetalker" / "audio.py")
    assert importers("app", "codetalker") and importers("training", "codetalker")


def test_library_knows_neither_app_nor_training():
    assert importers("codetalker", "app", "training", "gradio") == []


def test_app_and_training_do_not_know_each_other():
    assert importers("app", "training") + importers("app.py", "training") == []
    assert importers("training", "app", "gradio") == []


def test_what_is_for_training_alone_is_not_needed_elsewhere():
    extra = [
        line.partition("==")[0] for line in (ROOT / "training/requirements.txt").read_text().split() if "==" in line
    ]
    assert "accelerate" in extra
    beside = [f"app/agents.py imports {name}" for name in imports(ROOT / "app/agents.py")]  # an agent, not in the app
    app = [line for line in importers("app", *extra) if line not in beside]
    assert importers("codetalker", *extra) + app + importers("app.py", *extra) == []
    assert importers("app", "app.agents") + importers("app.py", "app.agents") == []
    assert not any(f"{name}==" in (ROOT / "requirements.txt").read_text() for name in extra)


def test_handlers_know_no_gradio():
    for module in ("handlers", "sessions", "settings"):
        assert importers(f"app/{module}.py", "gradio", "app.ui") == []


@pytest.mark.parametrize("folder", ["codetalker/render", "codetalker/export"])
def test_drawing_and_exporting_know_no_model(folder):
    assert importers(folder, "torch", *(f"codetalker.{name}" for name in MODELS)) == []


def test_pyrender_is_imported_in_one_place():
    found = {line.split()[0] for folder in ("codetalker", "app", "training") for line in importers(folder, "pyrender")}
    assert found <= {"codetalker/render/context.py"}


def test_no_star_imports_and_no_utils():
    for folder in ("codetalker", "app", "training"):
        assert [path for path in sources(folder) if path.name == "utils.py"] == []
        assert [name for path in sources(folder) for name in imports(path) if name.endswith(".*")] == []


def test_importing_the_library_is_quiet_and_light():
    code = "import sys, codetalker, codetalker.pipeline, codetalker.cli\n"
    code += f"print([name for name in ('torch', 'pyrender', *{SIDE_LIBRARIES!r}) if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
