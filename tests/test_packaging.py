"""What `pip install` of the sdist and of the wheel gives, in an environment without the checkout."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ("tclsta_tf", "tfrecords_tools")

pytestmark = pytest.mark.slow


def run(*line, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(list(map(str, line)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def build_wheel(source, target):
    pip = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    done = run(*pip, f"--wheel-dir={target}", source, cwd=target.parent)
    assert done.returncode == 0, done.stderr
    (wheel,) = target.glob("*.whl")
    return wheel


def tracked_files():
    done = run("git", "ls-files", cwd=ROOT)
    if done.returncode:
        pytest.skip("this is not a clone, so that nothing tells which files belong to the project")
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the tracked files: setuptools leaves things in the folder in which it builds, and would pack them."""
    folder = tmp_path_factory.mktemp("checkout") / "source"
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def sdist(checkout):
    program = "import setuptools.build_meta as backend; backend.build_sdist('dist')"
    done = run(sys.executable, "-c", program, cwd=checkout)
    assert done.returncode == 0, done.stderr
    (archive,) = (checkout / "dist").glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    return build_wheel(checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment with the wheel; the packages that it depends on are those of the running one."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", f"--python={python}", "install", "--no-deps", "--no-index"]
    done = run(*pip, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    (site,) = (folder / "lib").glob("python*/site-packages")
    paths = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "running.pth").write_text("\n".join(paths))
    return folder


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def commands():
    """The modules that are commands."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    found = [file.relative_to(ROOT) for file in files if "\n    cli.run(main" in file.read_text()]
    return {".".join(file.with_suffix("").parts) for file in found}


def test_the_wheel_holds_both_packages_their_data_and_the_recipes(wheel):
    tracked = tracked_files()
    code = {name for name in tracked if name.startswith(PACKAGES) and (name.endswith(".py") or "/assets/" in name)}
    recipes = {name for name in tracked if name.startswith("configs/") and name.endswith(".cfg")}
    assert {"tclsta_tf/reports/assets/report.js", "tclsta_tf/serving/assets/page.html"} <= code
    packed = {name.partition(".data/data/share/tclsta-tf/")[2] or name for name in contents(wheel)}
    assert {name for name in packed if ".dist-info/" not in name} == code | recipes


def test_the_sdist_holds_the_project_and_builds_the_same_wheel(sdist, wheel, tmp_path):
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {name for name in tracked_files() if not name.startswith(".")} <= packed
    assert contents(build_wheel(sdist, tmp_path / "wheel")) == contents(wheel)


def test_the_image_is_made_from_the_same_wheel(checkout, wheel, tmp_path):
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in tracked_files():
        if any(pathlib.PurePath(name.partition("/")[0]).match(pattern) for pattern in sent):
            (tmp_path / "context" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, tmp_path / "context" / name)
    assert contents(build_wheel(tmp_path / "context", tmp_path / "wheel")) == contents(wheel)


def test_every_command_has_its_script(environment):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    program = "from tclsta_tf import console\n" + "".join(
        f"print(console.{target.partition(':')[2]}.args[0])\n" for target in scripts.values()
    )
    done = run(environment / "bin" / "python", "-c", program, cwd=environment)
    modules = done.stdout.split()
    assert set(modules) == commands() and len(modules) == len(scripts), done.stderr
    for script, module in zip(scripts, modules, strict=True):
        assert (environment / "bin" / script).exists()
        assert script == "tclsta-" + module.partition(".")[2].replace(".", "-").replace("_", "-")


@pytest.mark.parametrize(
    ("script", "module", "arguments", "status"),
    [
        ("tclsta-train", "tclsta_tf.train", ["--help"], 0),
        ("tclsta-make-demo", "tfrecords_tools.make_demo", ["--help"], 0),
        ("tclsta-flow-show", "tfrecords_tools.flow.show", ["--helpfull"], 0),
        ("tclsta-convert", "tfrecords_tools.convert", ["--nonsense=3"], 2),
        ("tclsta-verify", "tfrecords_tools.verify", ["/nowhere"], 1),
        ("tclsta-verify", "tfrecords_tools.verify", ["--flagfile=/nowhere.cfg", "records"], 2),
    ],
)
def test_a_script_does_what_its_module_does(environment, tmp_path, script, module, arguments, status):
    of_script = run(environment / "bin" / script, *arguments, cwd=tmp_path)
    of_module = run(environment / "bin" / "python", "-m", module, *arguments, cwd=tmp_path)
    assert of_script.returncode == of_module.returncode == status, of_script.stderr
    assert (of_script.stdout, of_script.stderr) == (of_module.stdout, of_module.stderr)
    assert f"python -m {module} " in of_script.stdout or of_script.stderr.splitlines()[-1].startswith("error: ")


def test_the_installed_package_works_away_from_the_checkout(environment, tmp_path):
    done = run(environment / "bin" / "python", "-c", "import tclsta_tf; print(tclsta_tf.__file__)", cwd=tmp_path)
    assert pathlib.Path(done.stdout.strip()).is_relative_to(environment), done.stderr
    # Its worker processes import the command once more, by the name that `__main__` has.
    sizes = ["--train_videos_per_class=2", "--test_videos_per_class=2", "--num_splits=1", "--num_frames=16"]
    done = run(environment / "bin" / "tclsta-make-demo", "--output_dir=demo", "--workers=2", *sizes, cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "demo" / "demo.json").exists(), done.stderr
    flagfile = environment / "share" / "tclsta-tf" / "configs" / "demo.cfg"
    done = run(environment / "bin" / "tclsta-train", f"--flagfile={flagfile}", "--part=static", cwd=tmp_path)
    assert done.returncode == 2 and "--workdir is missing" in done.stderr, done.stderr


def test_serving_names_the_extra_that_is_missing(tmp_path):
    program = (
        "import runpy, sys\nsys.path.insert(0, sys.argv.pop(1))\nsys.modules['kserve'] = None\n"
        "runpy.run_module('tclsta_tf.serve', run_name='__main__', alter_sys=True)"
    )
    done = run(sys.executable, "-c", program, ROOT, "--model=model/1", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: serving needs kserve: pip install 'tclsta-tf[serve]'\n"
