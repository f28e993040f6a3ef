#!/usr/bin/env bash
# Prints an interpreter of Python 3.11, the one that Blender's module bpy is made for; the rest of vebi takes
# newer ones, too. It is $RENDER_PYTHON, $PYTHON, one on this machine, or one that uv fetches.
#   bash envs/blender-python.sh MAIN    MAIN: the main environment's Python, beside which uv is installed
set -euo pipefail

is_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

if [ -n "${RENDER_PYTHON:-}" ]; then
    is_311 "$RENDER_PYTHON" || { echo "RENDER_PYTHON=$RENDER_PYTHON is not Python 3.11." >&2; exit 1; }
    echo "$RENDER_PYTHON"
    exit
fi
for python in "${PYTHON:-python3}" python3.11; do
    if is_311 "$python"; then
        "$python" -c 'import sys; print(sys.executable)'
        exit
    fi
done
if ! uv=$(command -v uv); then
    "$1" -m pip install -q --disable-pip-version-check uv==0.13.9 >&2
    uv="$(dirname "$1")/uv"
fi
if python=$("$uv" python find 3.11 2>/dev/null) && is_311 "$python"; then
    echo "$python"
    exit
fi
echo "Blender's module needs Python 3.11, which this machine lacks: uv fetches it." >&2
if "$uv" python install -q 3.11 >&2 && python=$("$uv" python find 3.11) && is_311 "$python"; then
    echo "$python"
    exit
fi
cat >&2 <<'END'
Python 3.11 could not be fetched, so flowers can't be rendered here. Ways out:
  - install Python 3.11 (pyenv, conda, your distribution) and name it: make RENDER_PYTHON=/path/to/python3.11
  - runs without flowers need no Blender: make quick, or snakemake with a configuration of your own data
END
exit 1
