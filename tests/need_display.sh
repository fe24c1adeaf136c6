#!/bin/sh
# The tests open the viewer in a real window: a display without a screen, and hands.
set -e
if command -v Xvfb >/dev/null && command -v xdotool >/dev/null; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq xvfb xdotool >/dev/null
else
    echo "the test of the viewer's window needs Xvfb and xdotool; without them it is skipped"
fi
