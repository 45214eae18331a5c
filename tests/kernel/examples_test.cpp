#include "host_view.h"

#include <algorithm>
#include <regex>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kExamples[] = {"workshop", "blue-green", "routed-nat", "limits", "tenants"};

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

/// rtnetlink counts its messages by fours: new, del, get, set. strace names them only for sockets of the
/// namespace that it runs in itself, and prints the numbers of the others.
bool changes_by_number(const std::string& line) {
    static const std::regex kNumber(R"(nlmsg_type=0x([0-9a-f]+) /\* NLMSG_)");
    constexpr unsigned long kGet = 2;
    for (auto match = std::sregex_iterator(line.begin(), line.end(), kNumber);
         match != std::sregex_iterator(); ++match) {
        const auto type = std::stoul((*match)[1], nullptr, 16);
        if (type >= 0x100 || type % 4 != kGet) {
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

/// `partctl apply` under strace.
std::string traced_apply(const Sandbox& sandbox) {
    const auto trace = sandbox.scratch() + "/trace";
    const auto applied =
        run({"strace", "-f", "-qq", "-s", "256", "-o", trace, "-e",
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

TEST_CASE("all five examples at once: nothing differs afterwards, a second run writes nothing",
          "[examples]") {
    Sandbox sandbox;
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
    CHECK(netns_names().size() == 8);
    CHECK(pings(kHere, "10.1.1.1"));
    CHECK(pings(sandbox.netns("blue"), "10.10.0.2"));
    CHECK(pings(sandbox.netns("test_net"), Outside::kPeer4));
    CHECK(pings(sandbox.netns("acme"), Outside::kPeer4));
}

TEST_CASE("all five examples at once: strace sees no change in the second run", "[examples][strace]") {
    Sandbox sandbox;
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

TEST_CASE("all five examples at once: removed to the byte", "[examples][removal]") {
    Sandbox sandbox;
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
    CHECK(netns_names().size() == 8);

    const auto removed = sandbox.partctl({"apply", "--allow-delete"});
    INFO(removed.text());
    CHECK(removed.code == 0);
    CHECK(sandbox.diff() == 0);
    CHECK(difference(before, snapshot(sandbox)) == "");
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
