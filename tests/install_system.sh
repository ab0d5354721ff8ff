#!/bin/sh
# Installs what the tests need from the system, where that is allowed, and says loudly what is missing otherwise.
set -eu
missing=""
command -v mosquitto >/dev/null 2>&1 || [ -x /usr/sbin/mosquitto ] || missing="$missing mosquitto"
command -v qemu-aarch64-static >/dev/null 2>&1 || missing="$missing qemu-user-static"
command -v gcc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
command -v busybox >/dev/null 2>&1 || missing="$missing busybox"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
# The target of tests/target: a machine in namespaces with its own OpenSSH server, and systemd where it boots.
command -v ssh >/dev/null 2>&1 || missing="$missing openssh-client"
[ -x /usr/sbin/sshd ] || missing="$missing openssh-server"
[ -x /lib/systemd/systemd ] || missing="$missing systemd"
command -v ip >/dev/null 2>&1 || [ -x /usr/sbin/ip ] || missing="$missing iproute2"
command -v nft >/dev/null 2>&1 || [ -x /usr/sbin/nft ] || missing="$missing nftables"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing for the tests:$missing"
  if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
    # Only the program is needed: this machine gets no SSH server that it did not have.
    case "$missing" in *openssh-server*) systemctl disable --now ssh.service >/dev/null 2>&1 || true ;; esac
    exit 0
  fi
fi
echo "*** NOT INSTALLED:$missing. The tests that need them are SKIPPED. As root: apt-get install$missing ***" >&2
