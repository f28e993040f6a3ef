#!/usr/bin/env bash
# The shared libraries that bpy loads and a bare Debian or Ubuntu lacks.
set -euo pipefail
packages=(libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1)
libraries=(libXrender.so.1 libXfixes.so.3 libXi.so.6 libxkbcommon.so.0 libSM.so.6 libGL.so.1)

known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)
missing=()
for i in "${!libraries[@]}"; do
    grep -qF "${libraries[$i]}" <<<"$known" || missing+=("${packages[$i]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
    echo "Rendering needs system libraries. Run this once, then make again:" >&2
    echo "  sudo sh -c '$install'" >&2
    exit 1
elif ! command -v apt-get >/dev/null; then
    echo "Rendering needs ${missing[*]} (Debian's names); install them with your package manager." >&2
    exit 1
fi
echo "Installing system libraries for rendering through apt: ${missing[*]}"
log=$(mktemp)
if ! DEBIAN_FRONTEND=noninteractive sh -c "$install" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
rm -f "$log"
