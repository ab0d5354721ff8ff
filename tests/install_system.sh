#!/bin/sh
# Installs what the tests need from the system, where that is allowed, and says loudly what is missing otherwise.
set -eu
missing=""
command -v mosquitto >/dev/null 2>&1 || [ -x /usr/sbin/mosquitto ] || missing="$missing mosquitto"
command -v qemu-aarch64-static >/dev/null 2>&1 || missing="$missing qemu-user-static"
command -v gcc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing for the tests:$missing"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null && exit 0
fi
echo "*** NOT INSTALLED:$missing. The tests that need them are SKIPPED. As root: apt-get install$missing ***" >&2
