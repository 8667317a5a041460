"""The wheelhouse: it holds what a learner needs and says what it lacks, and laptops install from it with no network."""

import hashlib
import http.server
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from functools import partial
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"
INSTALLER = SCRIPTS / "wheelhouse_files" / "install.py"


def load(path):
    """A script as a module; those beside it can be imported meanwhile."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPTS))
    return module


wheelhouse = load(SCRIPTS / "wheelhouse.py")
pages = sys.modules["wheelhouse_pages"]
install = load(INSTALLER)
LINUX = wheelhouse.Target("linux", "3.11")
WINDOWS = wheelhouse.Target("win32", "3.12")
CUDA = 'nvidia-cublas==13.1 ; platform_system == "Linux"'


def fake_wheel(folder, name, *needs, version="1.0"):
    """The smallest wheel that pip installs."""
    info = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": "\n".join([*lines, *(f"Requires-Dist: {need}" for need in needs)]) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(member, text)
    return path


# ------------------------------------------------------------------------------------------ what is needed
def test_a_wheel_is_read_also_where_it_carries_others(tmp_path):
    path = fake_wheel(tmp_path, "outer", "numpy>=2", 'appnope ; sys_platform == "darwin"')
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("outer/_vendor/inner-2.0.dist-info/METADATA", "Name: inner\nVersion: 2.0\n")
    found = wheelhouse.read_wheel(path)
    assert (found.name, found.version) == ("outer", "1.0")
    assert [need.name for need in found.requires] == ["numpy", "appnope"]


def test_a_learner_needs_the_notebooks_and_none_of_the_developers_tools():
    # The editable installation describes mixturelab as its wheel does.
    graph = wheelhouse.installed()
    linux, windows = wheelhouse.needed(graph, LINUX), wheelhouse.needed(graph, WINDOWS)
    assert {
        "torch",
        "scikit-learn",
        "matplotlib",
        "jupyterlab",
        "ipywidgets",
        "ipykernel",
        "mlxtend",
    } <= linux
    assert not linux & {"pytest", "ruff", "mypy", "nbgrader", "sphinx", "playwright", "hypothesis", "nbval"}
    assert not any(name.startswith(wheelhouse.CUDA_PREFIXES) for name in linux | windows)
    assert {"pexpect", "pywinpty"} & linux == {"pexpect"}  # terminals differ
    assert {"pexpect", "pywinpty", "colorama"} & windows == {"pywinpty", "colorama"}


def test_all_that_is_needed_is_pinned_by_the_lock():
    names = wheelhouse.needed(wheelhouse.installed(), WINDOWS)
    lines = wheelhouse.pinned(names)
    assert set(lines) == names
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines.values())
    with pytest.raises(SystemExit, match="does not pin nothing-such: run `make lock`"):
        wheelhouse.pinned([*names, "nothing-such"])


@pytest.mark.parametrize(
    ("needs", "target", "expected"),
    [
        ([CUDA, "numpy"], LINUX, ["nvidia-cublas"]),
        ([CUDA, "triton==3 ; sys_platform == 'linux'"], LINUX, ["nvidia-cublas", "triton"]),
        ([CUDA, "numpy"], WINDOWS, []),
        (["numpy", "filelock"], LINUX, []),
    ],
)
def test_the_cuda_build_of_torch_is_recognised(needs, target, expected):
    torch = wheelhouse.Resolved("torch", "2.13.0", tuple(map(Requirement, needs)))
    assert wheelhouse.cuda_needs(torch, target) == expected


def test_where_only_the_cuda_build_is_found_the_message_names_an_index(monkeypatch):
    torch = wheelhouse.Resolved("torch", "2.13.0", (Requirement(CUDA),))
    monkeypatch.setattr(wheelhouse, "pip_report", lambda arguments: [torch])
    problem = wheelhouse.torch_problem("torch==2.13.0", LINUX)
    assert "only the CUDA build was found" in problem
    assert "make wheelhouse TORCH_INDEX=https://" in problem
    assert wheelhouse.torch_problem("torch==2.13.0", WINDOWS) == ""


def test_each_package_that_is_missing_is_named(monkeypatch, tmp_path):
    def pip(lines, target, folder):
        missing = [line for line in lines if line.startswith(("absent", "lost"))]
        return f"No matching distribution found for {missing[0]}" if missing else ""

    monkeypatch.setattr(wheelhouse, "pip_download", pip)
    assert wheelhouse.download(["here==1", "absent==2", "lost==3"], WINDOWS, tmp_path) == [
        "absent==2: No matching distribution found for absent==2",
        "lost==3: No matching distribution found for lost==3",
    ]
    assert wheelhouse.download(["here==1"], WINDOWS, tmp_path) == []


def test_what_the_wheels_themselves_ask_for_is_fetched_too(monkeypatch, tmp_path):
    """The environment at hand knows nothing of `second`: `first` asks for it on Windows only."""
    needs = {"first": ['second ; sys_platform == "win32"'], "second": [], "torch": [], "unneeded": []}
    own = fake_wheel(tmp_path, "mixturelab", "torch", "first", 'unneeded ; extra == "dev"')
    staged = tmp_path / "staged"
    staged.mkdir()
    monkeypatch.setattr(wheelhouse, "torch_problem", lambda line, target: "")
    monkeypatch.setattr(wheelhouse, "installed", dict)
    monkeypatch.setattr(wheelhouse, "pinned", lambda names: {name: name for name in names})
    monkeypatch.setattr(
        wheelhouse,
        "download",
        lambda lines, target, folder: [fake_wheel(folder, line, *needs[line]) for line in lines] and [],
    )
    shelf = wheelhouse.fill(WINDOWS, own, staged)
    assert [path.name.split("-")[0] for path in shelf.wheels] == ["first", "second", "torch"]


# -------------------------------------------------------------------------------------------- what it says
@pytest.fixture
def small(tmp_path):
    """A wheelhouse with one small wheel for this Python, made of the same parts as the real one."""
    folder = tmp_path / "wheelhouse"
    (folder / "wheels").mkdir(parents=True)
    here = wheelhouse.Target(sys.platform, "{}.{}".format(*sys.version_info[:2]))
    shelf = wheelhouse.Shelf(here, [fake_wheel(folder / "wheels", "mixturelab")])
    lacking = wheelhouse.Shelf(WINDOWS, [], ["torch==9: not to be had"])
    listed = folder / "requirements" / f"{here.platform}-{here.python}.txt"
    listed.parent.mkdir()
    listed.write_text(wheelhouse.requirements(shelf.wheels), encoding="utf-8")
    (folder / "course" / "notebooks").mkdir(parents=True)
    (folder / "course" / "notebooks" / "00_start_here.ipynb").write_text("the teacher's", encoding="utf-8")
    wheelhouse.copy_installer(folder)
    wheelhouse.write_pages(folder, wheelhouse.FILES / "README.txt", [shelf, lacking], version="1.0")
    wheelhouse.write_sums(folder)
    return folder


def test_sizes_and_what_is_missing_are_stated(small):
    text = (small / "SIZES.md").read_text(encoding="utf-8")
    assert re.search(r"^\| Windows \(x86-64\) \| 3\.12 \| none, see below \|", text, re.MULTILINE)
    assert "- Windows (x86-64), Python 3.12: torch==9: not to be had" in text
    assert "| mixturelab-1.0-py3-none-any.whl | 0 MB |" in text


def test_the_readme_is_filled_in(small):
    text = (small / "README.txt").read_text(encoding="utf-8")
    assert "@" not in text
    assert "with Python {}.{}\n".format(*sys.version_info[:2]) in text
    assert "Windows (x86-64) with" not in text
    assert "python3 -m http.server" in text


def test_the_scripts_have_the_line_ends_of_their_systems(small):
    assert b"\r" not in (small / "install.sh").read_bytes()
    batch = (small / "install.bat").read_bytes()
    assert batch.count(b"\r\n") == batch.count(b"\n") > 5


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum to compare with")
def test_the_checksums_are_those_that_sha256sum_computes(small):
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=small, capture_output=True)
    assert done.returncode == 0, done.stderr
    listed = (small / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    files = [path for path in small.rglob("*") if path.is_file()]
    assert len(listed) == len(files) - 1  # all but the list itself


# ---------------------------------------------------------------------------------------------- installing
def run_installer(wheelhouse_folder, *arguments):
    return subprocess.run(
        [sys.executable, wheelhouse_folder / "install.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=wheelhouse_folder.parent,
    )


def this_machine():
    system = "linux" if sys.platform.startswith("linux") else sys.platform
    return install.platform.machine() in install.MACHINES.get(system, ())


fits_here = pytest.mark.skipif(not this_machine(), reason="there are no wheels for this processor")


def overwrite(folder, name, text):
    [path] = folder.glob(name)
    path.write_text(text, encoding="utf-8")


@fits_here
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: overwrite(folder, "wheels/*.whl", "cut sh"),
            "mixturelab-1.0-py3-none-any.whl is damaged",
        ),
        (lambda folder: shutil.rmtree(folder / "wheels"), "mixturelab-1.0-py3-none-any.whl is missing"),
        (lambda folder: overwrite(folder, "course/notebooks/00*", "x"), "00_start_here.ipynb is damaged"),
        (lambda folder: overwrite(folder, "requirements/*", "evil==1"), r"requirements/\S+ is damaged"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), "is this the whole wheelhouse"),
    ],
)
def test_a_damaged_copy_is_refused(small, tmp_path, damage, message):
    damage(small)
    done = run_installer(small, tmp_path / "course")
    assert done.returncode == 1
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "course" / ".venv").exists()


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("version_info", (3, 8, 1), r"Python 3\.8 .*, and the wheelhouse is for .* with Python \d\.\d+"),
        ("platform", "sunos5", "the wheelhouse is for"),
        ("maxsize", 2**31 - 1, "32-bit Python"),
    ],
)
def test_another_python_or_system_is_told_what_is_needed(small, monkeypatch, attribute, value, message):
    sums = install.checksums(install.Folder(small))
    monkeypatch.setattr(install.sys, attribute, value)
    with pytest.raises(install.Refused, match=message):
        install.target_here(sums)


def test_a_processor_without_wheels_is_named(small, monkeypatch):
    monkeypatch.setattr(install.platform, "machine", lambda: "riscv64")
    with pytest.raises(install.Refused, match="riscv64"):
        install.target_here(install.checksums(install.Folder(small)))


@pytest.mark.parametrize("stranger", ["pyproject.toml", ".venv/pyvenv.cfg"])
def test_nobodys_project_loses_its_environment(small, tmp_path, stranger):
    file = tmp_path / "course" / stranger
    file.parent.mkdir(parents=True)
    file.write_text("theirs", encoding="utf-8")
    with pytest.raises(install.Refused, match="already holds something else"):
        install.refuse_foreign(tmp_path / "course")
    assert file.read_text(encoding="utf-8") == "theirs"


def test_what_the_learner_has_changed_is_kept(small, tmp_path, capsys):
    source = install.Folder(small)
    sums, folder = install.checksums(source), tmp_path / "course"
    install.unpack_course(source, sums, folder)
    notebook = folder / "notebooks" / "00_start_here.ipynb"
    assert notebook.read_text(encoding="utf-8") == "the teacher's"
    notebook.write_text("the learner's", encoding="utf-8")
    install.unpack_course(source, sums, folder)
    assert notebook.read_text(encoding="utf-8") == "the learner's"
    assert "1 file" in capsys.readouterr().out


def test_no_setting_of_pip_leads_elsewhere(monkeypatch, small):
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    environment = install.environment_of_pip(install.Folder(small))
    assert "PYTHONPATH" not in environment
    assert {name for name in environment if name.startswith("PIP_")} == {"PIP_CONFIG_FILE"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def address(small):
    """Where a teacher's computer shows the wheelhouse."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=small))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@fits_here
@pytest.mark.slow
def test_pip_installs_over_the_local_network_and_compares_checksums(small, tmp_path, address, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody listens there
    alone = tmp_path / "alone"  # the laptop has install.py and nothing else
    alone.mkdir()
    shutil.copy(small / "install.py", alone)
    done = run_installer(alone, "--from", address, tmp_path / "course")
    # The wheel is installed; it holds no JupyterLab, which the last check misses.
    assert "the packages cannot be imported" in done.stderr, done.stdout + done.stderr
    assert "Successfully installed mixturelab-1.0" in (tmp_path / "course" / "install.log").read_text()
    fake_wheel(small / "wheels", "mixturelab", "changed")
    done = run_installer(alone, "--from", address, tmp_path / "other")
    assert done.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in (tmp_path / "other" / "install.log").read_text()


# ------------------------------------------------------------------------------------- the whole of it, once
UP = 'ip link set lo up && exec "$@"'  # kernels talk to JupyterLab over the loopback


def without_network(*command):
    """The command where it can reach this computer only; and if that is not permitted, with proxies to nowhere."""
    cut = ["unshare", "--net", "--map-root-user", "sh", "-c", UP, "sh"]
    nowhere = "http://127.0.0.1:9"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    permitted = (
        shutil.which("unshare") and subprocess.run([*cut, "true"], capture_output=True).returncode == 0
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "JUPYTER", "VIRTUAL"))
    }
    return subprocess.run(
        [*(cut if permitted else []), *map(str, command)],
        capture_output=True,
        text=True,
        env=kept | dict.fromkeys(names, nowhere) | {"PIP_NO_INDEX": "1", "MIXTURELAB_PROGRESS": "off"},
    )


RUN_NOTEBOOK = """
import json, sys, nbformat
from pathlib import Path
from nbclient import NotebookClient
path = Path("notebooks/00_start_here.ipynb")
notebook = nbformat.read(path, as_version=4)
where = "import sys, mixturelab; print(sys.prefix, mixturelab.__file__, sep='\\\\n')"
notebook.cells.append(nbformat.v4.new_code_cell(where))
NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": "notebooks"}}).execute()
nbformat.write(notebook, sys.argv[1])
"""


def failed_to_make(done):
    """Why no wheelhouse can be made on this computer, if that is not the fault of the script."""
    for reason in ("no package index can be reached", "only the CUDA build was found"):
        if reason in done.stderr:
            return done.stderr.strip()
    return ""


@fits_here
@pytest.mark.slow
@pytest.mark.timeout(1800)  # some 400 MB are fetched, and 1.2 GB unpacked
@pytest.mark.skipif(os.name == "nt", reason="the network is cut off with POSIX tools")
def test_a_laptop_installs_with_the_network_off_and_runs_a_notebook(tmp_path):
    folder, course = tmp_path / "wheelhouse", tmp_path / "course of a learner"
    made = subprocess.run(
        [sys.executable, SCRIPTS / "wheelhouse.py", "--folder", folder], capture_output=True, text=True
    )
    if reason := failed_to_make(made):
        pytest.skip(reason)
    assert made.returncode == 0, made.stdout + made.stderr

    reach = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    assert without_network(sys.executable, "-c", reach).returncode != 0
    done = without_network("env", f"PYTHON={sys.executable}", "sh", folder / "install.sh", course)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'cd "{course}"' in done.stdout
    assert ".venv/bin/python -m mixturelab lab" in done.stdout

    python = course / ".venv" / "bin" / "python"
    names = json.loads(subprocess.check_output([python, "-m", "pip", "list", "--format=json"], text=True))
    assert not {entry["name"].lower() for entry in names} & {"pytest", "ruff", "nbgrader", "sphinx", "mypy"}

    script = course / "run_notebook.py"
    script.write_text(RUN_NOTEBOOK, encoding="utf-8")
    executed = tmp_path / "executed.ipynb"
    done = without_network(
        "sh", "-c", 'cd "$1" && exec .venv/bin/python run_notebook.py "$2"', "sh", course, executed
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cells = [cell for cell in nbformat.read(executed, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]
    prefix, package = cells[-1].outputs[0].text.splitlines()
    assert Path(prefix).resolve() == (course / ".venv").resolve()
    assert (course / ".venv").resolve() in Path(package).resolve().parents
    assert sorted(path.name for path in (Path(package).parent / "data").glob("*.csv")) == sorted(
        path.name for path in (ROOT / "data").glob("*.csv")
    )
    # JupyterLab would find the first notebook.
    found = "from mixturelab.lab import find_notebook; print(find_notebook())"
    first = subprocess.check_output([python, "-c", found], text=True, cwd=course).strip()
    digest = hashlib.sha256(Path(first).read_bytes()).hexdigest()
    assert f"{digest}  course/notebooks/00_start_here.ipynb" in (folder / "SHA256SUMS").read_text()
