#!/bin/sh
# Find a Python that these wheels are for, and let install.py do the rest: sh install.sh [FOLDER]
#
#   PYTHON=/path/to/python3.12 sh install.sh     choose the Python
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV || true

for python in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
    if "$python" "$here/install.py" --fits >/dev/null 2>&1; then
        exec "$python" "$here/install.py" "$@"
    fi
done
echo "mixturelab: no Python was found that these wheels are for." >&2
for python in ${PYTHON:-python3 python}; do # why not, in the words of install.py
    "$python" "$here/install.py" --fits && exit 1
done
exit 1
