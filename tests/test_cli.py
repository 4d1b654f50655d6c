"""The command line: what a user meets before any command does its work."""

import argparse
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import mediml
from mediml import cli


@pytest.fixture
def command(monkeypatch):
    """A command `sample` whose work the test decides."""

    def with_work(work):
        module = SimpleNamespace(SUMMARY="a sample", add_arguments=lambda parser: parser.add_argument("word"), run=work)
        monkeypatch.setattr(cli, "_commands", lambda: {"sample": module})

    return with_work


def raising(error):
    def run(_arguments: argparse.Namespace) -> int:
        raise error

    return run


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"mediml {mediml.__version__}\n"


def test_help_lists_every_command_with_its_summary(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    commands = cli._commands()
    assert {"verify", "bench", "warmup", "diagnose", "train"} <= set(commands)
    for name, module in commands.items():
        assert name in text
        assert " ".join(module.SUMMARY.split()) in text


@pytest.mark.parametrize("words", [[], ["no-such-command"], ["verify", "--no-such-option"]])
def test_bad_words_are_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    assert "mediml" in capsys.readouterr().err


def test_the_status_is_the_commands(command):
    command(lambda arguments: 1 if arguments.word == "bad" else 0)
    assert cli.main(["sample", "good"]) == 0
    assert cli.main(["sample", "bad"]) == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("size: expected 3,\n got 4"), "mediml sample: size: expected 3, got 4\n"),
        (
            FileNotFoundError(2, "No such file or directory", "x.npz"),
            "mediml sample: x.npz: No such file or directory\n",
        ),
        (OSError("the disk is full"), "mediml sample: the disk is full\n"),
        (ImportError("x needs y; run: pip install y"), "mediml sample: x needs y; run: pip install y\n"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_line(command, error, text, capsys):
    command(raising(error))
    assert cli.main(["sample", "x"]) == 2
    assert capsys.readouterr().err == text


def test_debug_shows_the_traceback(command, capsys):
    command(raising(ValueError("no")))
    assert cli.main(["--debug", "sample", "x"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_fault_of_ours_is_not_hidden(command):
    for fault in (KeyError("bug"), ModuleNotFoundError("No module named 'numpy'")):
        command(raising(fault))
        with pytest.raises(type(fault)):
            cli.main(["sample", "x"])


def test_interrupt(command, capsys):
    command(raising(KeyboardInterrupt()))
    assert cli.main(["sample", "x"]) == 130
    assert capsys.readouterr().err == "mediml sample: interrupted\n"


def test_a_reader_that_leaves_early_is_no_error():
    """The line is still in a buffer when the pipe breaks; Python would try to write it once more at exit."""
    program = (
        "import sys\nfrom types import SimpleNamespace\nfrom mediml import cli\n"
        "def talk(arguments):\n    sys.stdin.readline()\n    print('too late')\n    return 0\n"
        "talker = SimpleNamespace(SUMMARY='', add_arguments=lambda parser: None, run=talk)\n"
        "cli._commands = lambda: {'talk': talker}\nsys.exit(cli.main(['talk']))"
    )
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, env=buffered
    ) as process:
        process.stdout.close()
        process.stdin.write(b"go on\n")
        process.stdin.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, b"")


def test_python_m_mediml():
    done = subprocess.run([sys.executable, "-m", "mediml", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mediml ")


def test_import_is_quick():
    """The fastest of three: others may be using the machine. Python itself and NumPy are part of it."""
    program = "import time; start = time.perf_counter(); import mediml; print(time.perf_counter() - start)"
    times = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(3)]
    assert min(times) < 1.0


def test_mediml_needs_no_torch():
    program = (
        "import sys\nclass NoTorch:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "import mediml, mediml.nn, mediml.optim, mediml.models.cnn, mediml.training, mediml.data, mediml.diagnosis\n"
        "x = mediml.tensor([[1.0, -2.0]], requires_grad=True)\n"
        "mediml.nn.functional.relu(x).sum().backward(); print(x.grad.numpy().tolist())"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[[1.0, 0.0]]\n"


def test_import_loads_neither_torch_nor_pictures():
    program = "import sys, mediml; print(sorted({'torch', 'matplotlib', 'scipy', 'pydicom', 'PIL'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_a_foreign_package_called_kernels_is_named(tmp_path):
    """Another project on the package index has that import name."""
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text("")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mediml"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "another project's" in done.stderr
    assert str(tmp_path) in done.stderr
