#!/usr/bin/env bash
# Prints the path of a QEMU for x86-64 machines, installed if it can be.
#
# Where a newer qemu-utils (backports) stands in the way of the distribution's qemu-system-x86, the packages are unpacked into a folder
# instead of installed, and the path is that of a small wrapper.
#   qemu.sh FOLDER
set -euo pipefail

folder=$(realpath -m "$1")
wrapper=$folder/qemu-system-x86_64
here=$(dirname "$0")

"$here/packages.sh" ovmf qemu-utils dosfstools mtools openssh-client >&2
if ! command -v qemu-system-x86_64 >/dev/null && [ ! -x "$wrapper" ]; then
    "$here/packages.sh" qemu-system-x86 >&2 || true
fi
if command -v qemu-system-x86_64; then
    exit 0
fi
if [ ! -x "$wrapper" ]; then
    echo "qemu-system-x86 cannot be installed; unpacking it into $folder" >&2
    mkdir -p "$folder/debs" "$folder/root"
    # All that it needs, real packages only, without what is installed here.
    mapfile -t packages < <(comm -23 \
        <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
            qemu-system-x86 | grep '^[a-z0-9]' | cut -d: -f1 | sort -u | comm -12 - <(apt-cache pkgnames | sort)) \
        <(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u))
    (cd "$folder/debs" && apt-get download "${packages[@]}" >&2)
    for deb in "$folder"/debs/*.deb; do
        dpkg-deb --extract "$deb" "$folder/root"
    done
    rm -r "$folder/debs"
    cat >"$wrapper" <<EOF
#!/bin/sh
root=$folder/root
LD_LIBRARY_PATH=\$root/usr/lib/x86_64-linux-gnu:\$root/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH
exec "\$root/usr/bin/qemu-system-x86_64" -L "\$root/usr/share/qemu" -L "\$root/usr/share/seabios" -L "\$root/usr/lib/ipxe/qemu" "\$@"
EOF
    chmod +x "$wrapper"
fi
echo "$wrapper"
