#!/bin/sh
# The tests open the HTML page in a real browser: Debian's chromium with its driver.
# Root gets them installed; anyone else is told how.
command -v chromedriver >/dev/null && { command -v chromium || command -v google-chrome; } >/dev/null && exit 0
install="apt-get install -y --no-install-recommends chromium chromium-driver"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium for the browser tests"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && $install -qq; } >/dev/null && exit 0
fi
echo "the browser tests need chromium and chromedriver: $install"
[ -z "$CI" ] # without them those tests are skipped, except in CI, where that is a failure
