# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# What cmake --install puts where: programs, manual, completion, examples.

expect "partctl --version" "0.1.0" "$(partctl --version)"
expect "partd --version" "0.1.0" "$(partd --version)"
for program in /usr/local/sbin/partctl /usr/local/sbin/partd /usr/local/libexec/partd/partd-init; do
    expect "$program" "755 root:root" "$(stat --format='%a %U:%G' "$program")"
done
check "no library is missing" bash -c '! ldd /usr/local/sbin/partctl /usr/local/sbin/partd | grep "not found"'
expect_match "partd-init runs without libraries" "not a dynamic executable" "$(ldd /usr/local/libexec/partd/partd-init 2>&1)"
for page in man8/partctl.8 man8/partd.8 man5/partd.toml.5; do
    expect_match "manual page $page" "^\.TH" "$(grep --max-count=1 '^\.TH' /usr/local/share/man/$page)"
done
check "completion parses" bash -n /usr/local/share/bash-completion/completions/partctl
expect "nothing is writable by others" "" \
    "$(tar -C /run/bench/installed -c . | tar -t | while read -r file; do find "/$file" -maxdepth 0 -perm /022 ! -type l; done)"

# A user without rights: reading the configuration is allowed, the host is not.
example workshop
check "an ordinary user checks the files" runuser -u ordinary -- partctl check
check "an ordinary user lists them" runuser -u ordinary -- partctl list
check_fails "an ordinary user may not apply" 5 runuser -u ordinary -- partctl apply
check "nothing has been made by it" nothing_left
