#!/usr/bin/env bash
# Slurm with accounting for the tests, from Debian's or Ubuntu's packages. Starts nothing.
# Exit code 3: can't be installed here.
set -euo pipefail
packages=(slurmctld slurmd slurmdbd slurm-client munge mariadb-server)
programs=(slurmctld slurmd slurmdbd sbatch munged mariadbd mariadb-install-db mariadb)
export PATH="$PATH:/usr/sbin:/sbin"

missing=0
for program in "${programs[@]}"; do
    command -v "$program" >/dev/null || missing=1
done
if [ "$(id -u)" -ne 0 ]; then
    echo "make test-slurm: SKIPPED, a node's daemon (slurmd) must run as root." >&2
    exit 3
fi
[ $missing -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "make test-slurm: SKIPPED, there is no apt-get to install Slurm with." >&2
    exit 3
fi
echo "Installing Slurm through apt: ${packages[*]}"
# A service that its package starts would hold the ports and files of the machine, not of the tests.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
fi
log=$(mktemp)
if ! DEBIAN_FRONTEND=noninteractive sh -c "apt-get update && apt-get install -y \
    --no-install-recommends ${packages[*]}" >"$log" 2>&1; then
    cat "$log" >&2
    echo "make test-slurm: SKIPPED, apt can't install Slurm here." >&2
    exit 3
fi
rm -f "$log"
