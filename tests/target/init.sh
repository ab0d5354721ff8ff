#!/bin/sh
# The init of a small board without systemd: the SSH server, what stands in init.d, and orphans are reaped.
stop() {
  trap '' TERM
  [ ! -x /etc/init.d/edge-sdk ] || /etc/init.d/edge-sdk stop
  kill -TERM -1
  exit 0
}
trap stop TERM
mkdir -p /run/sshd
SSHD -D -E /var/log/sshd.log &
[ ! -x /etc/init.d/edge-sdk ] || /etc/init.d/edge-sdk start &
# `wait` also collects children that others left behind.
while :; do wait; sleep 1; done
