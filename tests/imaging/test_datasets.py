"""The catalogue: every entry says what a reader must know, its card exists, and its packaged file is the pinned one."""

from pathlib import Path

import pytest

from mediml.data.catalog import catalog, packaged_file

FOLDER = Path(__file__).resolve().parents[2] / "datasets"


@pytest.mark.parametrize("name", sorted(catalog()))
def test_entry_and_card_agree(name):
    entry = catalog()[name]
    assert all(entry[key] for key in ("title", "licence", "task", "modality", "homepage", "card"))
    card = (FOLDER / entry["card"]).read_text(encoding="utf-8")
    assert name in card.lower() and "Licence" in card and "Limits" in card
    assert ("package" in entry) != ("urls" in entry)


@pytest.mark.parametrize("name", sorted(name for name, entry in catalog().items() if "package" in entry))
def test_packaged_file_is_the_pinned_one(name):
    file = packaged_file(name)  # checks the sha256
    assert file.stat().st_size == catalog()[name].get("bytes", file.stat().st_size)


def test_counts_of_pneumoniamnist():
    entry = catalog()["pneumoniamnist"]
    assert sum(entry["splits"].values()) == 5856
    assert all(entry["positives"][split] < count for split, count in entry["splits"].items())
