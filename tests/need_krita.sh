#!/bin/sh
# A real Krita 5 for tests/test_krita_real.py, and a screen for it that nobody sees.
# Krita runs plug-ins in the system's Python, whatever is on PATH.
command -v krita >/dev/null && command -v Xvfb >/dev/null && command -v openbox >/dev/null &&
    /usr/bin/python3 -c 'import PyQt5' 2>/dev/null && exit 0
install="apt-get install -y --no-install-recommends krita python3-pyqt5 xvfb xdotool openbox"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Krita: half a minute, once"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && $install -qq; } >/dev/null && exit 0
fi
echo "the test in Krita needs Krita 5: $install"
[ -z "$CI" ] # without it that test is skipped, except in CI, where that is a failure
