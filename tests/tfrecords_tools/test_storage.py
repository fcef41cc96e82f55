import os
import pickle
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from tfrecords_tools import remote_path, storage


@pytest.fixture
def with_tensorflow_io(monkeypatch):
    """Lets paths be made where tensorflow-io is not installed; nothing may be opened with them."""
    monkeypatch.setattr(storage.RemotePath, "check", lambda self: self)


@pytest.fixture
def memory(request) -> storage.AnyPath:
    """A folder of its own in TensorFlow's file system in memory, which every stack has."""
    folder = storage.path(f"ram://{request.node.name}/folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("text", ["records", "/a/b", "", "a b/ü.avi", "./s3:/x", "C:/x", "time 12:30/x"])
def test_a_path_without_a_scheme_is_a_pathlib_path(text):
    assert storage.path(text) == Path(text) and type(storage.path(text)) is type(Path())


def test_local_paths_need_no_tensorflow():
    program = (
        "import sys; from tfrecords_tools import storage; storage.path('x'); storage.path('ram://x/y') / 'z'; "
        "assert not {'tensorflow', 'tensorflow_io'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    ("text", "parent", "name", "stem", "suffix"),
    [
        ("s3://bucket/a/b.tar.gz", "s3://bucket/a", "b.tar.gz", "b.tar", ".gz"),
        ("s3://bucket", "s3://bucket/", "", "", ""),
        ("s3://bucket//a//b/", "s3://bucket/a", "b", "b", ""),
        ("gs://bucket/#1 ü?.avi", "gs://bucket/", "#1 ü?.avi", "#1 ü?", ".avi"),
        ("hdfs://host:8020/user/x", "hdfs://host:8020/user", "x", "x", ""),
        ("hdfs:///user/x", "hdfs:///user", "x", "x", ""),
        ("az://account/container/x", "az://account/container", "x", "x", ""),
    ],
)
def test_parts_of_a_remote_path(with_tensorflow_io, text, parent, name, stem, suffix):
    path = storage.path(text)
    assert isinstance(path, storage.RemotePath)
    assert (str(path.parent), path.name, path.stem, path.suffix) == (parent, name, stem, suffix)
    assert storage.path(path) is path and path.absolute() is path
    assert pickle.loads(pickle.dumps(path)) == path == storage.RemotePath(text)
    assert hash(path) == hash(storage.RemotePath(text))


def test_joining_remote_paths(with_tensorflow_io):
    folder = storage.path("s3://bucket/a/")
    assert str(folder / "b" / PurePosixPath("c/d.avi")) == "s3://bucket/a/b/c/d.avi"
    assert str((folder / "b").with_name("c")) == "s3://bucket/a/c"
    assert (folder / "b/c").relative_to(folder) == PurePosixPath("b/c")
    assert sorted([folder / "b", folder / "a"]) == [folder / "a", folder / "b"]
    assert folder != Path("s3://bucket/a")


def test_a_remote_path_is_not_taken_for_a_local_one(with_tensorflow_io, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError):
        open(storage.path("s3://bucket/x"), "w")
    with pytest.raises(TypeError):
        Path(storage.path("s3://bucket/x"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo://bucket/x", "'foo://bucket/x': foo:// is not known.*s3://, gs://, hdfs://, az://"),
        ("file:///x", "file:// is not known"),
        ("s3:///x", "'s3:///x' names no bucket: expected s3://BUCKET/PATH"),
        ("s3:/bucket/x", "'s3:/bucket/x' lacks a slash: expected s3://BUCKET/PATH"),
    ],
)
def test_paths_that_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        storage.path(text)


def test_a_path_object_of_a_remote_path_is_refused():
    with pytest.raises(ValueError, match="lacks a slash"):
        storage.path(Path("s3://bucket/x"))  # pathlib has taken one away


@pytest.mark.parametrize("scheme", ["s3", "hdfs", "az"])
def test_without_tensorflow_io_the_error_says_which_stack_has_it(monkeypatch, scheme):
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    remote_path._load.cache_clear()
    message = rf"'{scheme}://bucket.* needs tensorflow-io.*default stack.*requirements.txt on Python 3.11 and 3.12"
    with pytest.raises(ValueError, match=message):
        storage.path(f"{scheme}://bucket/x")
    with pytest.raises(ValueError, match=message.replace("bucket", "")):
        storage.RemotePath(f"{scheme}://bucket/x").exists()  # as in a worker on another machine
    assert isinstance(storage.path("gs://bucket/x"), storage.RemotePath)


@pytest.mark.parametrize(
    "command",
    [
        ["tfrecords_tools.convert", "--dataset=folder", "--videos_dir=foo://b/v", "--output_dir=records"],
        ["tfrecords_tools.convert", "--dataset=folder", "--videos_dir=.", "--output_dir=foo://b/r"],
        ["tfrecords_tools.verify", "foo://b/r"],
        ["tfrecords_tools.inspect", "foo://b/r"],
        ["tfrecords_tools.inspect", "records", "--output=foo://b/r.png"],
        ["tfrecords_tools.flow.show", "foo://b/v.avi"],
        ["tfrecords_tools.make_demo", "--output_dir=foo://b/v"],
    ],
    ids=" ".join,
)
def test_commands_report_a_bad_scheme_in_one_line(command, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    line = [sys.executable, "-m", *command]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "foo:// is not known" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not list(tmp_path.iterdir())


def test_files_in_memory(memory):
    file = memory / "a.txt"
    assert not file.exists() and not file.is_file() and memory.is_dir()
    file.write_text("zwölf\nBoxkämpfer")
    assert file.exists() and file.is_file() and not file.is_dir()
    assert file.stat().st_size == len("zwölf\nBoxkämpfer".encode())
    assert file.read_text(encoding="utf-8") == "zwölf\nBoxkämpfer"
    with file.open(encoding="utf-8") as lines:
        assert [line.rstrip() for line in lines] == ["zwölf", "Boxkämpfer"]
    file.write_bytes(b"\xff")
    assert file.read_bytes() == b"\xff" and file.read_text(errors="replace") == "\ufffd"
    assert [path.name for path in storage.entries(memory)] == ["a.txt"]  # nothing is left of writing
    with pytest.raises(ValueError, match="`mode` must be 'r' or 'rb'.*mode='w'"):
        file.open("w")


def test_missing_files_in_memory(memory):
    for read in (storage.RemotePath.read_bytes, storage.RemotePath.stat):
        with pytest.raises(FileNotFoundError, match="it is not there, or the storage does not answer") as caught:
            read(memory / "none")
        assert caught.value.filename == str(memory / "none")
    assert storage.entries(memory / "none", "*") == []
    with pytest.raises(OSError):
        storage.entries(memory / "none")


def test_patterns_in_memory(memory):
    for name in ("a/1.txt", "a/2.avi", "b/1.txt", "c.txt"):
        (memory / name).parent.mkdir(parents=True, exist_ok=True)
        (memory / name).write_text("")

    def found(paths):
        return [str(path.relative_to(memory)) for path in paths]

    assert found(storage.entries(memory, "*.txt")) == ["c.txt"]
    assert found(storage.entries(memory, "*/1.txt")) == ["a/1.txt", "b/1.txt"]
    assert found(storage.entries(memory, "a/*")) == ["a/1.txt", "a/2.avi"]
    assert found(memory.rglob("*.txt")) == ["a/1.txt", "b/1.txt", "c.txt"]


def test_a_staged_file_keeps_its_name_and_is_removed(memory):
    (memory / "clip one.avi").write_bytes(b"video")
    with pytest.raises(KeyError), storage.staged(memory / "clip one.avi") as local:
        assert local.name == "clip one.avi" and local.read_bytes() == b"video"
        raise KeyError
    assert not local.parent.exists()


def test_a_local_file_is_its_own_staged_copy(tmp_path):
    with storage.staged(tmp_path / "none") as local:
        assert local == tmp_path / "none"


@pytest.mark.parametrize("remote", [False, True])
def test_what_is_created_appears_only_when_it_is_whole(tmp_path, memory, remote):
    target = (memory if remote else tmp_path) / "x.bin"
    with pytest.raises(KeyError), storage.created(target) as partial:
        partial.write_bytes(b"half")
        raise KeyError
    assert not target.exists()
    for content in (b"whole", b"new"):
        with storage.created(target) as partial:
            partial.write_bytes(content)
        assert target.read_bytes() == content and not partial.exists()


def test_a_created_folder_arrives_topmost_files_last(memory, monkeypatch):
    uploaded, upload = [], storage.RemotePath.upload

    def note(self, source):
        uploaded.append(self.name)
        self.parent.mkdir(parents=True, exist_ok=True)
        upload(self, source)

    monkeypatch.setattr(storage.RemotePath, "upload", note)
    with storage.created(memory / "1") as partial:
        for name in ("saved_model.pb", "assets/labels.txt", "variables/variables.index"):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_text(name)
    assert uploaded == ["labels.txt", "variables.index", "saved_model.pb"]
    assert (memory / "1" / "variables" / "variables.index").read_text() == "variables/variables.index"


def test_local_only_arguments(with_tensorflow_io, tmp_path):
    assert storage.local(tmp_path, "folder") == tmp_path
    with pytest.raises(ValueError, match="`folder` must be a path on this machine.*folder=s3://b/x"):
        storage.local("s3://b/x", "folder")


def test_files_on_s3(bucket):
    root = storage.path(bucket)
    assert root.is_dir() and not (root / "a").exists() and not (root / "a").is_dir()
    names = ["a/#1 ü+%20 [x]?.txt", "a/b/2.txt", "c.txt"]
    for name in names:
        (root / name).write_text(name)
    assert [str(path.relative_to(root)) for path in root.rglob("*.txt")] == names
    assert (root / "a").is_dir() and not (root / "a").is_file() and (root / "c.txt").is_file()
    assert (root / names[0]).read_text() == names[0]
    status = (root / "c.txt").stat()
    assert status.st_size == 5 and status.st_mtime_ns == round(status.st_mtime * 1e9) > 0
    with pytest.raises(FileNotFoundError):
        (root / "none").read_text()
    with pytest.raises(OSError, match="NoSuchBucket"):
        storage.path(f"{bucket}-none/x").write_text("")


@pytest.mark.parametrize("status", [0, 3])
def test_a_program_that_used_s3_ends_with_its_own_status(bucket, status):
    program = (
        f"import sys; from tfrecords_tools import storage; storage.path('{bucket}/x').write_text('x'); "
        f"print(storage.path('{bucket}/x').read_text()); sys.exit({status})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (status, "x\n", "")
