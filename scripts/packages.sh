#!/usr/bin/env bash
# Installs Debian or Ubuntu packages that are missing, as root or through sudo; quick and silent where everything is there.
#   packages.sh NAME...
set -euo pipefail

missing=()
for package in "$@"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
echo "installing ${missing[*]}" >&2
"${apt[@]}" update
"${apt[@]}" install --no-install-recommends "${missing[@]}"
