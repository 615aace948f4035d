# A throw-away view of this machine: what changes in it is kept in memory and gone with its last process.
#   view.sh FOLDER TREE COMMAND...
folder=$1 tree=$2
shift 2
mount -t tmpfs view "$folder"
mkdir "$folder/changed" "$folder/work" "$folder/root"
root=$folder/root
mount -t overlay -o "lowerdir=/,upperdir=$folder/changed,workdir=$folder/work" view "$root"
for place in proc sys dev; do mount --rbind "/$place" "$root/$place"; done
resolver=$(cat /etc/resolv.conf || true)
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
rm -f "$root/etc/resolv.conf"
printf '%s\n' "$resolver" >"$root/etc/resolv.conf"
mkdir -p "$root$tree"
mount --rbind "$tree" "$root$tree"
# Packages are installed; nothing is started.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
exec chroot "$root" "$@"
