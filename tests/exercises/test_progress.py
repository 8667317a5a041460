"""Progress: what is shown, where it is kept, and that no file, disk or second kernel brings it down."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mixturelab.exercises import all_exercises, check, progress, progress_file
from mixturelab.exercises.progress import Tracker, report_on

ROOT = Path(__file__).parents[2]
EXERCISES = all_exercises()
NAME = "00.1"
OF_00 = [name for name in EXERCISES if name.startswith("00")]
RIGHT = EXERCISES[NAME].wanted()
WRONG = EXERCISES[NAME].mistakes[0].answer


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "kept" / "progress.json"
    monkeypatch.setenv(progress_file.VARIABLE, str(path))
    monkeypatch.setattr(progress, "_unwritten", {})
    return path


@pytest.fixture
def memory(monkeypatch):
    monkeypatch.setenv(progress_file.VARIABLE, "off")
    monkeypatch.setattr(progress, "_unwritten", {})


def kept(path):
    return json.loads(path.read_text(encoding="utf-8"))["done"]


def open_names(report):
    return [name for one in report.notebooks for name in one.open]


# ------------------------------------------------------------------------------------------ what is shown


def test_a_notebook_s_report_counts_and_names_what_is_open():
    report = report_on(["00.2", "07.1"], EXERCISES, "00")
    assert (report.done, report.total) == (1, len(OF_00))
    assert repr(report).splitlines() == [
        f"Notebook 00: 1 of {len(OF_00)} exercises done",
        *(f"  {'✓ done' if name == '00.2' else '○ open'}  {name} {EXERCISES[name].title}" for name in OF_00),
        "Kept on this computer only: `progress.path` says where, `progress.forget()` deletes it.",
    ]


def test_the_report_on_all_has_a_line_for_each_notebook():
    done = [*OF_00, "07.2"]
    report = report_on(done, EXERCISES)
    lines = repr(report).splitlines()
    assert lines[0] == f"All notebooks: {len(done)} of {len(EXERCISES)} exercises done"
    assert lines[1] == f"  ✓ Notebook 00: {len(OF_00)} of {len(OF_00)} exercises done"
    [line] = [line for line in lines if "Notebook 07" in line]
    assert line.startswith("  ○ Notebook 07: 1 of 6 exercises done; open: 07.1, 07.3")
    assert len(lines) == 2 + len({name[:2] for name in EXERCISES})


@pytest.mark.parametrize("notebook", ["00", 0, "0", "00.2", "00_start_here"])
def test_a_notebook_may_be_named_in_several_ways(notebook):
    assert report_on([], EXERCISES, notebook) == report_on([], EXERCISES, "00")


@pytest.mark.parametrize("notebook", ["77", "", "x" * 999, -1, [], object])
def test_an_unknown_notebook_is_said_not_raised(notebook):
    report = report_on(EXERCISES, EXERCISES, notebook)
    assert repr(report).startswith("No such notebook\nThere are notebooks 00, ")
    assert "There are notebooks 00" in report._repr_html_()
    assert report.total == 0


def test_names_that_no_exercise_has_are_left_out():
    assert report_on(["00.1", "66.6", ""], EXERCISES).done == 1


def test_a_report_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        report_on([], EXERCISES).note = ""


class Spoken(HTMLParser):
    """What a screen reader is given: the text outside aria-hidden, and the roles."""

    def __init__(self, page):
        super().__init__()
        self.words, self.roles, self.hidden, self.colours = [], [], [], 0
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.hidden.append("aria-hidden" in attrs or (bool(self.hidden) and self.hidden[-1] and tag != "br"))
        self.roles += [attrs["role"]] if "role" in attrs else []
        if tag == "br":
            self.hidden.pop()

    def handle_endtag(self, tag):
        self.hidden.pop()

    def handle_data(self, data):
        if not self.hidden[-1]:
            self.words.append(data)


def test_html_is_a_status_whose_words_alone_tell_it():
    spoken = Spoken(report_on(["00.2"], EXERCISES, "00")._repr_html_())
    assert spoken.roles == ["status"]
    assert f"Notebook 00: 1 of {len(OF_00)} exercises done" in spoken.text
    assert f"open 00.1 {EXERCISES['00.1'].title}" in spoken.text
    assert f"done 00.2 {EXERCISES['00.2'].title}" in spoken.text
    assert not re.search("[✓○]", spoken.text)
    assert spoken.hidden == []


def test_html_escapes_titles():
    strange = {"00.1": dataclasses.replace(EXERCISES["00.1"], title="<b> & `x`")}
    page = report_on([], strange)._repr_html_() + report_on([], strange, "00")._repr_html_()
    assert "&lt;b&gt; &amp;" in page
    assert "<b>" not in page


# --------------------------------------------------------------------------------------------- what is kept


def test_a_correct_answer_is_remembered_and_a_wrong_one_is_not(file):
    assert progress("00").done == 0
    check(NAME, WRONG)
    check(NAME, None)
    check("66.6", RIGHT)
    assert not file.exists()
    assert check(NAME, RIGHT).passed
    assert kept(file) == [NAME]
    assert open_names(progress("00")) == [name for name in OF_00 if name != NAME]
    check(NAME, WRONG)  # done is done
    assert progress("00").done == 1


def test_another_kernel_sees_it(file):
    check(NAME, RIGHT)
    assert Tracker()("00").done == 1
    assert Tracker()().done == 1


def test_looking_writes_nothing(file):
    progress()
    progress("00")
    assert not file.parent.exists()


def test_the_file_says_what_it_is_and_holds_nothing_else(file):
    check(NAME, RIGHT)
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "about": "Exercises done in mixturelab's notebooks. Delete this file to begin anew.",
        "format": "mixturelab progress",
        "version": 1,
        "done": [NAME],
    }
    assert os.listdir(file.parent) == [file.name]  # no lock and no half-written file beside it


def test_the_same_answer_again_does_not_write_again(file):
    check(NAME, RIGHT)
    before = file.stat()
    check(NAME, RIGHT)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_it_can_be_forgotten_and_the_file_deleted_by_hand(file):
    check(NAME, RIGHT)
    assert progress.forget().done == 0
    assert not file.exists()
    assert progress.forget().done == 0
    check(NAME, RIGHT)
    file.unlink()
    assert progress("00").done == 0
    Tracker().record("00.2")
    assert kept(file) == ["00.2"]  # nobody brings back what was deleted


def test_the_path_is_told(file, monkeypatch):
    assert progress.path == file
    monkeypatch.setenv(progress_file.VARIABLE, "off")
    assert progress.path is None
    assert repr(progress) == 'progress("01") shows one notebook, progress() all of them'


def test_switched_off_it_is_this_kernel_s_memory(memory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    check(NAME, RIGHT)
    assert progress("00").done == 1
    assert Tracker()("00").done == 0
    assert progress.forget().done == 0
    assert progress("00").done == 0
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------------------------------------------- where it is


@pytest.mark.parametrize(
    ("environment", "platform", "wanted"),
    [
        ({}, "linux", "H/.local/share/mixturelab/progress.json"),
        ({"XDG_DATA_HOME": str(ROOT)}, "linux", f"{ROOT.as_posix()}/mixturelab/progress.json"),
        ({"XDG_DATA_HOME": "relative"}, "linux", "H/.local/share/mixturelab/progress.json"),
        ({"XDG_DATA_HOME": ""}, "freebsd14", "H/.local/share/mixturelab/progress.json"),
        ({}, "darwin", "H/Library/Application Support/mixturelab/progress.json"),
        ({"LOCALAPPDATA": "L"}, "win32", "L/mixturelab/progress.json"),
        ({}, "win32", "H/AppData/Local/mixturelab/progress.json"),
        ({"MIXTURELAB_PROGRESS": "mine.json"}, "linux", "mine.json"),
        ({"MIXTURELAB_PROGRESS": " "}, "linux", "H/.local/share/mixturelab/progress.json"),
    ],
)
def test_each_system_has_its_place(environment, platform, wanted):
    assert progress_file.location(environment, platform, Path("H")).as_posix() == wanted


@pytest.mark.parametrize("word", ["off", "OFF", " Off "])
def test_off_is_nowhere(word):
    assert progress_file.location({"MIXTURELAB_PROGRESS": word}, "linux", Path("H")) is None


def test_without_a_home_nothing_is_kept_unless_a_path_is_given(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv(progress_file.VARIABLE)
    assert progress.path is None
    monkeypatch.setenv(progress_file.VARIABLE, "mine.json")
    assert progress.path == Path("mine.json")


# --------------------------------------------------------------------------------------- what may go wrong

DAMAGED = [
    b"",
    b"\x00\xff\xfe",
    b"{",
    b"null",
    b"[]",
    b"{}",
    b'{"done": ["00.1"]}',
    b'{"format": "another", "version": 1, "done": []}',
    b'{"format": "mixturelab progress", "version": 1, "done": "00.1"}',
    b'{"format": "mixturelab progress", "version": 1, "done": [7]}',
    b'{"format": "mixturelab progress", "version": "1", "done": []}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: content[:20].decode("latin-1"))
def test_a_damaged_file_is_said_set_aside_and_replaced(file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    report = progress("00")
    assert report.done == 0
    assert report.note.endswith("This time the file of exercises done was damaged: a new one is begun.")
    assert check(NAME, RIGHT).passed
    assert kept(file) == [NAME]
    assert (file.parent / "progress.json.damaged-1").read_bytes() == content
    assert "damaged" not in repr(progress("00"))


def test_what_a_newer_version_wrote_is_read_and_left_alone(file):
    file.parent.mkdir()
    content = json.dumps({"format": "mixturelab progress", "version": 2, "done": [NAME], "new": 1})
    file.write_text(content, encoding="utf-8")
    assert progress("00").done == 1
    progress.record("00.2")
    report = progress("00")
    assert report.done == 2  # until the kernel ends
    assert "belongs to a newer mixturelab" in report.note
    assert file.read_text(encoding="utf-8") == content


def test_names_that_this_version_does_not_know_are_kept(file):
    progress.record("66.6")
    check(NAME, RIGHT)
    assert kept(file) == [NAME, "66.6"]
    assert progress().done == 1


def blocked(path):
    """A path that cannot be written, also by root: a file stands where its folder should be."""
    path.parent.parent.joinpath("file").write_text("", encoding="utf-8")
    return path.parent.parent / "file" / "progress.json"


def test_what_cannot_be_written_is_remembered_until_the_kernel_ends(file, monkeypatch):
    path = blocked(file)
    monkeypatch.setenv(progress_file.VARIABLE, str(path))
    assert check(NAME, RIGHT).passed
    report = progress("00")
    assert report.done == 1
    assert "This time the file of exercises done cannot be written (" in report.note
    path.parent.unlink()  # the disk is mended: what was refused is offered again
    assert progress("00").note.endswith("deletes it.")
    assert kept(path) == [NAME]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root and Windows may write everywhere")
def test_a_read_only_folder(file):
    file.parent.mkdir(mode=0o500)
    assert check(NAME, RIGHT).passed
    assert "cannot be written (Permission denied)" in progress("00").note
    file.parent.chmod(0o700)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(28, "No space left")])
def test_a_full_disk_and_a_read_only_one_leave_the_old_file(file, monkeypatch, error):
    check(NAME, RIGHT)

    def refuses(path, content):
        raise error

    monkeypatch.setattr(progress_file.files, "write_atomically", refuses)
    progress.record("00.2")
    assert f"cannot be written ({error.strerror})" in progress("00").note
    assert progress("00").done == 2
    assert kept(file) == [NAME]
    assert os.listdir(file.parent) == [file.name]


def test_a_folder_of_that_name_and_a_path_that_none_can_be(file, monkeypatch):
    file.mkdir(parents=True)
    assert check(NAME, RIGHT).passed
    assert "cannot be written" in progress("00").note
    assert "cannot be deleted" in progress.forget().note
    monkeypatch.setattr(progress_file, "here", lambda: Path("a\0b"))
    assert check(NAME, RIGHT).passed
    assert progress("00").done == 1
    assert "(ValueError)" in progress("00").note
    assert "(ValueError)" in progress.forget().note


# ---------------------------------------------------------------------------------------------- two kernels


def test_many_kernels_at_once_lose_nothing(file):
    """Processes that write at the same moments: each name of each is there at the end."""
    code = """
import sys
from pathlib import Path
from mixturelab.exercises import progress_file
path, me = Path(sys.argv[1]), sys.argv[2]
print(flush=True)
sys.stdin.readline()
for n in range(25):
    assert not progress_file.add(path, [f"{me}.{n}"]).trouble
"""
    start = [sys.executable, "-c", code, str(file)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    kernels = [subprocess.Popen([*start, str(k)], **pipes) for k in range(3)]
    for kernel in kernels:
        kernel.stdout.readline()
    for kernel in kernels:
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    for kernel in kernels:
        kernel.communicate(timeout=120)
        assert kernel.returncode == 0
    assert len(kept(file)) == 3 * 25
    assert os.listdir(file.parent) == [file.name]


def test_a_lock_left_behind_is_not_waited_for(file):
    file.parent.mkdir()
    lock = file.with_name(f".{file.name}.lock")
    lock.touch()
    os.utime(lock, (time.time() - 60, time.time() - 60))
    progress_file.add(file, [NAME])
    assert kept(file) == [NAME]
    assert not lock.exists()


def test_a_lock_that_is_held_for_ever_is_overruled_and_left(file, monkeypatch):
    monkeypatch.setattr(progress_file, "_PATIENCE", 0.05)
    file.parent.mkdir()
    lock = file.with_name(f".{file.name}.lock")
    lock.touch()
    progress_file.add(file, [NAME])
    assert kept(file) == [NAME]
    assert lock.exists()


def test_a_check_in_a_thread_is_remembered_too(file):
    thread = threading.Thread(target=check, args=(NAME, RIGHT))
    thread.start()
    thread.join(timeout=20)
    assert kept(file) == [NAME]


# ------------------------------------------------------------------------- stored outputs and what was done


def test_tests_and_notebook_runs_neither_see_nor_change_what_was_done_before():
    """The file conftest.py of the project's folder sees to it, for nbval's kernels too: they inherit."""
    assert os.environ[progress_file.VARIABLE] == "off"
    assert progress.path is None
    code = "from mixturelab.exercises import progress; print(progress.path)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


@pytest.mark.slow
def test_strict_nbval_passes_whatever_the_learner_has_done(tmp_path):
    """A notebook that was stored with nothing done, compared by a person who has done it all."""
    import nbformat

    source = 'from mixturelab.exercises import progress\n\nprogress("00")'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, execution_count=1)])
    report = report_on([], EXERCISES, "00")
    data = {"text/plain": repr(report), "text/html": report._repr_html_()}
    output = nbformat.v4.new_output("execute_result", data=data, execution_count=1)
    notebook.cells[0].outputs.append(output)
    folder = tmp_path / "project"
    folder.mkdir()
    nbformat.write(notebook, folder / "learned.ipynb")
    done = tmp_path / "done.json"
    progress_file.add(done, EXERCISES)
    environment = os.environ | {progress_file.VARIABLE: str(done), "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--nbval",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
    ]
    settings = ["-c", os.devnull, f"--rootdir={folder}", "learned.ipynb"]
    run = [*command, *settings]
    alone = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert alone.returncode == 1, alone.stdout  # so it matters
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    ours = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ours.returncode == 0, ours.stdout
