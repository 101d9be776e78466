#!/bin/sh
# Makes what every machine boots from out of a freshly bootstrapped Debian: kernel, modules, base and blank disk.
# Usage: assemble-system.sh ARCHIVE OUT DISK_BYTES MODULE...
# Runs as root, or as root of a user namespace, so that the owners in the archive come out right.
set -eu

archive=$1
out=$2
disk_bytes=$3
shift 3

scratch=$out/scratch
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
root=$scratch/root
kernel=$scratch/kernel
disk=$scratch/disk
mkdir -p "$root" "$kernel" "$disk/up/workspace" "$disk/work" "$out/modules"

tar --extract --file "$archive" --directory "$root" --same-owner --same-permissions --numeric-owner
mkdir -p "$root/dev"

# The kernel is no part of the base: the machine is started with it.
dpkg-deb --extract "$root"/boot/linux-image-*.deb "$kernel"
cp "$kernel"/boot/vmlinuz-* "$out/vmlinuz"
modules=$(find "$kernel" -type d -path '*lib/modules/*' -name '[0-9]*' -prune)
basename "$modules" >"$out/kernel-version"
number=0
for module; do
  number=$((number + 1))
  file=$(find "$modules" -name "$module.ko" -o -name "$module.ko.xz")
  if [ -n "$file" ]; then
    cp "$file" "$out/modules/$(printf '%02d' "$number")-${file##*/}"
  elif ! grep -q "/$module\.ko$" "$modules/modules.builtin"; then
    echo "the kernel $(basename "$modules") has no module $module" >&2
    exit 1
  fi
done

# What the host lent for the download stays behind: its name server, and a password in a mirror's address.
rm -rf "$root"/boot/* "$root/etc/resolv.conf"
find "$root/var/log" -type f -delete
sed -i 's#://[^/@]*@#://#' "$root/etc/apt/sources.list"
echo sandbox >"$root/etc/hostname"
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
chmod 0644 "$root/etc/hostname" "$root/etc/hosts"

# Read-only for ever, so it needs no journal, no reserve and no room to grow: 4 KiB blocks, an inode a file,
# and a fiftieth for directories and indexes.
find "$root" -printf '%s\n' >"$scratch/sizes"
inodes=$(($(wc -l <"$scratch/sizes") + 256))
blocks=$(awk '{ blocks += int(($1 + 4095) / 4096) } END { print blocks }' "$scratch/sizes")
blocks=$((blocks + inodes / 16 + blocks / 50 + 4096))
mke2fs -q -F -t ext4 -b 4096 -m 0 -N "$inodes" -O ^has_journal,^resize_inode -E root_owner=0:0 \
  -L base -d "$root" "$out/base.raw" "$blocks"
debugfs -w -R 'rmdir lost+found' "$out/base.raw"

# Initialised in full now, because a kernel that did it later would write into every sandbox's layers. A snapshot holds
# the journal as it was, and a restore replays it: in the smallest one there is, that takes as long after a thousand
# commands as after ten. A sandbox with a larger disk has the file system grow, up to 1 TiB (268435456 blocks): with room for
# the groups of more than that, one step would be too large for such a journal.
chmod 0755 "$disk" "$disk/up" "$disk/up/workspace" "$disk/work"
mke2fs -q -F -t ext4 -b 4096 -m 0 -J size=4 -E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0,resize=268435456 \
  -L disk -d "$disk" "$scratch/blank.raw" "$((disk_bytes / 4096))"
qemu-img convert -O qcow2 -o cluster_size=16k "$scratch/blank.raw" "$out/blank.qcow2"
