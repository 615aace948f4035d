#!/usr/bin/env bash
# Checks dependencies against deny.toml: licences, bans and sources always; advisories where their database can be reached.
# cargo-deny takes minutes to build, so it is used where it is installed: cargo install cargo-deny --locked
set -euo pipefail

if ! command -v cargo-deny >/dev/null; then
    echo 'lint: cargo-deny is not installed; licences, bans and advisories were not checked' >&2
    exit 0
fi
cargo deny --log-level error --locked check --hide-inclusion-graph bans licenses sources
if cargo deny --log-level off fetch db 2>/dev/null; then
    cargo deny --locked check --disable-fetch --hide-inclusion-graph advisories
else
    echo 'lint: the advisory database cannot be reached; advisories were not checked' >&2
fi
