"""The house rules that a program can check, each shown to find a planted violation.

A rule takes a module's dotted name and its syntax tree and yields what breaks it.
"""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 400
FAMILY_FILES = ("__init__", "shapes", "reference", "cpu", "cuda")
#: What the back ends of one family share: scalar formulas, and the loop that applies one to every element.
SHARED_FORMULAS = ("formulas", "elementwise")
BACK_ENDS = ("reference", "cpu", "cuda")
#: The folders of kernels/ that are no family: what all families' ``cuda.py`` build on.
SHARED_ROOMS = ("gpu",)

#: From the ground up; a module imports from its own storey and from below. Longer names decide first.
STOREYS = {
    "kernels": 0,
    "mediml": 1,
    "mediml.nn.functional": 2,
    "mediml.nn.arguments": 2,
    "mediml.nn": 3,
    "mediml.optim": 3,
    "mediml.data": 1,
    "mediml.imaging": 1,
    "mediml.models": 4,
    "mediml.reference": 4,
    "mediml.evaluation": 4,
    "mediml.plots": 4,
    "mediml.training": 5,
    "mediml.viewer": 4,
    "mediml.diagnosis": 5,
    "mediml.exercises": 5,
    "mediml.verify": 5,
    "mediml.checkup": 5,
    "mediml.bench": 6,
    "mediml.commands": 7,
    "mediml.cli": 8,
    "mediml.__main__": 8,
    "lessons": 8,
}
MAY_IMPORT_TORCH = ("mediml.reference", "mediml.verify", "mediml.bench")
NO_NETWORKS = ("mediml.data", "mediml.imaging")
UNSAFE_CALLS = {"eval", "exec", "torch.load", "joblib.load", "np.fromstring", "os.system"}
UNSAFE_IMPORTS = {"pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}
MACHINE_PATH = re.compile(r"(?<![\w.])(/work/|/home/\w|/Users/\w|/root/|[A-Z]:\\\\Users)")


def modules():
    """(dotted name, path) of each file of the two packages."""
    for package in ("kernels", "mediml"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def lesson_sources():
    """(name, path, code of the code cells) of each lesson."""
    for path in sorted((ROOT / "lessons" / "source").glob("[0-9][0-9]_*.py")):
        yield f"lessons.{path.stem}", path, code_cells(path.read_text(encoding="utf-8"))


def code_cells(text):
    """What a percent-format file holds outside its markdown cells; magics become comments."""
    cells = re.split(r"(?m)^# %%", text)[1:]
    code = [cell.partition("\n")[2] for cell in cells if "[markdown]" not in cell.partition("\n")[0]]
    return re.sub(r"(?m)^\s*[%!].*$", "", "\n".join(code))


def imports(tree, name):
    """(imported module, line) of each import that runs; those for type checkers do not."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: line {node.lineno}: imports are absolute"
            for alias in node.names:  # `from mediml import nn` imports mediml.nn
                full = f"{node.module}.{alias.name}"
                yield (full if storey_name(full) != storey_name(node.module) else node.module), node.lineno


def storey_name(module):
    while module and module not in STOREYS:
        module = module.rpartition(".")[0]
    return module


def inside(module, packages):
    return any(module == package or module.startswith(package + ".") for package in packages)


def rule_direction(name, tree):
    """Imports point down."""
    here = STOREYS[storey_name(name)]
    for imported, line in imports(tree, name):
        if imported.partition(".")[0] in ("kernels", "mediml", "lessons") and STOREYS[storey_name(imported)] > here:
            # The tensor's operators reach the functions above it when they are called, not when it is imported.
            if here == 1 and not _runs_at_import(tree, line) and storey_name(imported) == "mediml.nn.functional":
                continue
            yield f"line {line}: {name} imports {imported} from above it"


def _runs_at_import(tree, line):
    return not any(
        isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.lineno < line <= node.end_lineno
        for node in ast.walk(tree)
    )


def rule_kernels_compute_only(name, tree):
    """Kernels know NumPy and Numba, and a family knows no other."""
    if not inside(name, ["kernels"]):
        return
    family = name.split(".")[1] if name.count(".") == 2 else None
    others = {path.name for path in (ROOT / "kernels").iterdir() if path.is_dir()} - {family, *SHARED_ROOMS}
    for imported, line in imports(tree, name):
        parts = imported.split(".")
        if parts[0] in ("mediml", "torch", "scipy", "matplotlib", "pydicom", "PIL", "sklearn"):
            yield f"line {line}: {name} imports {imported}"
        elif parts[0] == "kernels" and len(parts) > 1 and parts[1] in others:
            yield f"line {line}: {name} imports the family {parts[1]}"


def rule_torch(name, tree):
    """Only what compares with torch imports it."""
    for imported, line in imports(tree, name):
        if inside(imported, ["torch"]) and not inside(name, MAY_IMPORT_TORCH):
            yield f"line {line}: {name} imports {imported}"


def rule_no_networks(name, tree):
    """Images and data sets know no networks."""
    for imported, line in imports(tree, name):
        if inside(name, NO_NETWORKS) and inside(imported, ["mediml.nn", "mediml.models", "mediml.optim"]):
            yield f"line {line}: {name} imports {imported}"


def rule_no_code_from_data(name, tree):
    """No pickle, no eval."""
    for imported, line in imports(tree, name):
        if imported.partition(".")[0] in UNSAFE_IMPORTS:
            yield f"line {line}: {name} imports {imported}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func) in UNSAFE_CALLS:
            yield f"line {node.lineno}: {name} calls {ast.unparse(node.func)}"
        for keyword in node.keywords:
            value = getattr(keyword.value, "value", None)
            if (keyword.arg, value) in (("allow_pickle", True), ("weights_only", False), ("shell", True)):
                yield f"line {node.lineno}: {name} passes {keyword.arg}={value}"


def rule_fastmath(name, tree):
    """Full fastmath assumes that there is no NaN."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "fastmath" and getattr(node.value, "value", None) is True:
            yield f"line {node.value.lineno}: {name} sets fastmath=True"


def rule_machine_paths(name, tree):
    """No path of one machine."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and MACHINE_PATH.search(node.value):
            yield f"line {node.lineno}: {name} names {MACHINE_PATH.search(node.value).group()}"


def rule_one_kernel_decorator(name, tree):
    """Kernels are compiled by kernels.jit, or launched by kernels.gpu.launch; the kernel doctor brings examples."""
    if name == "kernels.jit":
        return
    for node in ast.walk(tree):
        elsewhere = not inside(name, ["kernels.gpu.launch", "kernels.gpu.target", "mediml.exercises", "lessons"])
        if elsewhere and isinstance(node, ast.Attribute) and ast.unparse(node) == "cuda.jit":
            yield f"line {node.lineno}: {name} uses cuda.jit"
        if isinstance(node, ast.ImportFrom) and node.module == "numba":
            names = {alias.name for alias in node.names} & {"jit", "njit", "vectorize", "guvectorize", "prange"}
            if names and not (inside(name, ["kernels"]) and names == {"njit"}):  # helpers inlined into kernels
                yield f"line {node.lineno}: {name} imports {', '.join(sorted(names))} from numba"


def rule_lesson_defines_nothing(name, tree):
    """Lessons import code; they define none."""
    if not inside(name, ["lessons"]):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            yield f"line {node.lineno}: {name} defines {node.name}"


RULES = [rule for rule_name, rule in sorted(globals().items()) if rule_name.startswith("rule_")]


def violations(rule, name, source):
    return list(rule(name, ast.parse(source)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_packages_keep_the_rule(rule):
    found = [
        f"{path.relative_to(ROOT)}: {violation}"
        for name, path in modules()
        for violation in violations(rule, name, path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_lessons_keep_the_rule(rule):
    sources = list(lesson_sources())
    assert sources, "no lesson found"
    found = [f"{path.name}: {found}" for name, path, code in sources for found in violations(rule, name, code)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (rule_direction, "mediml.nn.functional.conv", "from mediml.nn.modules import conv"),
        (rule_direction, "mediml.nn.modules.conv", "def f():\n    import mediml.models.cnn"),
        (rule_direction, "mediml.models.cnn", "from mediml import training"),
        (rule_direction, "mediml.tensor", "from mediml.nn import functional"),
        (rule_direction, "mediml.diagnosis.report", "from mediml.commands import diagnose"),
        (rule_kernels_compute_only, "kernels.conv.cpu", "from kernels.pooling import shapes"),
        (rule_kernels_compute_only, "kernels.memory", "import kernels.conv.cpu"),
        (rule_kernels_compute_only, "kernels.conv.cpu", "import mediml"),
        (rule_kernels_compute_only, "kernels.jit", "def f():\n    import torch"),
        (rule_torch, "mediml.tensor", "def f():\n    from torch import nn"),
        (rule_torch, "lessons.04_convolution", "import torch.nn.functional as F"),
        (rule_no_networks, "mediml.data.loader", "from mediml import nn"),
        (rule_no_networks, "mediml.imaging.dicom", "from mediml.models.cnn import CNN"),
        (rule_no_code_from_data, "mediml.data.loader", "import pickle"),
        (rule_no_code_from_data, "mediml.data.loader", "numpy.load(path, allow_pickle=True)"),
        (rule_no_code_from_data, "mediml.cli", "eval('1')"),
        (rule_no_code_from_data, "mediml.serialization", "torch.load(path)"),
        (rule_fastmath, "kernels.conv.cpu", "@kernel(fastmath=True)\ndef f(): pass"),
        (rule_machine_paths, "mediml.cli", "DATA = '/home/someone/data'"),
        (rule_one_kernel_decorator, "mediml.data.augmentation", "from numba import njit"),
        (rule_one_kernel_decorator, "kernels.conv.cpu", "from numba import prange"),
        (rule_one_kernel_decorator, "kernels.conv.cuda", "@cuda.jit\ndef f(): pass"),
        (rule_kernels_compute_only, "kernels.gpu.matmul", "import kernels.conv.cpu"),
        (rule_lesson_defines_nothing, "lessons.04_convolution", "def convolve(x): return x"),
        (rule_lesson_defines_nothing, "lessons.04_convolution", "if True:\n    class A: pass"),
    ],
)
def test_a_planted_violation_is_found(rule, name, source):
    assert violations(rule, name, source)


def test_every_rule_has_a_planted_violation():
    planted = next(mark for mark in test_a_planted_violation_is_found.pytestmark if mark.name == "parametrize")
    assert {rule for rule, _, _ in planted.args[1]} == set(RULES)


def test_code_cells_are_told_from_text():
    text = '# %% [markdown] tags=["en"]\n# def no(): pass\n# %%\n%matplotlib inline\nx = 1\n# %% tags=["t"]\ny = 2\n'
    assert ast.unparse(ast.parse(code_cells(text))) == "x = 1\ny = 2"


def too_long(paths):
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    return {str(path): length for path, length in lengths.items() if length > LONGEST_FILE}


def test_no_file_is_too_long(tmp_path):
    planted = tmp_path / "long.py"
    planted.write_text("x = 1\n" * (LONGEST_FILE + 1))
    assert too_long([planted])
    python = [path for folder in ("kernels", "mediml", "tests", "lessons") for path in (ROOT / folder).rglob("*.py")]
    assert not too_long(path for path in python if path.parent.name != "source")  # a lesson is a text


def families():
    folders = {path.parent.name for path in (ROOT / "kernels").glob("*/__init__.py")}
    return sorted(folders - set(SHARED_ROOMS))


def back_ends(family):
    return [end for end in BACK_ENDS if (ROOT / "kernels" / family / f"{end}.py").exists()]


def stray_files(names):
    """Names that are neither one of the five, nor a named part of one such as ``reference_pad``, nor the formulas."""
    parts = tuple(f"{name}_" for name in FAMILY_FILES[1:])
    return [name for name in names if name not in FAMILY_FILES + SHARED_FORMULAS and not name.startswith(parts)]


@pytest.mark.parametrize("family", families())
def test_a_family_has_its_files_and_no_others(family):
    names = [path.stem for path in (ROOT / "kernels" / family).glob("*.py")]
    assert {"__init__", "shapes", "reference", "cpu"} <= set(names)
    assert not stray_files(names)
    assert not [path for path in (ROOT / "kernels" / family).glob("*.py") if not path.read_text().strip()]


def test_a_stray_file_is_found():
    assert stray_files(["cpu", "helpers"]) == ["helpers"]
    assert stray_files(["cpu_elementwise", "reference_pad"]) == []


def differences(modules):
    """Public names that are missing somewhere, or whose parameters differ."""
    public = {name for module in modules for name in module.__all__}
    for name in sorted(public):
        signatures = {str(inspect.signature(getattr(m, name))) if name in m.__all__ else "missing" for m in modules}
        if len(signatures) > 1:
            yield f"{name}: {' / '.join(sorted(signatures))}"


@pytest.mark.parametrize("family", families())
def test_back_ends_have_the_same_functions(family):
    modules = [importlib.import_module(f"kernels.{family}.{end}") for end in back_ends(family)]
    assert len(modules) >= 2
    assert modules[0].__all__
    assert not list(differences(modules))


def test_a_difference_between_back_ends_is_found():
    from types import SimpleNamespace

    one = SimpleNamespace(__all__=["f", "g"], f=lambda x: x, g=lambda x: x)
    other = SimpleNamespace(__all__=["f"], f=lambda x, y: x)
    assert [line.partition(":")[0] for line in differences([one, other])] == ["f", "g"]


def test_public_kernels_say_what_they_do():
    silent = [
        f"{family}.{end}.{name}"
        for family in families()
        for end in back_ends(family)
        for module in [importlib.import_module(f"kernels.{family}.{end}")]
        for name in module.__all__
        if not inspect.getdoc(getattr(module, name))
    ]
    assert not silent


def test_every_package_is_in_the_wheel():
    """setup.py finds packages by their __init__.py; a folder of code without one would be left out."""
    missing = {path.parent for _, path in modules() if not (path.parent / "__init__.py").exists()}
    assert not missing


def test_every_test_folder_mirrors_code():
    """A stem names the same thing everywhere."""
    stems = {path.stem for path in (ROOT / "kernels").iterdir() if path.name != "__pycache__"}
    strange = [path.name for path in (ROOT / "tests" / "kernels").glob("test_*.py") if path.stem[5:] not in stems]
    assert not strange
    assert {name for _, name, _ in pkgutil.iter_modules([str(ROOT / "kernels")])}
