#!/usr/bin/env bash
# Installs what the tests run, on Debian or Ubuntu, as root or through sudo; quick and silent where everything is there.
set -euo pipefail

packages=(
    build-essential     # the C compiler that some crates call
    ca-certificates
    mmdebstrap          # the Debian root of tests/root.rs and tests/faults.rs
    debian-archive-keyring
    gnupg               # the key of the local repository
    dpkg-dev            # tiny packages
    apt-utils           # and their repository
    openssh-client      # keys
    e2fsprogs fdisk dosfstools mtools qemu-utils    # disk images
    systemd-container   # a root that is booted
    zstd xz-utils
)

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
echo "installing what the tests run: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get --quiet --yes -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${apt[@]}" update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${apt[@]}" install --no-install-recommends "${missing[@]}"
