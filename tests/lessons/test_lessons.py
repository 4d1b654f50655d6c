"""What every built lesson keeps to, in both languages."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

LESSONS = Path(__file__).resolve().parents[2] / "lessons"
ROOT = LESSONS.parent
NAMES = sorted(path.stem for path in (LESSONS / "source").glob("[0-9][0-9]_*.py"))
LANGUAGES = ("en", "zh")
BOTH = [(name, language) for name in NAMES for language in LANGUAGES]
CHINESE = re.compile("[\u4e00-\u9fff]")


def notebook(name, language):
    return nbformat.read(LESSONS / language / f"{name}.ipynb", as_version=4)


def code_cells(name, language="en"):
    return [cell for cell in notebook(name, language).cells if cell.cell_type == "code"]


def figures(name, language="en"):
    """(cell, output) of every figure."""
    for cell in code_cells(name, language):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                yield cell, output


def test_there_are_lessons():
    assert {"04_convolution", "05_pooling", "08_autograd", "09_training_a_cnn"} <= set(NAMES)


@pytest.mark.parametrize(("name", "language"), BOTH)
def test_every_code_cell_was_run_in_order_and_none_failed(name, language):
    cells = code_cells(name, language)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert "error" not in kinds
    assert not [output for cell in cells for output in cell.outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize(("name", "language"), BOTH)
def test_metadata_says_language_and_a_kernel_that_everyone_has(name, language):
    metadata = notebook(name, language).metadata
    assert metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert metadata.mediml == {"lesson": name, "language": language}
    assert "version" not in metadata.language_info


@pytest.mark.parametrize(("name", "language"), BOTH)
def test_a_notebook_is_small_and_tells_nothing_of_the_machine(name, language):
    text = (LESSONS / language / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    without_figures = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.findall(r"/(?:home|root|tmp|work|Users)/[^\s\"]*|0x[0-9a-f]{8,}|Traceback", without_figures)


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_hold_the_same_code_and_the_same_outputs(name):
    shown = []
    for language in LANGUAGES:
        cells = json.loads(json.dumps(code_cells(name, language)))
        for cell in cells:
            for output in cell["outputs"]:
                output.get("metadata", {}).get("image/png", {}).pop("alt", None)
        shown.append(cells)
    assert shown[0] == shown[1]


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_sections(name):
    heads = []
    for language in LANGUAGES:
        text = "\n".join(cell.source for cell in notebook(name, language).cells if cell.cell_type == "markdown")
        heads.append([re.match(r"(#+) (\d*)", line).groups() for line in text.split("\n") if line.startswith("#")])
        assert bool(CHINESE.search(text)) == (language == "zh")
    assert heads[0] == heads[1] and len(heads[0]) > 8


@pytest.mark.parametrize("name", NAMES)
def test_formulas_are_the_same_in_both_languages(name):
    displayed = []
    for language in LANGUAGES:
        text = "\n".join(cell.source for cell in notebook(name, language).cells if cell.cell_type == "markdown")
        formulas = re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL)
        words = r"\\text\{[^}]*\}|_\{[^{}\\,\d]{2,}\}|\s+|\\ "  # what is said in words may differ
        displayed.append([re.sub(words, "", formula) for formula in formulas])
    assert len(displayed[0]) == len(displayed[1])
    same = [a == b for a, b in zip(*displayed)]
    assert sum(same) >= len(same) - 2  # formulas with words in them


@pytest.mark.parametrize(("name", "language"), BOTH)
def test_each_figure_has_a_description_in_the_readers_language(name, language):
    described = [output.metadata["image/png"].get("alt", "") for _, output in figures(name, language)]
    assert len(described) >= 3
    for alt in described:
        assert len(alt) > 10 and bool(CHINESE.search(alt)) == (language == "zh")


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_cell_ends_with_an_assertion(name):
    for cell, _ in figures(name):
        assert isinstance(ast.parse(cell.source).body[-1], ast.Assert), cell.source


@pytest.mark.parametrize("name", NAMES)
def test_no_code_cell_prints_a_time_or_is_long(name):
    for cell in code_cells(name):
        assert cell.source.count("\n") < 15
        assert not re.search(r"\btime\.|timeit|perf_counter|%%time", cell.source)


@pytest.mark.parametrize(("name", "language"), BOTH)
def test_links_lead_somewhere(name, language):
    cells = notebook(name, language).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    texts += [out.data.get("text/markdown", "") for c in cells for out in c.get("outputs", []) if "data" in out]
    links = [link for text in texts for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert len(links) >= 4
    for link in links:
        assert not link.startswith("http"), "a lesson works offline: name the source instead"
        assert (LESSONS / language / link).resolve().exists(), link


@pytest.mark.parametrize("name", NAMES)
def test_the_code_that_a_lesson_teaches_names_the_lesson(name):
    text = (LESSONS / "source" / f"{name}.py").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(\.\./\.\./((?:kernels|mediml)/[^)]+\.py)\)", text))
    back = [path for path in linked if re.search(rf"\blesson {name[:2]}\b", (ROOT / path).read_text(encoding="utf-8"))]
    assert back, f"none of {sorted(linked)} says 'lesson {name[:2]}'"
    for path in linked:
        if path.startswith("kernels/"):
            assert path in back


def test_the_readme_lists_every_lesson_in_both_languages():
    text = (LESSONS / "README.md").read_text(encoding="utf-8")
    for name, language in BOTH:
        title = notebook(name, language).cells[0].source.split("\n")[0].removeprefix(f"# {name[:2]} · ")
        assert f"[{title}]({language}/{name}.ipynb)" in text
