"""Archives from strangers: what leads elsewhere, is no file, or grows without end is refused and leaves nothing."""

import gzip
import hashlib
import io
import os
import stat
import tarfile
import zipfile

import numpy as np
import pytest

from mediml.data.archive import ArchiveError, Limits, unpack

NOISE = np.random.default_rng(0).bytes(50_000)
GOOD = {"set/a.txt": b"one", "set/deep/b.bin": NOISE, "set/empty": b""}


def make_tar(path, members, mode="w"):
    """Members: name and bytes, or a `TarInfo`, written as they are."""
    with tarfile.open(path, mode) as out:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members:
            out.writestr(name, content)
    return path


def special(kind, name="set/x", target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def left(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".ZIP"])
def test_good_archives(tmp_path, ending):
    path = tmp_path / f"set{ending}"
    if ending.lower() == ".zip":
        make_zip(path, GOOD.items())
    else:
        make_tar(path, GOOD.items(), {".tar": "w", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}.get(ending, "w:gz"))
    seen = []
    found = unpack(path, tmp_path / "out", progress=seen.append)
    assert found == {
        name.removeprefix("set/"): (len(content), hashlib.sha256(content).hexdigest()) for name, content in GOOD.items()
    }
    for name, content in GOOD.items():
        assert (tmp_path / "out" / name.removeprefix("set/")).read_bytes() == content
    assert seen[-1] == 50_003 and left(tmp_path) == sorted([path.name, "out"])
    assert os.access(tmp_path / "out", os.X_OK) and stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755


def test_the_only_folder_is_left_out_and_others_are_not(tmp_path):
    assert set(unpack(make_tar(tmp_path / "a.tar", [("x/1", b""), ("y/2", b"")]), tmp_path / "a")) == {"x/1", "y/2"}
    assert set(unpack(make_tar(tmp_path / "b.tar", [("x/1", b""), ("x", b"")][:1]), tmp_path / "b")) == {"1"}
    assert set(unpack(make_tar(tmp_path / "c.tar", [("x/1", b""), ("2", b"")]), tmp_path / "c")) == {"x/1", "2"}
    assert set(unpack(make_tar(tmp_path / "d.tar", [("./x/y/1", b"")]), tmp_path / "d")) == {"y/1"}


def test_files_of_macos_are_left_out(tmp_path):
    members = [
        ("._set", b"j"),
        ("set/._a.nii", b"j"),
        ("set/.DS_Store", b"j"),
        ("__MACOSX/set/a", b"j"),
        ("set/a", b"1"),
    ]
    assert list(unpack(make_tar(tmp_path / "a.tar", members), tmp_path / "out")) == ["a"]


BAD_NAMES = [
    "../evil",
    "set/../../evil",
    "/etc/evil",
    "set/a\\..\\evil",
    "C:/evil",
    "C:evil",
    "set/a\nb",
    "set/con ",
    "set/a.",
]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("ending", [".tar", ".zip"])
def test_names_that_lead_elsewhere(tmp_path, name, ending):
    (tmp_path / "inner").mkdir()
    members = [("set/good", b"1"), (name, b"evil")]
    path = (make_zip if ending == ".zip" else make_tar)(tmp_path / f"a{ending}", members)
    reason = "not every system can write" if name.endswith((" ", ".")) else "leads out of its folder or is none"
    with pytest.raises(ArchiveError, match=f"holds a name that {reason}"):
        unpack(path, tmp_path / "inner" / "out")
    assert left(tmp_path / "inner") == [] and left(tmp_path) == [path.name, "inner"]


def test_a_name_cut_at_a_zero_byte(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("set/goodX.txt", b"1")])
    path.write_bytes(path.read_bytes().replace(b"goodX.txt", b"good\x00.txt"))
    with pytest.raises(ArchiveError, match="holds a name that"):
        unpack(path, tmp_path / "out")


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(ArchiveError, match="not every system can write"):
        unpack(make_tar(tmp_path / "a.tar", [("x" * 300, b"")]), tmp_path / "out")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=str
)
def test_links_and_devices_in_tar(tmp_path, kind):
    path = make_tar(tmp_path / "a.tar", [("set/good", b"1"), (special(kind), b"")])
    with pytest.raises(ArchiveError, match="holds a link or a device: 'set/x'"):
        unpack(path, tmp_path / "out")
    assert left(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_zip(tmp_path, kind):
    info = zipfile.ZipInfo("set/x")
    info.external_attr = (kind | 0o777) << 16
    with pytest.raises(ArchiveError, match="holds a link or a device: 'set/x'"):
        unpack(make_zip(tmp_path / "a.zip", [("set/good", b"1"), (info, "/etc/passwd")]), tmp_path / "out")
    assert left(tmp_path) == ["a.zip"]


@pytest.mark.parametrize(
    "members",
    [
        [("set/a", b"1"), ("set/a", b"2")],
        [("set/a", b"1"), ("set/./a", b"2")],
        [("set/a", b"1"), ("SET/A", b"2")],
        [("set/a", b"1"), ("set/A/b", b"2")],
        [("set/a", b"1"), ("set/a/b", b"2")],
        [("set/a/b", b"1"), ("set/a", b"2")],
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(tmp_path, members):
    for path in (make_tar(tmp_path / "a.tar", members), make_zip(tmp_path / "a.zip", members)):
        with pytest.raises(ArchiveError, match=r"holds the name '.*' twice"):
            unpack(path, tmp_path / "out")
    assert left(tmp_path) == ["a.tar", "a.zip"]


def test_a_folder_may_be_named_again(tmp_path):
    folder = tarfile.TarInfo("set/deep")
    folder.type = tarfile.DIRTYPE
    members = [(folder, b""), ("set/deep/a", b"1"), (folder, b""), ("set/deep/b", b"2")]
    assert set(unpack(make_tar(tmp_path / "a.tar", members), tmp_path / "out")) == {"deep/a", "deep/b"}


@pytest.mark.parametrize("ending", [".tar.gz", ".tar.bz2", ".tar.xz", ".zip"])
def test_bombs(tmp_path, ending):
    content = bytes(25_000_000)
    path = tmp_path / f"bomb{ending}"
    if ending == ".zip":
        make_zip(path, [("set/zeros", content)])
    else:
        make_tar(path, [("set/zeros", content)], "w:" + ending.rpartition(".")[2])
    assert path.stat().st_size < 100_000
    with pytest.raises(ArchiveError, match=r"grows beyond .* MB, which no data set of its size does"):
        unpack(path, tmp_path / "out")
    assert left(tmp_path) == [path.name]


def test_a_bomb_after_the_end(tmp_path):
    path = make_tar(tmp_path / "a.tar.gz", [("set/a", b"1")], "w:gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(30_000_000)))
    with pytest.raises(ArchiveError, match="goes on after its end"):
        unpack(path, tmp_path / "out")


def test_limits(tmp_path):
    path = make_tar(tmp_path / "a.tar", [(f"set/{k}", b"12345") for k in range(10)])
    with pytest.raises(ArchiveError, match="more than 9 members"):
        unpack(path, tmp_path / "out", Limits(members=9))
    with pytest.raises(ArchiveError, match="grows beyond 49 bytes"):
        unpack(path, tmp_path / "out", Limits(bytes=49))
    assert len(unpack(path, tmp_path / "out", Limits(members=10, bytes=50))) == 10


def test_a_header_that_fills_the_memory(tmp_path):
    """An extended header of 100 MB would be read as a whole before its member is seen."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 10**8
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf() + bytes(10**6)))
    with pytest.raises(ArchiveError, match="holds a header of 100000000 bytes"):
        unpack(path, tmp_path / "out")


def test_headers_without_end(tmp_path):
    """Extended headers of extended headers: tarfile reads them by recursion."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 512
    path = tmp_path / "a.tar"
    path.write_bytes((info.tobuf() + b"11 path=ab\n" + bytes(501)) * 5000)
    with pytest.raises(ArchiveError):
        unpack(path, tmp_path / "out")
    assert left(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
def test_every_truncation_is_found(tmp_path, ending):
    members = [("set/a", NOISE[:3000]), ("set/b", NOISE[:700]), ("set/c", b"")]
    if ending == ".zip":
        whole = make_zip(tmp_path / "whole.zip", members).read_bytes()
    else:
        whole = make_tar(tmp_path / f"whole{ending}", members, "w:gz" if ending == ".tar.gz" else "w").read_bytes()
    end = len(whole) if ending != ".tar" else 512 + 3072 + 512 + 1024 + 512  # what follows are blocks of zeros
    path = tmp_path / f"cut{ending}"
    for length in [*range(0, end, 211), end - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ArchiveError):
            unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_damage_is_taken_for_the_end(tmp_path):
    """tarfile stops silently at a damaged header; a volume would be missing and nobody would know."""
    path = make_tar(tmp_path / "a.tar", [("set/a", b"1"), ("set/b", b"2"), ("set/c", b"3")])
    content = bytearray(path.read_bytes())
    content[1024 + 3] ^= 0x40  # the second header
    path.write_bytes(content)
    with tarfile.open(path) as opened:
        assert opened.getnames() == ["set/a"]
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(path, tmp_path / "out")


def test_flipped_bytes_of_zip_and_gzip(tmp_path):
    rng = np.random.default_rng(0)
    for ending in (".zip", ".tar.gz"):
        path = tmp_path / f"a{ending}"
        if ending == ".zip":
            make_zip(path, GOOD.items())
        else:
            make_tar(path, GOOD.items(), "w:gz")
        whole = path.read_bytes()
        for place in rng.integers(0, len(whole), 40):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            try:
                found = unpack(path, tmp_path / f"out{ending}{place}")
            except ArchiveError:
                assert not (tmp_path / f"out{ending}{place}").exists()
            else:  # times and the like are not protected; content is
                assert sorted(size for size, _ in found.values()) == [0, 3, 50_000]


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"PK\x03\x04", b"\x1f\x8b", bytes(10_240)])
@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.xz", ".zip"])
def test_what_is_no_archive(tmp_path, ending, content):
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(ArchiveError):
        unpack(path, tmp_path / "out")
    assert left(tmp_path) == [path.name]


def test_encrypted_and_other_kinds(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("set/a", b"1")])
    content = path.read_bytes().replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="is encrypted"):
        unpack(path, tmp_path / "out")
    (tmp_path / "a.rar").write_bytes(b"Rar!")
    with pytest.raises(ArchiveError, match=r"expected a file that ends in .zip, .tar, "):
        unpack(tmp_path / "a.rar", tmp_path / "out")


def test_the_place_must_be_free(tmp_path):
    path = make_tar(tmp_path / "a.tar", [("set/a", b"1")])
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveError, match="is there already"):
        unpack(path, tmp_path / "out")


def test_an_interruption_and_a_full_disk_leave_nothing(tmp_path, monkeypatch):
    path = make_tar(tmp_path / "a.tar", GOOD.items())
    for problem in (KeyboardInterrupt(), OSError(28, "No space left on device")):

        def stop(done, problem=problem):
            raise problem

        with pytest.raises(type(problem)):
            unpack(path, tmp_path / "out", progress=stop)
        assert left(tmp_path) == ["a.tar"]


def test_a_sparse_member_is_refused(tmp_path):
    info = tarfile.TarInfo("set/x")
    info.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(ArchiveError):
        unpack(make_tar(tmp_path / "a.tar", [(info, b"1")]), tmp_path / "out")
