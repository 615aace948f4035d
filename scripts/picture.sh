#!/usr/bin/env bash
# Draws docs/demo.svg: what a terminal shows of a real run on the root that `make demo` started from.
#   picture.sh
# Needs `make demo` to have run once, and python3-venv; takes `rich` from PyPI into out/venv.
set -euo pipefail
cd "$(dirname "$0")/.."

root=out/picture-root
rm -rf --one-file-system "$root"
mkdir -p "$root"
tar -C "$root" --numeric-owner -xf out/debian-12.tar
export FITOUT_CACHE=$PWD/out/cache COLUMNS=90

cat > out/picture-run.sh <<'RUN'
show() { printf '\033[1;32m$\033[0m \033[1m%s\033[0m\n' "$*"; }
show fitout apply -f manifests/quickstart.yaml --root debian --install
target/release/fitout apply -f manifests/quickstart.yaml --root out/picture-root --install --progress plain
show fitout verify --root debian
target/release/fitout verify --root out/picture-root
show fitout apply --root debian
target/release/fitout apply --root out/picture-root --progress plain
RUN
script --quiet --return --command 'bash out/picture-run.sh' out/picture.ansi > /dev/null

[ -d out/venv ] || python3 -m venv out/venv
out/venv/bin/pip install --quiet rich
out/venv/bin/python - <<'PY'
import re
from pathlib import Path
from rich.console import Console
from rich.text import Text
lines = open("out/picture.ansi", errors="replace").read().replace("\r", "").splitlines()
# The steps in hand are for logs; the picture shows what became of them.
lines = [line for line in lines if not line.startswith(("Script ", "   ...   "))]
console = Console(record=True, width=90, file=open("/dev/null", "w"), force_terminal=True, color_system="truecolor")
console.print(Text.from_ansi("\n".join(lines)))
# A picture asks no server for its letters.
Path("docs/demo.svg").write_text(re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="fitout"), flags=re.S))
PY
echo "drew docs/demo.svg"
