#!/usr/bin/env bash
# Installs what the tests run, on Debian or Ubuntu.
set -euo pipefail

packages=(
    build-essential     # the C compiler that some crates call
    ca-certificates
    mmdebstrap          # the Debian roots of the tests
    debian-archive-keyring
    gnupg               # the key of the local repository
    dpkg-dev            # tiny packages
    apt-utils           # and their repository
    openssh-client      # keys
    e2fsprogs gdisk dosfstools mtools qemu-utils    # disk images
    systemd-container   # a root that is booted
    zstd xz-utils
)
exec "$(dirname "$0")/packages.sh" "${packages[@]}"
