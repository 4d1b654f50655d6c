"""The whole way: files in, reports out, by the command."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as Pillow

from mediml import cli
from mediml.diagnosis.report import score_text
from mediml.models import pretrained as pretrained_module


@pytest.fixture
def diagnose(pretrained, monkeypatch, capsys, tmp_path):
    """``diagnose(path, "--language", "zh")``: exit status, folder of the report, what was printed."""
    monkeypatch.setattr(pretrained_module, "load", lambda _name: pretrained)

    def diagnose(*arguments, out=None):
        folder = tmp_path / "out" if out is None else out
        status = cli.main(["diagnose", *map(str, arguments), "--out", str(folder)])
        return status, folder, capsys.readouterr()

    return diagnose


def report(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


class Page(HTMLParser):
    """Text, tags and addresses of a page; fails on unbalanced tags."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.tags, self.addresses = "", [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for key, value in attributes if key in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page(file):
    return Page(file.read_text(encoding="utf-8"))


def test_a_chest_film_is_judged(diagnose, film):
    status, folder, printed = diagnose(film())
    content = report(folder)
    assert status == 0 and content["outcome"] == {"status": "judged", "reasons": []}
    assert 0 <= content["score"]["value"] <= 1 and content["score"]["positive_class"] == "pneumonia"
    assert content["score"]["at_or_above_threshold"] == (content["score"]["value"] >= 0.5)
    assert content["for_study"] is None and all(value is None for value in content["reader"].values())
    assert set(content["figures"]) == {"image", "input", "feature_maps", "score"}
    for name in content["figures"].values():
        assert Pillow.open(folder / name).size[0] >= 400
    shown = page(folder / "report.html").text
    assert f"{content['score']['value']:.2f}" in shown
    assert "Of the 60 images of the test split" in shown and "20 % had the label" in shown  # the card's only bin
    assert str(folder / "report.html") in printed.out and "Next:" in printed.out


def test_a_score_is_never_written_as_certain():
    assert [score_text(score) for score in (0.0001, 0.005, 0.55, 0.9949, 0.99999)] == [
        "< 0.01", "0.01", "0.55", "0.99", "> 0.99",
    ]  # fmt: skip


def test_the_page_stands_alone(diagnose, film):
    _, folder, _ = diagnose(film())
    shown = page(folder / "report.html")
    assert all(address.startswith("data:image/png;base64,") for address in shown.addresses)
    assert shown.tags.count("img") == 4 and not {"script", "link", "iframe", "form"} & set(shown.tags)
    assert not re.search(r"https?://", shown.text)
    assert shown.text.count("Education, not for clinical use") >= 2
    assert '@top-center{content:"Education, not for clinical use"' in shown.text  # each printed sheet


def test_what_the_card_says_is_escaped(diagnose, film):
    _, folder, _ = diagnose(film())
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_of_a_person_reaches_a_report(diagnose, film, canary, language):
    film(f"folder/{canary}_1.dcm")
    film(f"folder/{canary}_2.dcm", Modality="CT")
    path = film(f"folder/{canary}_3.dcm", Rows=None)
    status, folder, printed = diagnose(path.parent, "--language", language)
    assert status == 0
    for file in folder.rglob("*"):
        assert canary not in file.name
        assert file.is_dir() or canary.encode() not in file.read_bytes(), file.name
    assert canary not in printed.out + printed.err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Modality": "CT"}, "CT is not projection radiography"),
        ({"PatientAge": "055Y"}, "Older than the training data"),
        ({"BodyPartExamined": "HAND"}, "HAND, and the model knows chests only"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "does not look like an upright chest|arrangement of light"),
        ({"ViewPosition": "LL"}, "frontal views only"),
        ({"PresentationLUTShape": "INVERSE"}, "contradicts itself"),
        ({"BurnedInAnnotation": "YES"}, "text is burnt into"),
    ],
)
def test_what_cannot_be_judged_is_not(diagnose, film, changes, reason):
    status, folder, printed = diagnose(film(**changes))
    content = report(folder)
    assert status == 0 and content["outcome"]["status"] == "not_judged" and content["score"] is None
    assert any(re.search(reason, sentence) for sentence in content["outcome"]["reasons"])
    assert re.search(reason, printed.out) and re.search(reason, page(folder / "report.html").text)
    assert "Model score for" not in page(folder / "report.html").text


def test_the_network_is_run_for_study_only_where_it_is_a_chest(diagnose, film):
    _, folder, _ = diagnose(film(PatientAge="055Y"))
    assert 0 <= report(folder)["for_study"]["withheld_value"] <= 1
    assert "details" in page(folder / "report.html").tags
    _, folder, _ = diagnose(film(Modality="CT"))
    assert report(folder)["for_study"] is None and "feature_maps" not in report(folder)["figures"]


def test_a_picture_with_burnt_in_text_is_not_shown(diagnose, film):
    _, folder, _ = diagnose(film(BurnedInAnnotation="YES"))
    assert set(report(folder)["figures"]) == {"score"} and not (folder / "image.png").exists()


def test_a_picture_file_is_judged_with_notes_and_a_photograph_is_not(diagnose, chests, tmp_path):
    Pillow.fromarray((np.kron(chests[2][1], np.ones((8, 8))) * 255).astype(np.uint8)).save(tmp_path / "chest.png")
    _, folder, _ = diagnose(tmp_path / "chest.png")
    content = report(folder)
    assert content["outcome"]["status"] == "judged" and content["input"]["format"] == "PNG"
    assert {check["level"] for check in content["checks"]} == {"pass", "caution"}
    photograph = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Pillow.fromarray(photograph).save(tmp_path / "photograph.jpg")
    _, folder, _ = diagnose(tmp_path / "photograph.jpg")
    assert report(folder)["outcome"]["status"] == "not_judged" and "image" not in report(folder)["figures"]


def test_a_folder_gives_a_report_each_and_bad_files_stop_nothing(diagnose, film):
    folder = film("in/b.dcm").parent
    film("in/sub/c.dcm", number=1)
    (folder / "a.txt").write_text("hello")
    (folder / ".hidden").write_text("x")
    status, out, printed = diagnose(folder)
    index = json.loads((out / "index.json").read_text())
    assert status == 0 and [entry["status"] for entry in index["reports"]] == ["not_read", "judged", "judged"]
    assert index["reports"][0]["reasons"] == ["the file is not DICOM, PNG or JPEG"]
    shown = page(out / "index.html")
    assert shown.addresses == ["001/report.html", "002/report.html", "003/report.html"]
    assert all((out / address).is_file() for address in shown.addresses)
    assert page(out / "002" / "report.html").addresses[0] == "../index.html"
    assert "2 judged, 0 not judged, 1 not read" in printed.out
    assert shown.text.count("Education, not for clinical use") >= 2
    again, _, _ = diagnose(folder)  # an earlier report of ours is replaced
    assert again == 0


def test_an_earlier_report_inside_the_folder_is_no_input(diagnose, film):
    folder = film("in/a.dcm").parent
    for _ in range(2):
        status, out, _ = diagnose(folder, out=folder / "report")
        assert status == 0 and len(json.loads((out / "index.json").read_text())["reports"]) == 1


def test_a_report_repeats_byte_for_byte(diagnose, film, monkeypatch, tmp_path):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    _, first, _ = diagnose(film(), out=tmp_path / "first")
    _, second, _ = diagnose(film(), out=tmp_path / "second")
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name
    assert report(first)["created"] == "2023-11-14T22:13:20Z"


def test_chinese(diagnose, film):
    _, folder, _ = diagnose(film(), "--language", "zh")
    shown = page(folder / "report.html")
    assert shown.text.count("仅供教学，不得用于临床") >= 2 and "肺炎" in shown.text and "Education" not in shown.text


def test_bad_requests_are_one_line_and_status_2(diagnose, film, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello")
    for path, message in ((tmp_path / "absent", "there is none"), (tmp_path / "empty", "at least one file")):
        status, folder, printed = diagnose(path)
        assert status == 2 and message in printed.err and printed.err.count("\n") == 1 and not folder.exists()
    status, folder, printed = diagnose(tmp_path / "text")
    assert status == 2 and "not DICOM, PNG or JPEG" in printed.out
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis").touch()
    status, _, printed = diagnose(film(), out=tmp_path / "taken")
    assert status == 2 and "holds other files" in printed.err and "Traceback" not in printed.err


def test_every_key_of_the_schema_is_always_there(diagnose, film, tmp_path):
    (tmp_path / "text").write_text("hello")
    kinds = [report(diagnose(path)[1]) for path in (film(), film("mr.dcm", Modality="MR"), tmp_path / "text")]
    assert [content["outcome"]["status"] for content in kinds] == ["judged", "not_judged", "not_read"]
    for content in kinds:
        assert content.keys() == kinds[0].keys() and content["input"].keys() == kinds[0]["input"].keys()
        assert content["schema"] == "mediml.diagnosis" and content["version"] == 1


def test_a_file_of_unknown_origin_is_not_parsed_in_this_process(diagnose, film, monkeypatch):
    """A decoder that a damaged file brings down must not take the run with it."""
    monkeypatch.setattr("mediml.imaging.dicom.parse", lambda _content: pytest.fail("parsed in this process"))
    status, folder, _ = diagnose(film())
    assert status == 0 and report(folder)["outcome"]["status"] == "judged"
