// SPDX-License-Identifier: Apache-2.0
#include "daemon_fixture.h"
#include "host_view.h"

#include <unistd.h>

#include <csignal>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kBadSysctl = R"([partition.bad.link.eth0]
address = ["10.80.0.1/24"]
peer = { name = "bad0", address = ["10.80.0.2/24"] }
[partition.bad.sysctl]
net.ipv4.no_such_key = 1
net.ipv4.ip_default_ttl = 55
)";

}  // namespace

TEST_CASE("failure: one change fails, the rest is done, the message has the kernel's words and the line",
          "[failure]") {
    Sandbox sandbox;
    sandbox.write_config("bad.toml", kBadSysctl);
    sandbox.example("workshop");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(applied.err.find("No such file or directory") != std::string::npos);
    CHECK(applied.err.find("bad.toml:5") != std::string::npos);
    CHECK(applied.err.find("no_such_key") != std::string::npos);
    CHECK(pings(kHere, "10.80.0.1"));
    CHECK(pings(kHere, "10.1.1.1"));
    CHECK(sysctl("net.ipv4.ip_default_ttl", sandbox.netns("bad")) == "55");
    CHECK(status_of(sandbox, "bad").at("state") == "degraded");
    CHECK(status_of(sandbox, "workshop").at("state") == "active");

    // the next run tries again, and only that
    const auto again = sandbox.partctl_json({"apply"});
    INFO(plan_text(again));
    CHECK(again.at("changes").size() == 1);
    REQUIRE(again.at("failed").size() == 1);
    CHECK(again.at("failed").at(0).at("kind") == "sysctl");
    CHECK(again.at("failed").at(0).at("line") == 5);
    CHECK(again.at("failed").at(0).at("file").get<std::string>().ends_with("bad.toml"));

    sandbox.write_config("bad.toml",
                         "[partition.bad.link.eth0]\naddress = [\"10.80.0.1/24\"]\npeer = { name = \"bad0\", "
                         "address = [\"10.80.0.2/24\"] }\n");
    sandbox.apply();
}

TEST_CASE("failure: what may pass by itself is tried again, though nothing else was done", "[failure]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml",
                         "[partition.a.link.eth0]\npeer = { name = \"a0\", address = [\"10.80.0.2/24\"] }\n");
    sandbox.apply();
    ip({"address", "delete", "10.80.0.2/24", "dev", "a0"});
    const auto trace = sandbox.scratch() + "/trace";
    const Strings traced = {"strace", "-E", kNoLeaks, "-f", "-e", "trace=sendto", "-o", trace};
    const auto with = [&](Strings rest) {
        rest.insert(rest.begin(), traced.begin(), traced.end());
        return run(rest);
    };
    // Which of an apply's requests changes something.
    REQUIRE(with({PARTCTL, "apply"}).code == 0);
    const auto calls = read_file(trace);
    const auto change = std::to_string(occurrences(calls.substr(0, calls.find("RTM_NEWADDR")), "sendto("));
    ip({"address", "delete", "10.80.0.2/24", "dev", "a0"});
    const auto applied = with({"-e", "inject=sendto:error=EBUSY:when=" + change, PARTCTL, "apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK(occurrences(read_file(trace), "(INJECTED)") == 1);
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("failure: a note of partd's own that cannot be read is not taken for none", "[failure]") {
    Sandbox sandbox;
    for (const char* mtu : {"1300", "1350"}) {
        sandbox.write_config("web.toml", std::string(kWeb) + "mtu = " + mtu + "\n");
        sandbox.write_config("rest.toml", numbered_partition(1));
        sandbox.apply();
    }
    REQUIRE(sandbox.partctl({"rollback"}).code == 0);
    REQUIRE(sandbox.partctl({"pause", "p1"}).code == 0);
    ip({"-n", "p1", "link", "set", "eth0", "mtu", "1444"});
    const auto before = snapshot(sandbox);
    struct Note {
        const char* path;
        Strings verb;
        const char* web = "mtu = 1350\n";
    };
    const auto note =
        GENERATE(Note{"/run/partd/ledger", {"apply"}}, Note{"/run/partd/paused", {"apply"}},
                 Note{"/run/partd/accepted", {"apply", "--keep-going"}, "wrong = 1\n"},
                 Note{"/var/lib/partd/rolled-back", {"status"}}, Note{"/var/lib/partd/confirm", {"apply"}},
                 Note{"/var/lib/partd/history", {"history"}}, Note{"/var/lib/partd/history", {"rollback"}},
                 Note{"/proc/sys/kernel/random/boot_id", {"diff"}});
    sandbox.write_config("web.toml", std::string(kWeb) + note.web);
    const auto trace = sandbox.scratch() + "/trace";
    Strings command = {"strace", "-E", kNoLeaks,  "-f", "-o",
                       trace,    "-P", note.path, "-e", "inject=openat:error=EMFILE",
                       PARTCTL};
    command.insert(command.end(), note.verb.begin(), note.verb.end());
    const auto done = run(command);
    INFO(note.path << " " << done.code << " " << done.text() << read_file(trace));
    CHECK(occurrences(read_file(trace), "(INJECTED)") > 0);
    CHECK(done.code >= 3);
    CHECK(done.err.find("Too many open files") != std::string::npos);
    CHECK(snapshot(sandbox) == before);
}

TEST_CASE("failure: what does not stay as it was made is named, with its line", "[failure]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    const std::string blue = "partd.slice/partd-blue.slice";
    sandbox.cgroups().set_limit(blue, "pids.max", 7);
    // The kernel says that it has written, and has not.
    const auto file = sandbox.cgroups().of("pids")->mount_point + "/" + blue + "/pids.max";
    const auto apply = [&](const Arguments& more) {
        Arguments traced = {"strace",
                            "-E",
                            kNoLeaks,
                            "-f",
                            "-qq",
                            "-o",
                            "/dev/null",
                            "-P",
                            file,
                            "-e",
                            "trace=write",
                            "-e",
                            "inject=write:retval=3",
                            PARTCTL};
        traced.insert(traced.end(), more.begin(), more.end());
        return run(traced);
    };
    const auto told = apply({"apply"});
    INFO(told.text());
    CHECK(told.code == 8);
    CHECK(told.err.find("blue-green.toml:") != std::string::npos);
    CHECK(told.err.find("not as declared, although it was done: ~ limit " + blue + " pids.max") !=
          std::string::npos);
    const auto data = Json::parse(apply({"--json", "apply"}).out);
    CHECK(data.at("unsettled").at(0).at("fields").at(0).at("from") == "7");
    sandbox.apply();
    CHECK(Json::parse(sandbox.partctl({"--json", "apply"}).out).at("unsettled").empty());
}

TEST_CASE("failure: what cannot be seen for want of descriptors is not taken for gone", "[failure]") {
    Sandbox sandbox;
    sandbox.example("pod");
    sandbox.apply();
    const auto trace = sandbox.scratch() + "/trace";
    int tried = 0;
    for (const std::string call : {"openat", "openat2", "socket", "ioctl"}) {
        for (int nth = 1;; ++nth) {
            const auto shown = run({"strace", "-E", kNoLeaks, "-f", "-o", trace, "-e", "trace=" + call, "-e",
                                    "inject=" + call + ":error=EMFILE:when=" + std::to_string(nth), PARTCTL,
                                    "--json", "diff"});
            const std::string calls = read_file(trace);
            if (occurrences(calls, "(INJECTED)") == 0) {
                break;
            }
            // Requests for a namespace's type or number open nothing, and cannot fail so.
            const std::string opens = call == "ioctl" ? "NS_GET_USERNS" : "";
            std::istringstream lines(calls);
            std::string line;
            while (std::getline(lines, line) && line.find("(INJECTED)") == std::string::npos) {
            }
            if (line.find(opens) == std::string::npos) {
                continue;
            }
            ++tried;
            INFO(line << shown.text());
            CHECK((shown.code == 0 || !shown.err.empty() || !Json::parse(shown.out).at("conflicts").empty()));
            CHECK((shown.out.empty() || Json::parse(shown.out).value("changes", Json::array()).empty()));
        }
    }
    CHECK(tried > 50);
}

TEST_CASE("failure: a value that the kernel refuses", "[failure]") {
    Sandbox sandbox;
    sandbox.write_config("bad.toml", "[partition.bad.sysctl]\nnet.ipv4.ip_default_ttl = 4096\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(applied.err.find("Invalid argument") != std::string::npos);
    CHECK(applied.err.find("bad.toml:2") != std::string::npos);
}

TEST_CASE("failure: the kernel's extended message is passed on", "[failure][extack]") {
    Sandbox sandbox;
    sandbox.write_config("bad.toml", R"([partition.bad.link.eth0]
address = ["10.80.0.1/24", "fd00:80::1/64"]
peer = { name = "bad0", address = ["10.80.0.2/24"] }
[partition.bad.sysctl]
net.ipv6.conf.default.disable_ipv6 = 1
)");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(applied.err.find("IPv6 is disabled on this device") != std::string::npos);
    CHECK(applied.err.find("Permission denied") != std::string::npos);
    CHECK(applied.err.find("bad.toml:2:") != std::string::npos);
}

TEST_CASE("failure: only what needs it is skipped", "[failure]") {
    Sandbox sandbox;
    // a disk full of nothing: no directory for the DNS file can be made
    write_file("/etc/netns", "");
    sandbox.write_config("bad.toml", R"([partition.bad.link.eth0]
address = ["10.80.0.1/24"]
peer = { name = "bad0", address = ["10.80.0.2/24"] }
[partition.bad.dns]
nameserver = ["9.9.9.9"]
)");
    const auto applied = sandbox.partctl_json({"apply"});
    INFO(plan_text(applied));
    REQUIRE(applied.at("failed").size() == 1);
    CHECK(applied.at("failed").at(0).at("kind") == "file");
    CHECK(pings(kHere, "10.80.0.1"));
    CHECK(sandbox.partctl({"apply"}).code == 6);
    ::unlink("/etc/netns");
    sandbox.apply();
    CHECK(read_file("/etc/netns/bad/resolv.conf").find("9.9.9.9") != std::string::npos);
}

TEST_CASE("failure: what depends on a thing in conflict is skipped, and says because of what",
          "[failure][conflict]") {
    Sandbox sandbox;
    ip({"link", "add", "pv-test_net", "type", "bridge"});
    sandbox.example("routed-nat");
    const auto applied = sandbox.partctl_json({"apply"});
    INFO(plan_text(applied));
    CHECK(lists(applied, "conflicts", "link", "test_net/eth0"));
    CHECK(lists(applied, "blocked", "address", "test_net"));
    CHECK(lists(applied, "blocked", "route", "test_net"));
    for (const auto& blocked : applied.at("blocked")) {
        CHECK(blocked.at("because") == "link test_net/eth0");
    }
    CHECK(netns_names() == Strings{"test_net"});
    CHECK(links(sandbox.netns("test_net")) == Strings{});
}

TEST_CASE("failure: killed in the middle, the next run finishes, and removal leaves nothing",
          "[failure][crash]") {
    Sandbox sandbox;
    sandbox.outside();
    forward_everything();
    const auto before = snapshot(sandbox);
    sandbox.example("tenants");
    sandbox.example("limits");
    // at several instants, by time: the fault tests stop it at each call
    const auto delay = GENERATE(2, 5, 9, 14, 25, 50);
    INFO("killed after " << delay << " ms");
    Background first(Arguments{PARTCTL, "apply"});
    ::usleep(static_cast<useconds_t>(delay) * 1000);
    first.signal(SIGKILL);
    first.wait();
    sandbox.apply();
    CHECK(pings(sandbox.netns("acme"), Outside::kPeer4));
    sandbox.close_netns();
    sandbox.remove_config("tenants.toml");
    sandbox.remove_config("limits.toml");
    CHECK(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("failure: two at the same time do not get in each other's way", "[failure][race]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.example("tenants");
    Background first(Arguments{PARTCTL, "apply"});
    Background second(Arguments{PARTCTL, "apply"});
    const int one = first.wait(20s);
    const int two = second.wait(20s);
    INFO(first.written() << second.written());
    CHECK(one == 0);
    CHECK(two == 0);
    CHECK(sandbox.diff() == 0);
    CHECK(pings(sandbox.netns("acme"), Outside::kPeer4));
}
