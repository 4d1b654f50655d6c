"""The catalogue: entries without gaps, files of installed packages by hash, what a download is made of; no network."""

import hashlib
import re
from pathlib import Path

import pytest

from mediml.data import catalog as catalogue
from mediml.data.catalog import CatalogError, card, catalog, files_of, in_bytes, packaged_file, source

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = sorted(name for name, entry in catalog().items() if "package" in entry)
DOWNLOADS = sorted(name for name, entry in catalog().items() if "files" in entry)

TEXTS = {"title", "modality", "task", "licence", "licence_url", "use", "citation", "homepage", "card"}
OPTIONAL = {"kind", "classes", "splits", "positives", "channels", "dimensions", "photometric", "extra"}
KINDS = {"binary", "multi-class", "multi-label", "ordinal", "segmentation", "unlabelled"}
LENGTHS = {"md5": 32, "sha256": 64}


@pytest.mark.parametrize("name", sorted(catalog()))
def test_an_entry_says_everything(name):
    entry = source(name)
    own = {"package", "path", "sha256", "bytes"} if name in PACKAGED else {"urls", "files", "choice"}
    assert set(entry) >= TEXTS | {"limits"} | (own - {"choice"})
    assert set(entry) <= TEXTS | {"limits"} | OPTIONAL | own
    assert all(isinstance(entry[key], str) and entry[key].strip() == entry[key] != "" for key in TEXTS)
    assert entry["limits"] and all(isinstance(limit, str) and limit.endswith(".") for limit in entry["limits"])
    assert entry.get("kind", "binary") in KINDS and re.fullmatch(r"[a-z0-9_]+", name)
    for key in ("licence_url", "homepage"):
        assert entry[key].startswith("https://")


@pytest.mark.parametrize("name", sorted(catalog()))
def test_the_card_of_an_entry(name):
    text = card(name)
    assert name in text.lower()
    for word in ("What.", "ource", "icence", "Limits."):
        assert word in text


@pytest.mark.parametrize("name", PACKAGED)
def test_the_card_of_a_packaged_file_names_that_file(name):
    rows = [line.split("|")[1:3] for line in card(name).splitlines() if line.startswith("|")]
    pairs = [zip(*(re.findall("`([^`]+)`", cell) for cell in row), strict=True) for row in rows if "`" in row[1]]
    files = {own: file for pair in pairs for own, file in pair}
    assert files[name] == Path(source(name)["path"]).name


@pytest.mark.parametrize("name", sorted(catalog()))
def test_the_card_knows_the_licence(name):
    licence = source(name)["licence"]
    if name not in ("montgomery", "ixi_t1", "hyper_kvasir_polyps", "bus_bra"):  # "they differ", as their card says
        assert licence.split(" as ")[0] in card(name)


def test_the_numbers_of_cards_are_those_of_the_entries():
    entry = source("pneumoniamnist")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \((\d+) %\) \| (\d+) \|$", card("pneumoniamnist"), re.MULTILINE)
    assert {split: int(count) for split, count, *_ in rows} == entry["splits"]
    assert {split: int(ill) for split, _, ill, *_ in rows} == entry["positives"]
    for _, count, ill, share, healthy in rows:
        assert int(ill) + int(healthy) == int(count) and round(100 * int(ill) / int(count)) == int(share)
    assert f"{sum(entry['splits'].values()):,} chest radiographs" in card("pneumoniamnist")
    assert f"({source('hippocampus')['splits']['train']} volumes)" in card("hippocampus")
    assert f"about {files_of('hippocampus')[0].about_bytes // 10**6} MB" in card("hippocampus")


def test_the_card_says_which_packaged_files_lost_something():
    """What their headers say: Lossy Image Compression and its ratio."""
    import pydicom

    told = " ".join(card("chest_xray").split())
    for name, ratio in (("chest_xray", "10"), ("mr_shoulder", "18"), ("bone_xray", "30")):
        header = pydicom.dcmread(installed(name), stop_before_pixels=True)
        assert header.LossyImageCompression == "01" and float(header.LossyImageCompressionRatio) == float(ratio)
        assert f"`{name}` {ratio}:1" in told


def test_every_card_is_of_an_entry():
    cards = {path.name for path in (ROOT / "datasets" / "cards").glob("*.md")}
    assert cards == {Path(entry["card"]).name for entry in catalog().values()}


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_download_says_from_where_and_by_what_it_is_known(name):
    entry = source(name)
    names = []
    for key, record in entry["files"].items():
        assert set(record) <= {"file", "md5", "sha256", "trust", "mirrors", "bytes", "about_mb", "unpack"}
        hashes = {algorithm: record[algorithm] for algorithm in LENGTHS if algorithm in record}
        assert bool(hashes) != (record.get("trust") == "first use")
        for algorithm, text in hashes.items():
            assert re.fullmatch(f"[0-9a-f]{{{LENGTHS[algorithm]}}}", text)
        names.append(record["file"])
        file = next(f for f in _all_files(name) if f.key == key)
        assert file.urls and all(url.startswith("https://") and "{" not in url for url in file.urls)
        assert all(file.file in url for url in file.urls)
        assert file.bytes or file.about_bytes or file.at_most
        assert Path(file.file).name == file.file
        assert file.unpack == file.file.endswith((".tar", ".zip"))
    assert len(set(names)) == len(names)


def _all_files(name):
    entry = source(name)
    sizes = [int(key) for key in entry["files"]] if entry.get("choice") == "size" else [None]
    return [file for size in sizes for file in files_of(name, size)]


def test_no_file_has_two_names_and_no_hash_two_files():
    files = [file for name in DOWNLOADS for file in _all_files(name)]
    for key in (lambda f: f.file, lambda f: f.hashes.get("md5", f.file), lambda f: f.hashes.get("sha256", f.file)):
        assert len({key(file) for file in files}) == len(files)


def test_the_families_are_complete():
    """By the articles: 12 two-dimensional and 6 three-dimensional sets; ten tasks."""
    medmnist = {name: entry for name, entry in catalog().items() if "dimensions" in entry}
    sizes = {name: list(entry["files"]) for name, entry in medmnist.items()}
    two, three = ([n for n, e in medmnist.items() if e["dimensions"] == d] for d in (2, 3))
    assert (len(two), len(three)) == (12, 6) and all(name.endswith("3d") for name in three)
    assert all(sizes[name] == ["28", "64", "128", "224"] for name in two)
    assert all(sizes[name] == ["28", "64"] for name in three)
    assert [name for name, entry in medmnist.items() if "NC" in entry["licence"]] == ["dermamnist"]
    kinds = {name: entry["kind"] for name, entry in medmnist.items()}
    assert [n for n, kind in kinds.items() if kind == "multi-label"] == ["chestmnist"]
    assert [n for n, kind in kinds.items() if kind == "ordinal"] == ["retinamnist"]
    assert all((kind == "binary") == (len(medmnist[n]["classes"]) == 2) for n, kind in kinds.items())
    # the totals of the article, less what the authors took out afterwards: of OrganA, C, S; Organ3D and Vessel3D
    images = {d: sum(sum(medmnist[n]["splits"].values()) for n in part) for d, part in ((2, two), (3, three))}
    assert images == {2: 708_069 - 20 - 77 - 10, 3: 9_998 - 1 - 1}
    tasks = sorted(file.file for name in DOWNLOADS for file in _all_files(name) if file.file.startswith("Task"))
    assert [int(task[4:6]) for task in tasks] == list(range(1, 11))


def test_files_of():
    small, large = files_of("pneumoniamnist"), files_of("pneumoniamnist", 224)
    assert [file.file for file in small] == ["pneumoniamnist.npz"] and large[0].file == "pneumoniamnist_224.npz"
    assert small[0].urls == (
        "https://zenodo.org/records/10519652/files/pneumoniamnist.npz?download=1",
        "https://zenodo.org/records/6496656/files/pneumoniamnist.npz?download=1",
    )
    assert small[0].hashes == {"md5": "28209eda62fecd6e6a2d98b1501bb15f"} and not small[0].unpack
    assert small[0].at_most == round(5856 * 28 * 28 * 1.05) + 65536 and small[0].size == "at most 4.9 MB"
    task = files_of("hippocampus")[0]
    assert set(task.hashes) == {"md5", "sha256"} and task.unpack and task.size == "about 28.0 MB"
    assert [file.key for file in files_of("covid_ct_seg")] == ["images", "masks"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (123_456, "123 kB"), (27 * 10**9, "27.0 GB")],
)
def test_in_bytes(count, text):
    assert in_bytes(count) == text


def installed(name):
    try:
        return packaged_file(name)
    except CatalogError as error:
        if "extra" in source(name) and "is not installed" in str(error):
            pytest.skip(f"{name} comes with the extra {source(name)['extra']!r}")
        raise


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_files_are_there(name):
    content = installed(name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == source(name)["sha256"] and len(content) == source(name)["bytes"]


def test_refusals(monkeypatch):
    with pytest.raises(CatalogError, match=r"no data set 'nothing'; expected one of .*chest_xray"):
        packaged_file("nothing")
    with pytest.raises(CatalogError, match="comes with no package; run: mediml data fetch pneumoniamnist"):
        packaged_file("pneumoniamnist")
    with pytest.raises(CatalogError, match="chest_xray: no download; it comes with the package 'pydicom-data'"):
        files_of("chest_xray")
    entry = source("chest_xray")
    for change, text in (
        ({"package": "no-such-package-here"}, "is not installed; run: pip install no-such-package-here"),
        ({"package": "no-such-package-here", "extra": "nifti"}, r'run: pip install "mediml\[nifti\]"'),
        ({"path": "data_store/none.dcm"}, "holds no file 'data_store/none.dcm'"),
        ({"sha256": "0" * 64}, "expected a file of sha256 0000"),
    ):
        monkeypatch.setattr(catalogue, "catalog", lambda change=change: {"chest_xray": entry | change})
        with pytest.raises(CatalogError, match=text):
            packaged_file("chest_xray")


def test_the_catalogue_may_be_missing_or_say_a_thing_twice(monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "_PLACES", (tmp_path / "a", tmp_path / "b"))
    with pytest.raises(CatalogError, match=r"catalog.toml is in none of"):
        catalogue.catalog.__wrapped__()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "catalog.toml").write_text(
        '[family]\nlicence = "MIT"\n[sources.x]\n[sources.y]\nlicence = "CC0"\n'
    )
    entries = catalogue.catalog.__wrapped__()
    assert (entries["x"]["licence"], entries["y"]["licence"]) == ("MIT", "CC0")
    (tmp_path / "b" / "more.toml").write_text("[sources.x]\n")
    with pytest.raises(CatalogError, match=r"'x' is described twice, the second time in more.toml"):
        catalogue.catalog.__wrapped__()
