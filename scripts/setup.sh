#!/bin/sh
# Make or repair .venv: find a Python, install the lock, install mixturelab itself. `make` calls this; quick when done.
#
#   PYTHON=python3.12       the Python to use (default: the first of Python 3.11 to 3.13 that is found)
#   TORCH_INDEX=https://…   where to take torch from, for example https://download.pytorch.org/whl/cpu
set -eu
cd "$(dirname "$0")/.."

venv=.venv
log=$venv/setup.log
stamp=$venv/.ready
torch_index=$venv/.torch-index
# No Python that is active around us may lead pip or the imports astray.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV || true

say() { printf 'mixturelab: %s\n' "$*"; }
fail() { printf 'mixturelab: %s\n' "$*" >&2; exit 1; }

# Exit status 0 if the interpreter $1 runs and its version lies in [$2, $3).
version_between() {
    "$1" -c "import sys; sys.exit(not $2 <= sys.version_info[:2] < $3)" >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        version_between "$PYTHON" "(3, 11)" "(4, 0)" && { echo "$PYTHON"; return; }
        fail "PYTHON=$PYTHON is not a Python 3.11 or newer: $("$PYTHON" --version 2>&1 | head -n 1)"
    fi
    for below in "(3, 14)" "(4, 0)"; do # the Pythons that the lock is made for first
        for name in python3 python python3.13 python3.12 python3.11 python3.14; do
            version_between "$name" "(3, 11)" "$below" && { echo "$name"; return; }
        done
    done
    fail "Python 3.11 or newer is needed, and none was found ($(python3 --version 2>&1 | head -n 1)): install one, or name it with PYTHON=/path/to/python3.12"
}

# What the installation depends on: this folder, the lock, the package's own description. A change makes the stamp stale.
wanted_state() {
    printf '%s %s\n' "$PWD" "$(cat requirements.txt pyproject.toml | cksum)"
}

venv_works() {
    version_between "$venv/bin/python" "(3, 11)" "(4, 0)" && "$venv/bin/python" -c "import pip" >/dev/null 2>&1
}

# A Python or a torch that is asked for by name must be the one that .venv has.
venv_is_as_asked() {
    if [ -n "${PYTHON:-}" ]; then
        version='import sys; print(sys.version)'
        [ "$("$venv/bin/python" -c "$version" 2>&1)" = "$("$PYTHON" -c "$version" 2>&1)" ] || return 1
    fi
    [ -z "${TORCH_INDEX:-}" ] || [ "$(cat "$torch_index" 2>/dev/null)" = "$TORCH_INDEX" ]
}

make_venv() {
    python=$(find_python)
    say "making $venv with $("$python" --version 2>&1)"
    "$python" -m venv --clear "$venv" || fail "$python -m venv failed (on Debian and Ubuntu: apt install python3-venv)"
}

# Run pip with its output in the log, and show only how far it is.
pip_install() {
    status_file=$venv/.pip-status
    {
        status=0
        "$venv/bin/python" -m pip --disable-pip-version-check --no-input install "$@" 2>&1 || status=$?
        echo "$status" >"$status_file"
    } | tee -a "$log" | while IFS= read -r line; do
        case $line in
        "Downloading torch-"* | "  Downloading torch-"*) say "  downloading torch, the largest part" ;;
        "Installing collected packages: mixturelab"*) ;;
        "Installing collected packages"*) say "  unpacking" ;;
        "ERROR: "* | "error: "*) printf '%s\n' "$line" >&2 ;;
        esac
    done
    [ "$(cat "$status_file")" = 0 ]
}

install_packages() {
    : >"$log"
    say "installing $(grep -c == requirements.txt) pinned packages (a few minutes the first time; details in $log)"
    # --extra-index-url: a "+cpu" or "+cu130" build there is preferred to the plain one of the same version.
    if ! { pip_install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.txt &&
        pip_install --no-deps --no-build-isolation -e .; }; then
        fail "the installation failed: $log has all that pip said, and \`make clean\` starts anew"
    fi
}

# An installation that was cut short can leave half a package behind, which pip does not see.
imports_work() {
    "$venv/bin/python" -c "import torch, numpy, scipy, sklearn, pandas, matplotlib, jupyterlab, pytest" >>"$log" 2>&1
}

if venv_works && venv_is_as_asked; then
    [ "$(cat "$stamp" 2>/dev/null)" != "$(wanted_state)" ] || exit 0
    rm -f "$stamp"
else
    make_venv
fi
install_packages
if ! imports_work; then
    say "the packages in $venv are damaged"
    make_venv
    install_packages
    imports_work || fail "the packages cannot be imported: $log says why"
fi
[ -z "${TORCH_INDEX:-}" ] || printf '%s\n' "$TORCH_INDEX" >"$torch_index"
wanted_state >"$stamp"
say "ready ($("$venv/bin/python" -c 'import platform, torch; print(f"Python {platform.python_version()}, torch {torch.__version__}")'))"
