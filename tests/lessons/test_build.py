"""The builder: one source, two notebooks, and refusals that name the cell."""

import importlib.util
import sys
from pathlib import Path

import nbformat
import pytest

LESSONS = Path(__file__).resolve().parents[2] / "lessons"

SOURCE = """# %% [markdown] tags=["en"]
# # 99 · Points
# One sentence.

# %% [markdown] tags=["zh"]
# # 99 · 点
# 一句话分成两行，
# 中间**没有空隙**。

# %%
import numpy as np
from mediml.plots import show_numbers

print("sum", 1 + 2)

# %%
show_numbers({"x": np.eye(2)}, ("An identity matrix.", "单位矩阵。"))
assert np.eye(2).sum() == 2
"""


@pytest.fixture
def builder(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("lessons_build", LESSONS / "build.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lessons_build", module)
    monkeypatch.setenv("PYTHONPATH", str(LESSONS.parent))
    spec.loader.exec_module(module)
    (tmp_path / "source").mkdir()
    monkeypatch.setattr(module, "LESSONS", tmp_path)
    return module


def author(builder, text, name="99_points"):
    path = builder.LESSONS / "source" / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_building_twice_gives_the_same_files(builder):
    source = author(builder, SOURCE)
    assert builder.main(["99"]) == 0
    first = [builder.notebook_path(source, language).read_bytes() for language in ("en", "zh")]
    assert builder.main([]) == 0
    assert first == [builder.notebook_path(source, language).read_bytes() for language in ("en", "zh")]


def test_each_language_gets_its_text_and_the_same_outputs(builder):
    source = author(builder, SOURCE)
    builder.main([])
    english, chinese = (nbformat.read(builder.notebook_path(source, language), 4) for language in ("en", "zh"))
    assert [cell.cell_type for cell in english.cells] == ["markdown", "code", "code"]
    assert [cell.id for cell in english.cells] == [cell.id for cell in chinese.cells] == ["99-000", "99-001", "99-002"]
    assert english.cells[0].source.endswith("One sentence.")
    assert english.cells[1].outputs[0].text == chinese.cells[1].outputs[0].text == "sum 3\n"
    alts = [n.cells[2].outputs[0].metadata["image/png"]["alt"] for n in (english, chinese)]
    assert alts == ["An identity matrix.", "单位矩阵。"]
    assert english.cells[2].outputs[0].data == chinese.cells[2].outputs[0].data


def test_chinese_lines_are_joined_without_a_gap(builder):
    source = author(builder, SOURCE)
    cell = builder.assemble(builder.read(source), "zh", source.stem).cells[0]
    assert cell.source == "# 99 · 点\n一句话分成两行，中间**没有空隙**。"


def test_check_finds_a_notebook_that_is_not_its_sources(builder, capsys):
    author(builder, SOURCE)
    assert builder.main(["--check"]) == 1
    assert "99_points.ipynb is missing" in capsys.readouterr().err
    builder.main([])
    assert builder.main(["--check"]) == 0
    author(builder, SOURCE.replace("1 + 2", "2 + 1"))
    assert builder.main(["--check"]) == 1
    assert "differs from its source" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('# %% [markdown] tags=["zh"]', '# %% [markdown] tags=["en"]', "2 English cells but 0 Chinese"),
        ('# %% [markdown] tags=["zh"]', "# %% [markdown]", "expected one tag, en or zh"),
        ('print("sum", 1 + 2)', "\n".join(["print(1)"] * 13), "16 lines, at most 15"),
    ],
)
def test_a_source_that_breaks_a_rule_is_refused(builder, old, new, message):
    source = author(builder, SOURCE.replace(old, new))
    with pytest.raises(ValueError, match=message):
        builder.read(source)


def test_a_cell_that_warns_is_refused(builder):
    source = author(builder, SOURCE.replace('print("sum", 1 + 2)', "import warnings\nwarnings.warn('look')"))
    with pytest.raises(ValueError, match="wrote to stderr"):
        builder.build(source)


def test_an_unknown_number_is_refused(builder):
    author(builder, SOURCE)
    with pytest.raises(SystemExit, match="no lesson 42"):
        builder.main(["42"])


def test_the_committed_notebooks_are_those_of_their_sources():
    spec = importlib.util.spec_from_file_location("lessons_build_real", LESSONS / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(["--check"]) == 0
