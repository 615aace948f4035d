#!/usr/bin/env bash
# A fresh Debian 12 root becomes a workstation, is verified, and a second apply changes nothing.
#   demo.sh [ROOT]      ROOT: where the root is made, anew (default: out/demo-root)
# Runs as root or through sudo; installs mmdebstrap where it is missing; keeps downloads in out/cache, so a second run is quick.
set -euo pipefail
cd "$(dirname "$0")/.."

root=${1:-out/demo-root}
base=out/debian-12.tar
manifest=manifests/quickstart.yaml
fitout=target/release/fitout
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo --preserve-env=FITOUT_CACHE,HTTPS_PROXY,HTTP_PROXY,NO_PROXY)

show() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { show "fitout $*"; "${as_root[@]}" "$fitout" "$@"; }

scripts/packages.sh build-essential ca-certificates debian-archive-keyring mmdebstrap
show cargo build --release
cargo build --release --locked

mkdir -p out
if [ ! -e "$base" ]; then
    show mmdebstrap --variant=minbase bookworm "$base"
    "${as_root[@]}" mmdebstrap --quiet --format=tar --variant=minbase --include=ca-certificates bookworm "$base.part"
    "${as_root[@]}" mv "$base.part" "$base"
fi
"${as_root[@]}" rm -rf --one-file-system "$root"
"${as_root[@]}" mkdir -p "$root"
"${as_root[@]}" tar -C "$root" --numeric-owner -xf "$base"

export FITOUT_CACHE=$PWD/out/cache
run validate -f "$manifest"
run apply -f "$manifest" --root "$root" --install
run verify --root "$root"
run apply --root "$root"
printf '\nThe workstation is in %s. `fitout status --root %s` shows how it is.\n' "$root" "$root"
