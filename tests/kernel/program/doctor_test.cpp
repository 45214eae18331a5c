// SPDX-License-Identifier: Apache-2.0
// partctl doctor: what stands in the way on this host is found, and what does not is not.

#include "doctor_host.h"
#include "machine.h"

#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kNat = R"([partition.web.link.eth0]
address = ["10.1.1.1/24"]
peer = { address = ["10.1.1.2/24"] }
[partition.web.nat]
masquerade = true
)";

/// Another text in place of a file of the kernel's, until the sandbox goes.
void pretend(const std::string& path, const std::string& text) {
    static int count = 0;
    const std::string file = "/run/scratch/pretended" + std::to_string(count++);
    write_file(file, text);
    require_call(mount(file.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0, "mount over " + path);
}

/// A program of that name that does nothing.
Background program(const std::string& name) {
    const std::string path = "/run/scratch/" + name;
    fs::copy_file("/usr/bin/sleep", path, fs::copy_options::overwrite_existing);
    Background started(Arguments{path, "60"});
    REQUIRE(eventually([&] { return comm_of(started.pid()) == name.substr(0, 15); }));
    return started;
}

}  // namespace

TEST_CASE("doctor: another firewall's forward chain", "[doctor][nat]") {
    Sandbox sandbox;
    sandbox.outside();
    ip({"route", "replace", "default", "via", Outside::kPeer4});
    sandbox.write_config("web.toml", kNat);
    CHECK(severity(sandbox, "drops forwarded packets") == "ok");
    sandbox.apply();  // partd's own chain is none of them
    CHECK(severity(sandbox, "drops forwarded packets") == "ok");
    nft("table ip filter {\n chain FORWARD {\n type filter hook forward priority 0; policy drop;\n }\n}\n");
    const Json found = finding(sandbox, "table ip filter, chain FORWARD");
    CHECK(severity(found) == "problem");
    CHECK(found.value("what", "").find("connections of web by pv-web and uplink") != std::string::npos);
    CHECK(found.value("why", "").find("web (/etc/partd/web.toml:1)") != std::string::npos);
    CHECK(sandbox.partctl({"doctor"}).code == 1);
    // The suggested fix, run as printed, removes the finding.
    carry_out(found);
    CHECK(exec_in(sandbox, "web", {"ip", "route", "add", "default", "via", "10.1.1.2"}).code == 0);
    CHECK(exec_in(sandbox, "web", {"ping", "-c1", "-W2", Outside::kPeer4}).code == 0);
    CHECK(severity(sandbox, "drops forwarded packets") == "ok");
}

TEST_CASE("doctor: a last rule that rejects, and what is no firewall", "[doctor][nat]") {
    Sandbox sandbox;
    sandbox.outside();
    ip({"route", "replace", "default", "via", Outside::kPeer4});
    sandbox.write_config("web.toml", kNat);
    nft("table inet other {\n chain forward {\n type filter hook forward priority 10;\n"
        " ct state established accept\n iifname \"lo\" accept\n counter reject with icmpx admin-prohibited\n "
        "}\n}\n");
    CHECK(severity(sandbox, "table inet other, chain forward") == "problem");
    nft("flush ruleset\ntable inet other {\n chain input {\n type filter hook input priority 0; policy "
        "drop;\n }\n"
        " chain forward {\n type filter hook forward priority 0;\n ip daddr 192.0.2.1 drop\n tcp dport 25 "
        "reject\n"
        " iifname { \"eth7\", \"eth8\" } drop\n }\n}\n");
    CHECK(severity(sandbox, "drops forwarded packets") == "ok");
    nft("add rule inet other forward iifname { \"pv-web\", \"eth8\" } ip saddr 10.1.1.0/28 drop\n");
    CHECK(severity(sandbox, "table inet other, chain forward") == "problem");
}

TEST_CASE("doctor: a firewall that concerns no partition is none of its matters", "[doctor]") {
    Sandbox sandbox;
    sandbox.outside();
    ip({"route", "replace", "default", "via", Outside::kPeer4});
    sandbox.write_config("web.toml", "[partition.web]\n");
    nft("table ip filter {\n chain FORWARD {\n type filter hook forward priority 0; policy drop;\n }\n}\n");
    CHECK(severity(sandbox, "drops forwarded packets") == "ok");
    // One of IPv6 is none of those that have IPv4 alone.
    sandbox.write_config("web.toml", kNat);
    CHECK(severity(sandbox, "table ip filter") == "problem");
    nft("flush ruleset\ntable ip6 filter {\n chain FORWARD {\n type filter hook forward priority 0; policy "
        "drop;\n "
        "}\n}\n");
    CHECK(severity(sandbox, "drops forwarded packets") == "ok");
}

TEST_CASE("doctor: the host's switches", "[doctor]") {
    Sandbox sandbox;
    sandbox.write_config(
        "web.toml",
        std::string(kNat) +
            "[partition.web.link.eth1]\naddress = [\"10.1.2.1/24\"]\npeer = { name = \"web1\" }\n");
    set_sysctl("net.ipv4.ip_forward", "0");
    CHECK(severity(sandbox, "net.ipv4.ip_forward is 0") == "note");
    sandbox.write_config("host.toml", "[host]\nforwarding = \"manual\"\n");
    const Json off = finding(sandbox, "net.ipv4.ip_forward is 0");
    CHECK(severity(off) == "problem");
    carry_out(off);
    CHECK(severity(sandbox, "net.ipv4.ip_forward is 0") == "none");

    set_sysctl("net.ipv4.conf.all.rp_filter", "1");
    set_sysctl("net.ipv4.conf.default.rp_filter", "0");
    const Json strict = finding(sandbox, "rp_filter is strict on web1");
    CHECK(severity(strict) == "warning");
    CHECK(strict.value("what", "").find("/etc/partd/web.toml:6") != std::string::npos);
    carry_out(strict);
    CHECK(severity(sandbox, "rp_filter is strict") == "none");
}

TEST_CASE("doctor: a narrow way out", "[doctor]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.write_config("web.toml", kNat);
    ip({"route", "replace", "default", "via", Outside::kPeer4});
    CHECK(severity(sandbox, "has MTU") == "none");
    ip({"link", "set", Outside::kLink, "mtu", "1400"});
    CHECK(severity(sandbox, "uplink has MTU 1400, web/eth0 (/etc/partd/web.toml:1) has 1500") == "warning");
    sandbox.write_config("mtu.toml", "");
    sandbox.write_config("web.toml",
                         std::string(kNat).insert(std::string(kNat).find("address"), "mtu = 1400\n"));
    CHECK(severity(sandbox, "has MTU") == "none");
}

TEST_CASE("doctor: bounds of the kernel", "[doctor]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", "[partition.web]\nnamespaces = [\"net\", \"uts\"]\n");
    CHECK(severity(sandbox, "_namespaces is") == "none");
    pretend("/proc/sys/user/max_uts_namespaces", "0\n");
    const Json bound = finding(sandbox, "user.max_uts_namespaces is 0, and 1 are declared");
    CHECK(severity(bound) == "problem");
    carry_out(bound);
    CHECK(severity(sandbox, "user.max_uts_namespaces") == "none");
    CHECK(severity(sandbox, "user.max_ipc_namespaces") == "none");
    CHECK(severity(sandbox, "inotify has instances and watches enough") == "ok");
    pretend("/proc/sys/fs/inotify/max_user_watches", "20\n");
    const Json watches = finding(sandbox, "fs.inotify.max_user_watches is 20");
    CHECK(severity(watches) == "problem");
    carry_out(watches);
    CHECK(severity(sandbox, "inotify has instances and watches enough") == "ok");
    const auto few = run({"prlimit", "--nofile=40:40", PARTCTL, "doctor"});
    CHECK(few.out.find("at most 40 files may be open") != std::string::npos);
}

TEST_CASE("doctor: the directory of names", "[doctor][names]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", "[partition.web]\n");
    CHECK(severity(sandbox, "can be believed") == "ok");
    sandbox.apply();
    CHECK(severity(sandbox, "can be believed") == "ok");
    REQUIRE(run({"mount", "--make-private", "/run/netns"}).code == 0);
    const Json found = finding(sandbox, "/run/netns is not a shared mount");
    CHECK(severity(found) == "warning");
    carry_out(found);
    CHECK(severity(sandbox, "can be believed") == "ok");
    REQUIRE(run({"mount", "-t", "tmpfs", "tmpfs", "/run/netns"}).code == 0);
    const Json hidden = finding(sandbox, "/run/netns is hidden by another mount");
    CHECK(severity(hidden) == "problem");
    REQUIRE(run({"sh", "-c", hidden.value("run", "false")}).code == 0);
    CHECK(severity(sandbox, "can be believed") == "ok");
}

TEST_CASE("doctor: configuration and limits that cannot be", "[doctor]") {
    Sandbox sandbox;
    sandbox.write_config(
        "web.toml",
        "[partition.web]\n[partition.web.cgroup]\nio.max = [{ device = \"/dev/null\", rbps = \"1M\" }]\n");
    sandbox.write_config("bad.toml", "[partition.bad\n");
    CHECK(severity(sandbox, "/etc/partd/bad.toml:1:") == "problem");
    sandbox.remove_config("bad.toml");
    CHECK(severity(sandbox, "the configuration is well") == "ok");
    CHECK(severity(sandbox, "/etc/partd/web.toml:3: io.max of web: ") == "problem");
    fs::permissions("/etc/partd/web.toml", fs::perms::others_write, fs::perm_options::add);
    CHECK(severity(sandbox, "may be written by others") == "problem");
}

TEST_CASE("doctor: numbers for users", "[doctor][user]") {
    Sandbox sandbox;
    write_file("/etc/subuid", "root:100000:65536\n");
    write_file("/etc/subgid", "root:100000:65536\n");
    sandbox.write_config("vm.toml", "[partition.a]\nnamespaces = [\"user\"]\n");
    CHECK(severity(sandbox, "/etc/subuid and /etc/subgid have numbers enough") == "ok");
    sandbox.write_config("more.toml", "[partition.b]\nnamespaces = [\"user\"]\n");
    const Json room = finding(sandbox, "/etc/subuid has room for 1 maps of users, and partd is to choose 2");
    CHECK(severity(room) == "problem");
    carry_out(room);
    CHECK(severity(sandbox, "/etc/subuid has room") == "none");
}

TEST_CASE("doctor: other managers of networks", "[doctor]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kNat);
    sandbox.apply();
    CHECK(severity(sandbox, "no other manager of networks claims") == "ok");
    const auto networkd = program("systemd-networkd");
    CHECK(severity(sandbox, "systemd-networkd runs, and nothing tells it") == "warning");
    fs::create_directories("/etc/systemd/network");
    write_file("/etc/systemd/network/10-partd.network", "[Match]\nName=pv-*\n[Link]\nUnmanaged=yes\n");
    CHECK(severity(sandbox, "no other manager of networks claims") == "ok");
    const auto index = link("pv-web").at("ifindex").get<int>();
    fs::create_directories("/run/systemd/netif/links");
    write_file("/run/systemd/netif/links/" + std::to_string(index),
               "ADMIN_STATE=configured\nOPER_STATE=routable\n");
    CHECK(severity(sandbox, "systemd-networkd manages pv-web (partd:web/eth0:peer)") == "problem");
    write_file("/run/systemd/netif/links/" + std::to_string(index), "ADMIN_STATE=unmanaged\n");
    CHECK(severity(sandbox, "no other manager of networks claims") == "ok");
}

TEST_CASE("doctor: a daemon that sees other mounts", "[doctor]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", "[partition.web]\n");
    {
        const auto partd = program("partd");
        CHECK(severity(sandbox, "partd sees the mounts of the host") == "ok");
    }
    const Background apart(Arguments{"unshare", "--mount", "/run/scratch/partd", "60"});
    REQUIRE(eventually([&] { return comm_of(apart.pid()) == "partd"; }));
    CHECK(severity(sandbox, "partd (process " + std::to_string(apart.pid()) + ") sees other mounts") ==
          "problem");
}

TEST_CASE("doctor: switches against users' own namespaces", "[doctor][user]") {
    Sandbox sandbox;
    sandbox.write_config("vm.toml", "[partition.a]\nnamespaces = [\"net\", \"user\"]\n");
    const std::string well = "programs in user namespaces may make more of them";
    const std::string boot = read_file("/proc/sys/kernel/random/boot_id");
    REQUIRE(run({"mount", "-t", "tmpfs", "tmpfs", "/proc/sys/kernel"}).code == 0);
    fs::create_directories("/proc/sys/kernel/random");
    write_file("/proc/sys/kernel/random/boot_id", boot);
    write_file("/proc/sys/kernel/unprivileged_userns_clone", "1\n");
    CHECK(severity(sandbox, well) == "ok");
    write_file("/proc/sys/kernel/unprivileged_userns_clone", "0\n");
    CHECK(severity(sandbox, "/proc/sys/kernel/unprivileged_userns_clone is 0") == "note");
    sandbox.write_config("vm.toml", "[partition.a]\nnamespaces = [\"net\"]\n");
    CHECK(severity(sandbox, well) == "ok");
    REQUIRE(run({"umount", "/proc/sys/kernel"}).code == 0);
}

TEST_CASE("doctor: service manager and bus", "[doctor]") {
    Sandbox sandbox;
    CHECK(severity(sandbox, "systemd does not run here") == "note");
    fs::create_directories("/run/systemd/system");
    CHECK(severity(sandbox, "systemd does not run here") == "none");
    CHECK(severity(sandbox, "there is no D-Bus system bus") == "note");
    fs::create_directories("/run/dbus");
    write_file("/run/dbus/system_bus_socket", "");
    CHECK(severity(sandbox, "there is no D-Bus system bus") == "none");
}

TEST_CASE("doctor: text, exit code and rights", "[doctor]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", "[partition.web]\n");
    const auto well = sandbox.partctl({"doctor", "--no-legend"});
    INFO(well.text());
    CHECK(well.out.find("ok       the configuration is well\n") != std::string::npos);
    CHECK(well.err.empty());
    // Without anything worse than a note the exit code is 0.
    const bool bad = well.out.find("problem ") == 0 || well.out.find("warning ") == 0;
    CHECK(well.code == (bad ? 1 : 0));
    CHECK(sandbox.partctl_json({"doctor"}).at("schema") == 1);
    const auto nobody =
        run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PARTCTL, "doctor"});
    CHECK(nobody.code == 5);
}
