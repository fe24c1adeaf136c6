#!/bin/sh
# A real GIMP 3 for tests/test_gimp_real.py: the one on PATH, or else a Debian root made once.
#
#   need_gimp.sh [SUITE]     SUITE is trixie (GIMP 3.0) or forky (GIMP 3.2)
#
# Prints the root's folder on its last line, or "native". The root is kept in
# ${SMALTI_CI_CACHE:-~/.cache/smalti-ci}, packed as well, under a name that changes with what is
# in it. Remove it when nothing runs in it; nothing is ever mounted there from outside.
suite=${1:-trixie}
tools="mmdebstrap xvfb xauth xdotool openbox x11-utils imagemagick zstd"
packages="gimp,gir1.2-gimp-3.0,python3-gi,python3-gi-cairo,gir1.2-gtk-3.0,fonts-dejavu-core"
packages="$packages,dbus-x11,ca-certificates"

case $(gimp-console --version 2>/dev/null) in *" 3."*)
    [ "$suite" = trixie ] && { echo native; exit 0; } ;;
esac
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "the GIMP tests need GIMP 3, or Debian and root to make one in a folder of its own"
    [ -z "$CI" ] # without it those tests are skipped, except in CI, where that is a failure
    exit
fi

cache=${SMALTI_CI_CACHE:-$HOME/.cache/smalti-ci}
name=gimp-$suite-$(echo "1 $packages" | sha256sum | cut -c 1-12)
root=$cache/$name
mkdir -p "$cache" || exit 1
exec 9>"$cache/$name.lock"
flock 9
set -e
export DEBIAN_FRONTEND=noninteractive
if ! command -v mmdebstrap Xvfb xdotool openbox import zstd >/dev/null; then
    echo "installing what makes and shows a GIMP: $tools"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $tools; } >/dev/null
fi
if [ ! -e "$root/usr/bin/gimp-console" ]; then
    rm -rf "$root.new" # never has anything mounted: mounts live in a namespace of their own
    if [ -e "$root.tar.zst" ]; then
        echo "unpacking GIMP from $suite"
        mkdir "$root.new"
        tar --use-compress-program=zstd --numeric-owner -xf "$root.tar.zst" -C "$root.new"
    else
        echo "making a root with GIMP from Debian $suite: some three minutes, once"
        mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
            sed -n 's/^Debian //p' | head -n 1)
        # A mirror that is kept still, as for repeatable builds, has releases past their date.
        mmdebstrap --quiet --variant=minbase --mode=root --include="$packages" \
            --aptopt='Acquire::Check-Valid-Until "false"' \
            "$suite" "$root.new" ${mirror:+"$mirror"} >"$root.log" 2>&1 || {
            tail -n 20 "$root.log"
            exit 1
        }
        # Neither is needed to run, and both would be packed.
        rm -rf "$root.new"/var/cache/apt/* "$root.new"/var/lib/apt/lists/*
        tar --use-compress-program='zstd -T0 -3' --numeric-owner -cf "$root.tar.new" -C "$root.new" .
        mv "$root.tar.new" "$root.tar.zst"
    fi
    mv "$root.new" "$root"
fi
echo "$root"
