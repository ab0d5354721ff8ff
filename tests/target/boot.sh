# Starts a target: joins its cgroups, makes the namespaces of one boot, mounts, hands over to the init.
#   sh boot.sh FOLDER NAME INIT
# The same file runs twice: outside, and with EDGE_TARGET_INSIDE as the first process of the new namespaces.
set -eu
folder=$1 name=$2 init=$3
if [ -z "${EDGE_TARGET_INSIDE:-}" ]; then
  while read -r group; do echo 0 >"$group/cgroup.procs"; done <"$folder/groups"
  EDGE_TARGET_INSIDE=1 exec unshare --pid --mount --uts --ipc --cgroup --fork --kill-child sh "$0" "$@"
fi
read -r pid _ </proc/self/stat
echo "$pid" >"$folder/init.pid.part"
mv "$folder/init.pid.part" "$folder/init.pid"
mount --make-rprivate /
hostname "$name"
root=$folder/merged
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
# The host's settings are not the target's to change.
for path in sys sysrq-trigger; do
  [ -e "$root/proc/$path" ] || continue
  mount --bind "$root/proc/$path" "$root/proc/$path"
  mount -o remount,bind,ro "$root/proc/$path"
done
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
if [ -d "$folder/firmware" ]; then
  mount --bind "$folder/firmware" "$root/sys/firmware"
fi
for path in run tmp dev; do mount -t tmpfs -o mode=755 "$path" "$root/$path"; done
chmod 1777 "$root/tmp"
for node in null zero full random urandom tty; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/run/lock"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
if [ "$(stat -f -c %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs -o mode=755 cgroup "$root/sys/fs/cgroup"
  for controller in memory pids systemd; do
    options=$controller
    [ $controller != systemd ] || options=none,name=systemd
    mkdir "$root/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$options" cgroup "$root/sys/fs/cgroup/$controller" 2>/dev/null ||
      rmdir "$root/sys/fs/cgroup/$controller"
  done
fi
cd "$root"
pivot_root . mnt
umount -l /mnt
# Neither the clock nor the kernel of the machine below can be changed from here.
keep=-sys_time,-sys_module
exec env -i container=edge PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  setpriv --bounding-set $keep --inh-caps $keep "$init"
