#!/usr/bin/env bash
# What a bare Debian or Ubuntu lacks: Python's venv, the shared libraries that bpy loads, and the programs
# that are given as arguments (`chromium`, in which tests open the report).
set -euo pipefail
packages=(libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1)
libraries=(libXrender.so.1 libXfixes.so.3 libXi.so.6 libxkbcommon.so.0 libSM.so.6 libGL.so.1)

missing=()
"${PYTHON:-python3}" -c "import ensurepip, venv" 2>/dev/null || missing+=(python3-venv)
known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)
for i in "${!libraries[@]}"; do
    grep -qF "${libraries[$i]}" <<<"$known" || missing+=("${packages[$i]}")
done
for program in "$@"; do
    command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
    echo "Please install these with your package manager (Debian's names): ${missing[*]}" >&2
    exit 1
elif [ "$(id -u)" -ne 0 ]; then
    echo "System packages are missing. Run this once, then make again:" >&2
    echo "  sudo sh -c '$install'" >&2
    exit 1
fi
echo "Installing system packages through apt: ${missing[*]}"
log=$(mktemp)
if ! DEBIAN_FRONTEND=noninteractive sh -c "$install" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
rm -f "$log"
