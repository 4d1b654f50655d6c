"""Build the notebooks of the lessons: one authored file in, the same lesson in English and in Chinese out.

    python lessons/build.py              all lessons
    python lessons/build.py 04 05        some of them
    python lessons/build.py --check      are the notebooks those of the sources? (executes nothing)

``source/NN_slug.py`` is in percent format: markdown cells carry the tag ``en`` or ``zh``, code cells are shared. The
code runs once, in ``lessons/en``; both notebooks hold the same code and the same outputs, so the languages cannot
drift. Nothing of the machine or the moment is kept: cell ids count positions; there are no times, versions or paths.
"""

import argparse
import copy
import os
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

LESSONS = Path(__file__).resolve().parent
LANGUAGES = ("en", "zh")
LONGEST_CODE_CELL = 15
SECONDS_PER_CELL = 120
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}

#: Where a line of the source (no heading) ends between two Chinese characters, or after Chinese punctuation, a notebook
#: would show a gap.
_CHINESE = "[\u2014\u2018-\u201d\u2026\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
_PUNCTUATION = "[\u3001\u3002\uff09\uff0c\uff1a\uff1b\uff1f]"
_CHINESE_LINE_END = re.compile(
    rf"(?m)^((?!#).*{_CHINESE}(?:\*\*)?)\n *(?=(?:\*\*)?{_CHINESE})"
    rf"|^((?!#).*{_PUNCTUATION})\n *(?=[`\[A-Za-z]|\d+[^\d.]|\$[^$])"
)


def main(arguments: list[str] | None = None) -> int:
    """Build or check the lessons named on the command line; 0 if all is well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("lessons", nargs="*", metavar="NN", help="numbers of lessons; all by default")
    parser.add_argument("--check", action="store_true", help="compare notebooks with sources, execute nothing")
    options = parser.parse_args(arguments)
    failed = 0
    for source in find_sources(options.lessons):
        try:
            if options.check:
                check(source)
            else:
                write(source, build(source))
        except ValueError as error:
            print(f"{source.name}: {error}", file=sys.stderr)
            failed = 1
        else:
            print(f"{source.name}: {'as its source' if options.check else 'built'}")
    return failed


def find_sources(numbers: list[str]) -> list[Path]:
    """The sources of the given lessons, of all lessons if none is given; unknown numbers end the program."""
    sources = sorted((LESSONS / "source").glob("[0-9][0-9]_*.py"))
    unknown = set(numbers) - {source.name[:2] for source in sources}
    if unknown or not sources:
        raise SystemExit(
            f"no lesson {', '.join(sorted(unknown))}; there are {', '.join(s.stem for s in sources) or 'none'}"
        )
    return [source for source in sources if not numbers or source.name[:2] in numbers]


def read(source: Path) -> list[NotebookNode]:
    """The cells of a source, checked for what every lesson keeps to.

    Raises
    ------
    ValueError
        If a markdown cell has not exactly one language, the languages do not go in step between two code cells, or a
        code cell is too long.
    """
    text = source.read_text(encoding="utf-8")
    cells: list[NotebookNode] = jupytext.reads(text[text.index("# %%") :], fmt="py:percent").cells
    pending = dict.fromkeys(LANGUAGES, 0)
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        first_line = cell.source.split("\n")[0]
        if cell.cell_type == "markdown":
            languages = [tag for tag in tags if tag in LANGUAGES]
            if len(languages) != 1:
                raise ValueError(f"markdown cell {first_line!r}: expected one tag, en or zh, got {tags}")
            pending[languages[0]] += 1
            continue
        _check_in_step(pending, first_line)
        if cell.source.count("\n") >= LONGEST_CODE_CELL:
            raise ValueError(
                f"code cell {first_line!r}: {cell.source.count(chr(10)) + 1} lines, at most {LONGEST_CODE_CELL}"
            )
    _check_in_step(pending, "end")
    return cells


def _check_in_step(pending: dict[str, int], where: str) -> None:
    if len(set(pending.values())) > 1:
        raise ValueError(f"before {where!r}: {pending['en']} English cells but {pending['zh']} Chinese ones")
    pending.update(dict.fromkeys(LANGUAGES, 0))


def build(source: Path) -> dict[str, NotebookNode]:
    """Run the code of a lesson once and make its notebook in each language."""
    cells = read(source)
    outputs = execute([cell for cell in cells if cell.cell_type == "code"], source.stem)
    return {language: assemble(cells, language, source.stem, outputs) for language in LANGUAGES}


def execute(code_cells: list[NotebookNode], name: str) -> list[list[Any]]:
    """The outputs of each code cell. A warning or message on stderr is an error, since a reader would see it."""
    notebook = nbformat.v4.new_notebook(cells=copy.deepcopy(code_cells), metadata=copy.deepcopy(METADATA))
    folder = LESSONS / "en"
    folder.mkdir(exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(LESSONS.parent), os.environ.get("PYTHONPATH")]))
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.outputs:
            if output.get("name") == "stderr":
                raise ValueError(f"{name}: cell {cell.source[:60]!r} wrote to stderr: {output.text.strip()}")
    return [cell.outputs for cell in notebook.cells]


def assemble(
    cells: list[NotebookNode], language: str, name: str, outputs: list[list[Any]] | None = None
) -> NotebookNode:
    """The notebook of one language; without `outputs` as it is before it runs."""
    chosen = []
    number = 0
    for cell in cells:
        tags = [tag for tag in cell.metadata.get("tags", []) if tag not in LANGUAGES]
        metadata = {"tags": tags} if tags else {}
        identity = f"{name[:2]}-{len(chosen):03d}"
        if cell.cell_type == "code":
            stored = [] if outputs is None else [_in_language(output, language) for output in outputs[number]]
            number += 1
            chosen.append(nbformat.v4.new_code_cell(
                cell.source, id=identity, metadata=metadata, outputs=stored, execution_count=number
            ))  # fmt: skip
        elif language in cell.metadata.tags:
            chosen.append(nbformat.v4.new_markdown_cell(_join(cell.source), id=identity, metadata=metadata))
    details = {**copy.deepcopy(METADATA), "mediml": {"lesson": name, "language": language}}
    return nbformat.v4.new_notebook(cells=chosen, metadata=details)


def _join(text: str) -> str:
    """Chinese prose without the line ends of the source."""
    joined = _CHINESE_LINE_END.sub(r"\1\2", text)
    return joined if joined == text else _join(joined)  # a joined line may end before a third one


def _in_language(output: Any, language: str) -> Any:
    """The output with the text alternative of its figure in one language."""
    output = copy.deepcopy(output)
    figure = output.get("metadata", {}).get("image/png", {})
    if f"alt_{language}" in figure:
        figure["alt"] = figure[f"alt_{language}"]
        for other in LANGUAGES:
            del figure[f"alt_{other}"]
    return output


def notebook_path(source: Path, language: str) -> Path:
    """Where the notebook of a source stands."""
    return LESSONS / language / f"{source.stem}.ipynb"


def write(source: Path, notebooks: dict[str, NotebookNode]) -> None:
    """Write the notebooks, with sorted keys and one indentation, so that a diff shows changes only."""
    for language, notebook in notebooks.items():
        path = notebook_path(source, language)
        path.parent.mkdir(exist_ok=True)
        nbformat.validate(notebook)
        path.write_text(
            nbformat.writes(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def check(source: Path) -> None:
    """Compare notebooks with their source, cell by cell, without running anything.

    Raises
    ------
    ValueError
        If a notebook is missing, or a cell differs from what the source says.
    """
    cells = read(source)
    for language in LANGUAGES:
        path = notebook_path(source, language)
        if not path.exists():
            raise ValueError(f"{language}/{path.name} is missing; run python lessons/build.py {source.name[:2]}")
        built = nbformat.read(path, as_version=4)
        expected = assemble(cells, language, source.stem)
        shown = [[(c.id, c.cell_type, c.source, c.metadata) for c in notebook.cells] for notebook in (built, expected)]
        if shown[0] != shown[1] or built.metadata != expected.metadata:
            raise ValueError(
                f"{language}/{path.name} differs from its source; run python lessons/build.py {source.name[:2]}"
            )


if __name__ == "__main__":
    raise SystemExit(main())
