"""What the documents say of the code is true: every cell of the map, every link, every command."""

import importlib
import re
from pathlib import Path

import pytest

from mediml import cli

ROOT = Path(__file__).resolve().parent.parent
README, README_ZH, MAP = (ROOT / name for name in ("README.md", "README.zh-CN.md", "kernels/README.md"))
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/*.md", "kernels/*.md", "lessons/*.md", "datasets/**/*.md")
    for path in sorted(ROOT.glob(pattern))
]


def tables(path):
    """Tables of a document as lists of rows, a row as a list of cells; without headings and rules."""
    found = re.findall(r"(?m)(?:^\|.*\|\n)+", path.read_text(encoding="utf-8"))
    return [[row.strip("| ").split(" | ") for row in table.splitlines()[2:]] for table in found]


def links(text):
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text)


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def wrong_cells(row):
    """What is not true of a row of *Where is …?*."""
    _, formula, fast, cuda, gradient, layer, lesson = row
    for cell in (formula, fast, cuda, layer, lesson):
        if len(links(cell)) != 1 or not (ROOT / links(cell)[0]).exists():
            yield f"{cell}: no such file"
            return
    folder = (ROOT / links(formula)[0]).parent
    for name in names(gradient):
        for end, cell in (("reference", formula), ("cpu", fast), ("cuda", cuda)):
            public = importlib.import_module(f"kernels.{folder.name}.{end}").__all__
            if name not in public or name not in (ROOT / links(cell)[0]).read_text(encoding="utf-8"):
                yield f"{name}: not in {links(cell)[0]}"


def where_is(path):
    return tables(path)[0]


@pytest.mark.parametrize("path", [README, README_ZH], ids=lambda path: path.name)
def test_every_cell_of_where_is_is_true(path):
    rows = where_is(path)
    assert len(rows) >= 7
    assert not [problem for row in rows for problem in wrong_cells(row)]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (1, "[`kernels/conv/formula.py`](kernels/conv/formula.py)"),
        (3, "[`kernels/conv/cuda_pad.py`](kernels/conv/cuda_pad.py)"),
        (3, "later"),
        (4, "`conv2d_backward_y`"),
        (4, "`max_pool2d_backward_x`"),
        (6, "[99](lessons/en/99_nothing.ipynb)"),
    ],
)
def test_a_wrong_cell_is_found(column, cell):
    row = list(where_is(README)[0])
    row[column] = cell
    assert list(wrong_cells(row))


def test_where_is_stands_on_the_first_screens():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert lines.index("## Where is …?") < 40


def test_both_languages_say_the_same():
    english, chinese = README.read_text(encoding="utf-8"), README_ZH.read_text(encoding="utf-8")
    for ours, theirs in zip(where_is(README), where_is(README_ZH)):
        translated = [cell.replace("lessons/zh/", "lessons/en/") for cell in theirs]
        assert ours[1:] == translated[1:]
    assert [len(table) for table in tables(README)] == [len(table) for table in tables(README_ZH)]
    targets = [[link.replace("/zh/", "/en/") for link in links(text)] for text in (english, chinese)]
    assert {link for link in targets[0] if "." in link} - {"README.zh-CN.md"} == {
        link for link in targets[1] if "." in link
    } - {"README.md"}
    assert english.count("\n## ") == chinese.count("\n## ")
    code = [
        re.sub(r"#.*", "", "".join(re.findall(r"(?s)```(?:sh|python)\n(.*?)```", text))) for text in (english, chinese)
    ]
    assert code[0] == code[1]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    text = path.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"(?m)^#+ (.*)$", text)
    }
    for link in links(text):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        assert not file or (path.parent / file).exists(), link
        assert not anchor or file or anchor in headings, link


def commands(text):
    """The words of each ``mediml …`` of a document, in code blocks and in backticks."""
    for line in re.findall(r"(?:^|`|/)mediml( [a-z][^`\n]*)", text, re.M):
        yield [word for word in re.sub(r"\[.*?\]|\s#.*", "", line).split() if word != "…"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_exists(path, capsys):
    for words in commands(path.read_text(encoding="utf-8")):
        assert words[0] in cli._commands(), words
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        with pytest.raises(SystemExit, match="0"):
            cli.main([*words[: 2 if words[0] in ("data", "train") and len(words) > 1 else 1], "--help"])
        text = capsys.readouterr().out
        assert all(option in text for option in options), words


def test_the_readmes_name_the_commands_that_there_are():
    told = {words[0] for words in commands(README.read_text(encoding="utf-8"))}
    assert told == set(cli._commands())


def test_every_make_target_exists():
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    for path in (README, README_ZH, ROOT / "CONTRIBUTING.md"):
        told = re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(encoding="utf-8"), re.M)
        assert told
        assert set(told) <= targets


def families():
    return sorted(path.parent.name for path in (ROOT / "kernels").glob("*/reference.py"))


def operators(family, end):
    """Operators of a back end, and for each its directions."""
    found = {}
    for name in importlib.import_module(f"kernels.{family}.{end}").__all__:
        op, direction = re.fullmatch(r"(.+?)_(forward|statistics|update|backward_\w+)", name).groups()
        found.setdefault(op, set()).add(direction)
    return found


def test_the_map_of_the_kernels_is_complete_and_true():
    """One table for each family, after the table of the files."""
    told = {}
    for operator, formula, fast, cuda, gradients, lesson in (row for table in tables(MAP)[1:] for row in table):
        family = links(formula)[0].partition("/")[0]
        (op,) = names(operator)
        told.setdefault(family, set()).add(op)
        directions = operators(family, "reference")[op]
        assert set(names(gradients)) == {name for name in directions if name.startswith("backward")}, op
        for cell in (formula, fast, cuda):
            text = (MAP.parent / links(cell)[0]).read_text(encoding="utf-8")
            assert any(f"{op}_{direction}" in text for direction in directions), (op, cell)
        assert (MAP.parent / links(lesson)[0]).exists(), op
    assert told == {family: set(operators(family, "reference")) for family in families()}


def test_the_contribution_guide_has_nine_boxes():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^- \[ \] \*\*(\d)", text) == list("123456789")


def test_one_version():
    import mediml

    for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md"):
        assert mediml.__version__ in (ROOT / name).read_text(encoding="utf-8"), name


def test_the_constraints_name_every_requirement():
    """Only what has an exact version there is installed."""
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(r"(?ms)^(dependencies|requires|torch|lessons|codecs|nifti|dev) = \[(.*?)\]\n", text)
    required = {name for _, body in lists for name in re.findall(r'"([A-Za-z][\w-]*)[>=;<\["]', body)}
    assert len(required) >= 20
    assert required - {"mediml"} <= pinned
