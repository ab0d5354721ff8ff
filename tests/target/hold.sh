# Holds the parts of a target that outlive its reboots: its disk, its network, its place in the cgroups.
# Runs as the first process of its own mount, network and PID namespace; when its stdin ends, the kernel clears all of
# it away, also after the death of whoever started it.
#   sh hold.sh FOLDER CGROUP MEMORY_MIB [HIDDEN...]     HIDDEN: absolute paths a clean board would not have
set -eu
folder=$1 cgroup=$2 memory_mib=$3
shift 3
mount -t tmpfs -o size=3g,mode=755 edge-target "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/merged" "$folder/cgroup"
# A 0/0 character device in the upper layer hides what lies below; a folder made over it later starts empty.
for path in "$@"; do
  mkdir -p "$folder/upper${path%/*}"
  mknod "$folder/upper$path" c 0 0
done
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" edge-target "$folder/merged"

# Everywhere below our own group, so that limits of whoever tests also hold for the target, and two targets never meet.
: >"$folder/groups"
join() { # MOUNT OWN TYPE OPTIONS
  place=$folder/cgroup/$1
  mkdir -p "$place"
  mount -t "$3" -o "$4" cgroup "$place" 2>/dev/null || return 0
  group=$place${2%/}/$cgroup
  mkdir -p "$group" || return 0
  for file in cpuset.cpus cpuset.mems; do # of version 1: empty ones take no process
    [ ! -e "$group/$file" ] || [ "$3" = cgroup2 ] || cat "${group%/*}/$file" >"$group/$file"
  done
  [ ! -e "$group/memory.limit_in_bytes" ] || echo "${memory_mib}m" >"$group/memory.limit_in_bytes" || true
  [ ! -e "$group/memory.max" ] || echo "${memory_mib}M" >"$group/memory.max" || true
  echo "$group" >>"$folder/groups"
}
while IFS=: read -r number controllers own; do
  case $number:$controllers in
    0:) join unified "$own" cgroup2 rw ;;
    *:name=*) join "${controllers#name=}" "$own" cgroup "none,$controllers" ;;
    *) join "$controllers" "$own" cgroup "$controllers" ;;
  esac
done </proc/self/cgroup
read -r pid _ </proc/self/stat # the /proc we were born with counts from outside
echo "ready $pid"
while read -r _; do :; done
