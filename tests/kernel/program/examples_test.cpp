// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"
#include "machine.h"

#include <algorithm>
#include <array>
#include <regex>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kExamples[] = {"workshop", "blue-green", "routed-nat", "limits", "tenants",  "lightvm",
                                     "pod",      "switch",     "router",     "worker", "settings", "server"};

void all_examples(const Sandbox& sandbox) {
    for (const char* name : kExamples) {
        sandbox.example(name);
    }
}

void remove_all_examples(const Sandbox& sandbox) {
    for (const std::string name : kExamples) {
        sandbox.remove_config(name + ".toml");
    }
}

/// True if an strace line shows a changing message by its number: strace names types only for sockets of its
/// own namespace. rtnetlink counts types by fours: new, del, get, set. A message without flags but those of a
/// dump (0x300), of any protocol, only asks.
bool changes_by_number(const std::string& line) {
    static const std::regex kNumber(
        R"(nlmsg_type=0x([0-9a-f]+) /\* NLMSG_(?!.{0,12} \*/, nlmsg_flags=NLM_F_REQUEST\|0x300,))");
    constexpr unsigned long kGet = 2;
    // XFRM_MSG_GETPOLICY and NFT_MSG_GETGEN, whose protocols count otherwise
    constexpr std::array kOthersGets = {0x15UL, 0xa10UL};
    for (auto match = std::sregex_iterator(line.begin(), line.end(), kNumber);
         match != std::sregex_iterator(); ++match) {
        const auto type = std::stoul((*match)[1], nullptr, 16);
        const bool other = std::ranges::find(kOthersGets, type) != kOthersGets.end();
        if (!other && (type >= 0x100 || type % 4 != kGet)) {
            return true;
        }
    }
    return false;
}

/// System calls that change something outside of partd's own directory.
Strings changing_calls(const std::string& trace) {
    static const std::regex kNetlink(
        R"(nlmsg_type=[^,]*(RTM_(NEW|DEL|SET)|NFT_MSG_(NEW|DEL)|NFNL_MSG_BATCH|IPCTNL_MSG_CT_(NEW|DELETE)))");
    static const std::regex kPaths(
        R"(\b(u?mount2?|unlink(at)?|mkdir(at)?|rmdir|rename(at2?)?|move_mount|open_tree|symlink(at)?|l?f?setxattr|unshare|kill)\()");
    static const std::regex kWrites(
        R"(open(at2?)?\(.*(/sys/|/proc/|/run/netns|/etc/|cgroup|memory\.|cpu\.|pids\.).*(O_WRONLY|O_RDWR))");
    std::istringstream stream(trace);
    Strings found;
    for (std::string line; std::getline(stream, line);) {
        const bool own =
            line.find("/run/partd") != std::string::npos || line.find("ledger") != std::string::npos;
        // what the kernel sends begins with the same words
        const bool received = line.find("recv") != std::string::npos;
        // what was refused changed nothing
        if (line.find(" = -1 E") != std::string::npos) {
            continue;
        }
        if (((std::regex_search(line, kNetlink) || changes_by_number(line)) && !received) ||
            (!own && (std::regex_search(line, kPaths) || std::regex_search(line, kWrites)))) {
            found.push_back(line);
        }
    }
    return found;
}

/// `partctl apply` under strace, which lets go of the PID 1s when they become their programs.
std::string traced_apply(const Sandbox& sandbox) {
    const auto trace = sandbox.scratch() + "/trace";
    const auto applied =
        run({"strace", "-E", kNoLeaks, "-f", "-b", "execve", "-qq", "-s", "256", "-o", trace, "-e",
             "trace=!read,mmap,munmap,mprotect,poll,ppoll", PARTCTL, "apply", "--allow-delete"},
            {.input = {}, .timeout = 60s});
    INFO(applied.text());
    REQUIRE(applied.code == 0);
    return read_file(trace);
}

std::string joined(const Strings& lines) {
    std::string all;
    for (const auto& line : lines) {
        all += line + "\n";
    }
    return all;
}

}  // namespace

TEST_CASE("tenants: one template, many partitions", "[tenants]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.example("tenants");
    sandbox.apply();

    CHECK(netns_names() == Strings{"acme", "globex", "initech"});
    CHECK(addresses("tn-acme") == Strings{"10.60.1.1/24", "fd00:60:1::1/64"});
    CHECK(addresses("tn-globex") == Strings{"10.60.2.1/24", "fd00:60:2::1/64"});
    CHECK(addresses("eth0", sandbox.netns("acme")) == Strings{"10.60.1.2/24", "fd00:60:1::2/64"});
    // its own winning key by key
    CHECK(addresses("eth0", sandbox.netns("initech")) == Strings{"10.61.0.2/24"});
    CHECK(addresses("tn-initech") == Strings{"10.61.0.1/24"});
    CHECK(sandbox.cgroups().limit("partd.slice/partd-acme.slice", "memory.max") == 256 << 20);
    CHECK(sandbox.cgroups().limit("partd.slice/partd-globex.slice", "memory.max") == 512 << 20);
    CHECK(sandbox.cgroups().limit("partd.slice/partd-globex.slice", "pids.max") == 256);

    const Server four(outside.netns.fd(), Outside::kPeer4, 9000);
    const Server six(outside.netns.fd(), Outside::kPeer6, 9000);
    for (const char* tenant : {"acme", "globex", "initech"}) {
        INFO(tenant);
        CHECK(seen_by(sandbox.netns(tenant), Outside::kPeer4, 9000) == Outside::kHost4);
    }
    CHECK(seen_soon(sandbox.netns("acme"), Outside::kPeer6, 9000) == Outside::kHost6);
    // a tenant does not reach another
    CHECK(does_not_ping(sandbox.netns("acme"), "10.60.2.2"));
    CHECK(sandbox.partctl({"status", "acme"}).out.find("tenant acme") != std::string::npos);
}

TEST_CASE("tenants: one more, one less, the others untouched", "[tenants][edit]") {
    Sandbox sandbox;
    sandbox.example("tenants");
    sandbox.apply();
    const auto acme = netns_inode("acme");
    const auto before = json({"ip", "-j", "link", "show", "dev", "tn-acme"});
    auto text = read_file("/etc/partd/tenants.toml");
    sandbox.write_config("tenants.toml", text + "\n[partition.umbrella]\nextends = \"tenant\"\n");
    sandbox.apply();
    CHECK(addresses("tn-umbrella") == Strings{"10.60.4.1/24", "fd00:60:4::1/64"});
    CHECK(netns_inode("acme") == acme);
    sandbox.write_config("tenants.toml", text);
    sandbox.apply();
    CHECK_FALSE(has_link("tn-umbrella"));
    CHECK(json({"ip", "-j", "link", "show", "dev", "tn-acme"}) == before);
}

TEST_CASE("all examples at once: nothing differs afterwards, a second run writes nothing", "[examples]") {
    Sandbox sandbox;
    const RootTree tree;
    sandbox.outside();
    all_examples(sandbox);
    const auto first = sandbox.partctl_json({"apply"});
    INFO(plan_text(first));
    CHECK(first.at("failed").empty());
    CHECK(first.at("conflicts").empty());
    CHECK(sandbox.partctl({"diff"}).code == 0);
    const auto second = sandbox.partctl_json({"apply"});
    CHECK(second.at("changes").empty());
    CHECK(second.at("writes") == 0);
    CHECK(netns_names().size() == 18);
    CHECK(pings(kHere, "10.1.1.1"));
    CHECK(pings(sandbox.netns("blue"), "10.10.0.2"));
    CHECK(pings(sandbox.netns("test_net"), Outside::kPeer4));
    CHECK(pings(sandbox.netns("acme"), Outside::kPeer4));
    CHECK(pings(sandbox.netns("lightvm"), Outside::kPeer4));
    CHECK(pings(sandbox.netns("shop"), Outside::kPeer4));
}

TEST_CASE("all examples at once: strace sees no change in the second run", "[examples][strace]") {
    Sandbox sandbox;
    const RootTree tree;
    sandbox.outside();
    all_examples(sandbox);
    // that the judge has eyes
    const auto first = changing_calls(traced_apply(sandbox));
    const auto all = joined(first);
    for (const char* expected :
         {"nlmsg_type=0x10 ", "RTM_NEWADDR", "NFT_MSG_NEW", "mkdir", "mount", "memory."}) {
        INFO(expected);
        CHECK(all.find(expected) != std::string::npos);
    }
    CHECK(joined(changing_calls(traced_apply(sandbox))) == "");
}

TEST_CASE("all examples at once: removed to the byte", "[examples][removal]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto content = tree.content();
    sandbox.outside();
    forward_everything();
    const auto before = snapshot(sandbox);
    all_examples(sandbox);
    sandbox.apply();
    remove_all_examples(sandbox);

    const auto refused = sandbox.partctl({"apply"});
    INFO(refused.text());
    CHECK(refused.code == 7);
    CHECK(refused.err.find("--allow-delete") != std::string::npos);
    CHECK(netns_names().size() == 18);

    const auto removed = sandbox.partctl({"apply", "--allow-delete"});
    INFO(removed.text());
    CHECK(removed.code == 0);
    CHECK(sandbox.diff() == 0);
    CHECK(sandbox.partctl({"purge", "lightvm", "--yes"}).code == 0);
    CHECK(difference(before, snapshot(sandbox)) == "");
    CHECK(difference(content, tree.content()) == "");
}

TEST_CASE("apply and remove twice over: the second time is as the first", "[examples][removal]") {
    Sandbox sandbox;
    sandbox.outside();
    forward_everything();
    const auto before = snapshot(sandbox);
    for (int round = 0; round < 2; ++round) {
        INFO("round " << round);
        sandbox.example("tenants");
        sandbox.example("routed-nat");
        sandbox.apply();
        sandbox.remove_config("tenants.toml");
        sandbox.remove_config("routed-nat.toml");
        CHECK(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
        CHECK(difference(before, snapshot(sandbox)) == "");
    }
}

namespace {

std::string in_lightvm(const Sandbox& sandbox, const std::string& commands) {
    return said_in(sandbox, "lightvm", {"sh", "-c", commands});
}

/// A page as wget gets it; empty when it does not.
std::string fetched(const std::string& address, int netns = kHere) {
    return run({"busybox", "wget", "-q", "-O", "-", "http://" + address}, {.input = {}, .netns = netns}).out;
}

}  // namespace

TEST_CASE("lightvm: a small machine", "[lightvm]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const RootTree tree;
    const auto content = tree.content();
    sandbox.example("lightvm");
    settle(sandbox);

    const auto processes = in_lightvm(sandbox, "ps -o pid,user,comm");
    INFO(processes);
    CHECK(processes.find("1 root     partd-init") != std::string::npos);
    CHECK(std::ranges::count(processes, '\n') <= 4);
    CHECK(in_lightvm(sandbox, "hostname") == "lightvm");
    CHECK(in_lightvm(sandbox, "id -u; id -g") == "0\n0");
    CHECK(in_lightvm(sandbox, "ls /sys/class/net | tr '\\n' ' '") == "eth0 lo ");
    CHECK(in_lightvm(sandbox, "ip addr show eth0").find("10.99.0.2/24") != std::string::npos);
    CHECK(in_lightvm(sandbox, "cat /etc/resolv.conf").find("9.9.9.9") != std::string::npos);
    CHECK(in_lightvm(sandbox, std::string("ping -c 1 -W 3 ") + Outside::kPeer4).find("1 packets received") !=
          std::string::npos);
    CHECK(pings(sandbox.netns("lightvm"), Outside::kPeer6));
    const Server server(outside.netns.fd(), Outside::kPeer4, 9000);
    CHECK(seen_by(sandbox.netns("lightvm"), Outside::kPeer4, 9000) == Outside::kHost4);
    CHECK(sandbox.cgroups().limit("partd.slice/partd-lightvm.slice", "memory.max") == 512 << 20);
    CHECK(sandbox.cgroups().limit("partd.slice/partd-lightvm.slice", "pids.max") == 256);

    // on the host its processes are ordinary ones of nobody's
    const auto init = init_of("lightvm");
    REQUIRE(init);
    CHECK(output({"stat", "-c", "%u", "/proc/" + std::to_string(*init)}) == "1000000\n");
    CHECK(output({"ps", "-o", "comm=", "-p", std::to_string(*init)}) == "partd-init\n");

    // a user, a program and a service of its own
    in_lightvm(sandbox, "mkdir -p /srv/www && echo 'hello from inside' > /srv/www/page");
    in_lightvm(sandbox,
               "printf '#!/bin/sh\\nexec httpd -p 80 -h /srv/www' > /bin/web && chmod 755 /bin/web && web");
    CHECK(fetched("10.99.0.2/page") == "hello from inside\n");
    in_lightvm(sandbox, "echo 'app:x:1000:1000::/:/bin/sh' >> /etc/passwd");
    CHECK(in_lightvm(sandbox, "su app -c 'id -u'") == "1000");
    CHECK(difference(content, tree.content()) == "");
}

TEST_CASE("lightvm: what it does to its routes and filters the host does not notice", "[lightvm]") {
    Sandbox sandbox;
    sandbox.outside();
    const RootTree tree;
    tree.add_program("/usr/sbin/nft");
    sandbox.example("lightvm");
    settle(sandbox);
    const auto before = snapshot(sandbox);
    in_lightvm(
        sandbox,
        "nft add table inet own; nft add chain inet own in '{ type filter hook input priority 0; policy "
        "drop; }'; nft add rule inet own in counter drop");
    in_lightvm(sandbox,
               "ip route del default; ip route add blackhole 203.0.113.0/24; ip link add own type bridge; "
               "ip link set own up; ip addr add 203.0.113.1/24 dev own; echo 1 > "
               "/proc/sys/net/ipv4/ip_forward");
    CHECK(in_lightvm(sandbox, "nft list ruleset").find("policy drop") != std::string::npos);
    CHECK(does_not_ping(kHere, "10.99.0.2"));
    auto after = snapshot(sandbox);
    // a firewall inside is not a change of the host; its files are where they belong
    after["/var/lib"] = before.at("/var/lib");
    CHECK(difference(before, after) == "");
    CHECK(pings(kHere, Outside::kPeer4));
    // the host's own are out of its sight
    CHECK(in_lightvm(sandbox, "nft list ruleset").find("partd") == std::string::npos);
    CHECK(in_lightvm(sandbox, "ip link").find("uplink") == std::string::npos);
    // what was declared is put back, what was not stays
    sandbox.apply();
    CHECK(in_lightvm(sandbox, "ip route").find("default via 10.99.0.1") != std::string::npos);
    CHECK(in_lightvm(sandbox, "ip link").find("own") != std::string::npos);
}

TEST_CASE("pod: the example's members talk, and the world reaches them", "[pod][examples]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    sandbox.example("pod");
    settle(sandbox);
    write_file(sandbox.scratch() + "/page", "from the shop\n");
    auto service =
        stay_in(sandbox, "shop-web", {"busybox", "httpd", "-f", "-p", "80", "-h", sandbox.scratch()});
    CHECK(said_in(sandbox, "shop-db", {"busybox", "wget", "-q", "-O", "-", "http://127.0.0.1/page"}) ==
          "from the shop");
    CHECK(fetched("10.88.0.2/page") == "from the shop\n");
    CHECK(fetched(std::string(Outside::kHost4) + ":8088/page", outside.netns.fd()) == "from the shop\n");
    CHECK(said_in(sandbox, "shop-web", {"hostname"}) == "shop");
    REQUIRE(exec_in(sandbox, "shop-web", {"ipcmk", "-M", "8192"}).code == 0);
    CHECK(said_in(sandbox, "shop-db", {"ipcs", "-m"}).find("8192") != std::string::npos);
    // limits of their own, in groups of their own
    CHECK(sandbox.cgroups().limit(group_of("shop-web"), "memory.max") == 512 << 20);
    CHECK(sandbox.cgroups().limit(group_of("shop-db"), "memory.max") == 1 << 30);
    CHECK(sandbox.cgroups().processes(group_of("shop-web")).size() == 2);
    CHECK(sandbox.cgroups().processes(group_of("shop-db")).size() == 1);
    CHECK(init_of("shop-web") != init_of("shop-db"));
}
