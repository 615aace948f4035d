#!/usr/bin/env bash
# The demonstration behind `make demo`: a fresh Debian 12 root becomes a workstation, is verified, and a second apply changes nothing.
#   demo.sh FITOUT [ROOT]      FITOUT: the built program; ROOT: where the root is made (default: out/demo-root, made anew)
set -euo pipefail

fitout=$(realpath "$1")
root=${2:-out/demo-root}
manifest=manifests/quickstart.yaml
cache=$(realpath -m out/cache)

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { say "$@"; "$@"; }

mkdir -p out
if [ ! -e out/debian-12.tar ]; then
    say "mmdebstrap --variant=minbase bookworm out/debian-12.tar   # once; a few minutes"
    mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm out/debian-12.tar.part
    mv out/debian-12.tar.part out/debian-12.tar
fi
rm -rf --one-file-system "$root"
mkdir -p "$root"
tar -C "$root" --numeric-owner -xf out/debian-12.tar

export FITOUT_CACHE=$cache
run "$fitout" validate -f "$manifest"
run "$fitout" apply -f "$manifest" --root "$root" --install
run "$fitout" verify --root "$root"
run "$fitout" apply --root "$root"
echo
echo "The root is in $root. Look around: $fitout status --root $root, or chroot into it."
