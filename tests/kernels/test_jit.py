"""The decorator of CPU kernels: a cache that is never stale and never in the way. Each case in processes of its own."""

import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest

from kernels import jit

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def family(tmp_path):
    """A copy of the shared kernel files with one family `demo`, whose kernel calls a helper in another file."""
    package = tmp_path / "kernels"
    (package / "demo").mkdir(parents=True)
    for path in (ROOT / "kernels").glob("*.py"):
        (package / path.name).write_bytes(path.read_bytes())
    (package / "demo" / "__init__.py").write_text("")
    (package / "demo" / "helper.py").write_text(helper("3.0"))
    (package / "demo" / "cpu.py").write_text(
        textwrap.dedent("""
        from kernels.jit import kernel
        from kernels.demo.helper import factor

        @kernel
        def scale(lo, hi, x, y):
            for i in range(lo, hi):
                y[i] = factor() * x[i]
        """)
    )
    return tmp_path


def helper(value):
    return f"from numba import njit\n\n@njit(inline='always')\ndef factor():\n    return {value}\n"


PROGRAM = """
import warnings, numpy as np
warnings.simplefilter("always")
from kernels.demo.cpu import scale
x, y = np.ones(3), np.zeros(3)
scale(0, 3, x, y)
scale(0, 3, x, y)
hits = sum(scale.stats.cache_hits.values())
print(f"{y[0]} hits={hits}")
"""


def run(family, program=PROGRAM, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_", "PYTHONPATH"))}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**clean, "NUMBA_CACHE_DIR": str(family / "cache"), **environment},
        cwd=family,
        capture_output=True,
        text=True,
    )


def output(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def compiled(family, suffix):
    files = sorted((family / "cache").rglob(f"*{suffix}"))
    assert files
    return files


def test_what_was_compiled_is_used_again(family):
    assert output(run(family)) == "3.0 hits=0"
    assert output(run(family)) == "3.0 hits=1"


@pytest.mark.parametrize("changed", ["demo/helper.py", "indexing.py"])
def test_a_change_in_another_file_is_seen(family, changed):
    assert output(run(family)) == "3.0 hits=0"
    path = family / "kernels" / changed
    path.write_text(helper("5.0") if "helper" in changed else "# changed\n")
    assert output(run(family)) == ("5.0 hits=0" if "helper" in changed else "3.0 hits=0")


def test_a_change_in_another_family_costs_nothing(family):
    output(run(family))
    (family / "kernels" / "other").mkdir()
    (family / "kernels" / "other" / "cpu.py").write_text("x = 1\n")
    assert output(run(family)) == "3.0 hits=1"


@pytest.mark.parametrize(("suffix", "content"), [(".nbi", b""), (".nbc", b"\x80\x04\x95garbage")])
def test_a_damaged_cache_counts_as_empty(family, suffix, content):
    output(run(family))
    for path in compiled(family, suffix):
        path.write_bytes(content)
    done = run(family)
    assert output(done) == "3.0 hits=0"
    assert done.stderr.count("RuntimeWarning") <= 1


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_truncated_cache_counts_as_empty_and_heals(family, suffix):
    output(run(family))
    for path in compiled(family, suffix):
        path.write_bytes(path.read_bytes()[:-20])
    assert output(run(family)) == "3.0 hits=0"
    assert output(run(family)).startswith("3.0")
    assert output(run(family)) == "3.0 hits=1"


@pytest.mark.skipif(sys.platform == "win32", reason="a path below a file is refused in another way on Windows")
def test_without_a_directory_to_write_it_compiles_and_says_so_once(family):
    (family / "blocker").write_text("a file where a directory is needed")
    done = run(family, NUMBA_CACHE_DIR=str(family / "blocker" / "cache"))
    assert output(done) == "3.0 hits=0"
    assert done.stderr.count("RuntimeWarning") == 1
    assert "is not cached" in done.stderr


def test_bounds_checks_have_a_cache_of_their_own(family):
    outside = PROGRAM + "\nscale(0, 4, x, y)\nprint('unnoticed')"
    output(run(family))
    checked = run(family, outside, NUMBA_BOUNDSCHECK="1")
    assert checked.returncode == 1
    assert "IndexError" in checked.stderr
    assert output(run(family)) == "3.0 hits=1"


def test_division_is_numpys():
    @jit.kernel
    def divide(x, y, out):
        for i in range(x.size):
            out[i] = x[i] / y[i]

    out = np.empty(3)
    divide(np.array([1.0, -1.0, 0.0]), np.zeros(3), out)
    assert np.array_equal(out, [np.inf, -np.inf, np.nan], equal_nan=True)


def test_reassociated_sums_keep_nan_and_infinity():
    @jit.kernel(fastmath=jit.REASSOCIATE)
    def total(x, out):
        acc = x.dtype.type(0)
        for i in range(x.size):
            acc += x[i]
        out[0] = acc

    out = np.empty(1, np.float32)
    for special in (np.nan, np.inf, -np.inf):
        x = np.ones(100, np.float32)
        x[37] = special
        total(x, out)
        assert np.array_equal(out, [special], equal_nan=True)


def test_the_hash_is_of_the_family_and_of_what_is_shared():
    here = ROOT / "kernels" / "pooling" / "cpu.py"
    assert jit.source_hash(str(here)) == jit.source_hash(str(here.with_name("reference.py")))
    assert jit.source_hash(str(here)) != jit.source_hash(str(ROOT / "kernels" / "conv" / "cpu.py"))


def test_old_compiled_code_is_removed(tmp_path):
    old, fresh = tmp_path / "mediml-demo-1", tmp_path / "mediml-demo-2"
    for folder in (old, fresh):
        folder.mkdir()
    month_ago = fresh.stat().st_mtime - 30 * 86400
    os.utime(old, (month_ago, month_ago))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jit._remove_stale(tmp_path, "mediml-demo-*")
    assert [path.name for path in tmp_path.iterdir()] == ["mediml-demo-2"]
