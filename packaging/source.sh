# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What packaging/deb and packaging/rpm/build share. Sourced from the top of the checkout.

project_version() {
    sed -n 's/^project(partd VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt
}

# The files of the checkout, each name ending with a NUL; without git, all but those that git would ignore.
source_files() {
    if git -c safe.directory="$PWD" rev-parse >/dev/null 2>&1; then
        git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard
    else
        find . -path ./build -prune -o -name __pycache__ -prune -o -type f -print0
    fi
}

# The checkout's time, as seconds since 1970: the last commit's time; without git that of CMakeLists.txt.
source_date() {
    git -c safe.directory="$PWD" log -1 --format=%ct 2>/dev/null || stat --format=%Y CMakeLists.txt
}

# source_archive VERSION FILE: they as FILE, below partd-VERSION/. The same files give the same bytes.
source_archive() {
    source_files | LC_ALL=C sort --zero-terminated | tar --create --null --files-from=- --ignore-failed-read --owner=0 --group=0 --numeric-owner \
        --mtime="@$(source_date)" --mode=go=rX,u+rw,a-s --transform='s#^\./##' --transform="s#^#partd-$1/#" | gzip --no-name >"$2"
}
