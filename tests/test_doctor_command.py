"""`mediml doctor`: all probes on this machine once, the exit status, and probes that fail."""

import json
from pathlib import Path

import pytest

import kernels
from mediml import cli
from mediml.checkup import probes, report
from mediml.checkup.findings import FAULT, NOTE, OK, Finding, Probe, Section, examine


def test_the_command_on_this_machine(capsys, tmp_path):
    path = tmp_path / "findings.json"
    assert cli.main(["doctor", "--json", str(path)]) == 0
    text, content = capsys.readouterr().out, json.loads(path.read_text())
    assert content["works"] is True and content["verdict"] in text.splitlines()[-1]
    assert list(dict.fromkeys(f["section"] for f in content["findings"])) == [p.title for p in probes.PROBES]
    lines = {finding["name"]: finding for finding in content["findings"]}
    assert not [finding for finding in content["findings"] if finding["name"] == "this check"]
    assert lines["kernels"]["text"] == str(Path(kernels.__file__).resolve().parent)
    assert lines["convolution"]["text"].startswith("right")
    assert "numba.cuda" in lines and "driver" in lines
    for finding in content["findings"]:
        assert finding["text"] in text and finding["fix"] in text


def test_the_exit_status_says_whether_ordinary_work_stops(monkeypatch, capsys):
    faults = [Finding("a", "broken", FAULT, "mend it", stops=True), Finding("b", "broken", FAULT, "mend it")]
    for count, status, words in ((1, 0, "1 fault, 0 notes: ordinary work, on the CPU, can"), (0, 1, "1 of them stops")):
        monkeypatch.setattr(probes, "PROBES", (Probe("part", lambda count=count: faults[count:]),))
        assert cli.main(["doctor"]) == status
        assert words in capsys.readouterr().out
        assert cli.main(["doctor", "--json", "-"]) == status
        assert json.loads(capsys.readouterr().out)["works"] is (status == 0)


def test_the_text_is_aligned_and_the_way_out_stands_below():
    sections = [Section("one", (Finding("a", "x"), Finding("long name", "y", FAULT, "do this"))), Section("two", ())]
    assert report.as_text(sections).splitlines() == [
        "one",
        "  ok     a          x",
        "  FAULT  long name  y",
        "                    -> do this",
        "two",
        "",
        "1 fault, 0 notes: ordinary work, on the CPU, can go on",
    ]


def test_a_probe_that_fails_stops_no_other():
    class Panic(BaseException):
        pass

    def half():
        yield Finding("a", "found")
        raise Panic("no\nway")

    def broken():
        raise OSError("gone")

    sections = examine([Probe("half", half), Probe("broken", broken), Probe("whole", lambda: [Finding("b", "found")])])
    assert [f.text for s in sections for f in s.findings] == [
        "found", "could not be made: Panic: no way", "could not be made: OSError: gone", "found",
    ]  # fmt: skip
    assert {f.state for s in sections for f in s.findings} == {OK, NOTE}


def test_ctrl_c_is_no_finding():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine([Probe("one", interrupted)])
