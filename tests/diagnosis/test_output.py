import os

import pytest

from mediml.diagnosis.output import OutputError, check_target, staged


def test_a_report_appears_whole(tmp_path):
    target = check_target(tmp_path / "new" / "report")
    with staged(target) as folder:
        (folder / "report.json").write_text('{"schema": "mediml.diagnosis"}')
        assert not target.exists()
    assert [file.name for file in target.iterdir()] == ["report.json"]
    assert [file.name for file in target.parent.iterdir()] == ["report"]


def test_an_earlier_report_is_replaced_completely(tmp_path):
    target = tmp_path / "report"
    for name in ("image.png", "score.png"):
        with staged(check_target(target)) as folder:
            (folder / "report.json").write_text('{"schema": "mediml.diagnosis"}')
            (folder / name).write_text("x")
    assert sorted(file.name for file in target.iterdir()) == ["report.json", "score.png"]


def test_after_an_error_the_earlier_report_stands(tmp_path):
    target = tmp_path / "report"
    with staged(target) as folder:
        (folder / "report.json").write_text('{"schema": "mediml.diagnosis"}')
    with pytest.raises(RuntimeError), staged(target) as folder:
        (folder / "index.json").write_text("half")
        raise RuntimeError
    assert [file.name for file in target.iterdir()] == ["report.json"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_failing_rename_restores_the_earlier_report(tmp_path, monkeypatch):
    target = tmp_path / "report"
    with staged(target) as folder:
        (folder / "report.json").write_text('{"schema": "mediml.diagnosis"}')
    rename = os.rename

    def fail(source, destination):
        if os.path.basename(source) == "new":
            raise OSError(28, "No space left on device")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OutputError, match="No space left on device"), staged(target) as folder:
        (folder / "index.json").write_text("{}")
    assert [file.name for file in target.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    "files",
    [
        {"thesis.docx": "x"},
        {"report.html": "mine"},
        {"report.json": '{"schema": "mediml.diagnosis"}', "notes.txt": "mine"},
        {"index.json": '{"schema": "mediml.diagnosis.index"}', "001/notes.txt": "mine"},
        {"index.json": '{"schema": "mediml.diagnosis.index"}', "mine/report.html": "x"},
        {"report.json": '{"schema": "other"}'},
        {"report.json": "[1]"},
    ],
)
def test_what_the_user_keeps_is_left_alone(tmp_path, files):
    target = tmp_path / "folder"
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(content)
    with pytest.raises(OutputError, match="holds other files; choose another"):
        check_target(target)
    assert all((target / name).read_text() == content for name, content in files.items())


def test_files_and_links_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="got a file or a link"):
        check_target(tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="got a file or a link"):
        check_target(tmp_path / "link")
    with pytest.raises(OutputError, match="cannot be written"):
        check_target(tmp_path / "file" / "below")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        check_target(tmp_path / "report")


def test_an_empty_folder_will_do(tmp_path):
    (tmp_path / "empty").mkdir()
    with staged(check_target(tmp_path / "empty")) as folder:
        (folder / "report.html").write_text("x")
    assert (tmp_path / "empty" / "report.html").exists()
