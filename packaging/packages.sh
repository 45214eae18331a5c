# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The Debian packages that building, testing and checking need, and the function that installs them.
# Sourced by packaging/quickstart, tests/run and .ci/run.
# shellcheck disable=SC2034

build_packages=(
    build-essential cmake ninja-build ccache pkg-config scdoc
    libtomlplusplus-dev libspdlog-dev libfmt-dev libsystemd-dev libmnl-dev libnftnl-dev libcli11-dev nlohmann-json3-dev
)
# What the example is looked at with.
run_packages=(nftables iproute2 iputils-ping)
# Other people's programs, as judges of what partd did.
test_packages=(
    "${run_packages[@]}" busybox-static catch2 librapidcheck-dev conntrack iperf3 strace util-linux procps python3 python3-jsonschema
    curl dbus-daemon libcap2-bin libxml2-utils systemd zsh fish
    # The collection in packaging/ansible, and connections for it.
    ansible-core openssh-client dropbear-bin
    # Firewalls that partctl doctor has to get along with.
    iptables ufw firewalld
)
# What counts lines.
coverage_packages=(gcovr)
# What tests/bench/run compares partd with.
bench_packages=(iptables containernetworking-plugins netavark python3-pyroute2)
# What makes and runs the machine of the system tests.
system_packages=(mmdebstrap qemu-system-x86 e2fsprogs)
# What makes the packages (packaging/deb, packaging/rpm/build) and judges them.
package_packages=(debhelper systemd)
package_check_packages=(lintian rpm rpmlint)
check_packages=(git clang-format-19 clang-tidy-19 clang-19 libclang-rt-19-dev shellcheck)

say() {
    printf '\n==> %s\n' "$*"
}

# Prints those of its arguments that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            printf '%s\n' "$package"
    done
}

# Installs those of its arguments that are missing; touches nothing when there are none.
install_packages() {
    local -a missing
    mapfile -t missing < <(missing_packages "$@")
    if ((${#missing[@]} == 0)); then
        echo "All $# packages are there already."
        return
    fi
    echo "Missing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
