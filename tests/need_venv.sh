#!/bin/sh
# Debian ships Python without the part that fills a virtual environment.
version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
install="apt-get install -y python$version-venv"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing python$version-venv"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && $install -qq; } >/dev/null && exit 0
fi
echo "this Python cannot make virtual environments: $install"
exit 1
