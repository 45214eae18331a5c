// SPDX-License-Identifier: Apache-2.0
// Values that are not for all: variables of programs, and all that stands in a file that others may not read.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
}

/// With a PID 1 that has a secret, in a file that only root reads.
void declare_machine(const Sandbox& sandbox, const std::string& token, const std::string& more = {}) {
    sandbox.write_config("m.toml",
                         "[partition.m]\nnamespaces = [\"pid\"]\nstop_timeout = \"100ms\"\n"
                         "[partition.m.rootfs]\npath = \"/srv/machines/lightvm\"\noverlay = \"temporary\"\n"
                         "[partition.m.init]\ncommand = [\"sleep\", \"1000\"]\n"
                         "environment = { TOKEN = \"" +
                             token + "\", LANG = \"C\"" + more + " }\n");
}

/// Programs of a member of the group partd.
class Member {
public:
    Member() {
        write_file("/etc/group", read_file("/etc/group") + "partd:x:64999:\n");
        fs::copy_file(PARTCTL, kProgram);
    }
    [[nodiscard]] static Outcome partctl(const Arguments& arguments) {
        Arguments all{kProgram};
        all.insert(all.end(), arguments.begin(), arguments.end());
        return run_as(all);
    }
    /// The method's answer; it must have been allowed.
    [[nodiscard]] static std::string called(const std::string& method, const Arguments& options = {"0"}) {
        Arguments all{"busctl",      "--address=unix:path=/run/partd/bus",
                      "call",        "org.partd1",
                      "/org/partd1", "org.partd1.Manager",
                      method,        "a{sv}"};
        all.insert(all.end(), options.begin(), options.end());
        const Outcome answer = run_as(all);
        INFO(method << ": " << answer.text());
        CHECK(answer.code == 0);
        return answer.out;
    }

private:
    static Outcome run_as(const Arguments& arguments) {
        Arguments all{"setpriv", "--reuid", "65534", "--regid", "65534", "--groups", "64999", "--"};
        all.insert(all.end(), arguments.begin(), arguments.end());
        return run(all);
    }
    static constexpr const char* kProgram = "/run/scratch/partctl";
};

/// All that a user without rights reads in files of partd's and systemd's.
std::string readable_files() {
    return run({"setpriv", "--reuid", "65534", "--clear-groups", "--", "grep", "-rsh", "", "/etc/partd",
                "/run/partd", "/run/systemd", "/var/lib/partd"})
        .out;
}

std::string events_of(const Listener& listener) {
    std::string all;
    for (const Json& event : listener.heard()) {
        all += event.dump() + "\n";
    }
    return all;
}

}  // namespace

TEST_CASE("secrets: a difference tells which variables have new values, and no value", "[secrets]") {
    Sandbox sandbox;
    const RootTree tree;
    declare_machine(sandbox, "hunter2-one");
    sandbox.apply();
    declare_machine(sandbox, "hunter2-two");
    for (const Arguments& verb : {Arguments{"diff"}, {"diff", "--json"}, {"status", "m"}, {"apply"}}) {
        const Outcome told = sandbox.partctl(verb);
        INFO(verb.front() << ": " << told.text());
        CHECK_FALSE(contains(told.text(), "hunter2"));
        CHECK(contains(told.out, "(new values: TOKEN)"));
    }
    CHECK(said_in(sandbox, "m", {"sh", "-c", "tr '\\0' '\\n' </proc/1/environ | grep TOKEN"}) ==
          "TOKEN=hunter2-two");
    CHECK(contains(sandbox.partctl({"show", "m"}).out, "hunter2-two"));  // to root
    // one that is too long to be noted whole
    declare_machine(sandbox, "hunter2-" + std::string(2000, 'x'), ", KEY = \"hunter2\"");
    const Outcome told = sandbox.partctl({"diff", "--json"});
    CHECK_FALSE(contains(told.text(), "hunter2"));
    sandbox.apply();
}

TEST_CASE("secrets: variables reach no event, log, reader or file for all", "[secrets][control]") {
    Sandbox sandbox;
    const RootTree tree;
    declare_machine(sandbox, "hunter2-one");
    fs::permissions("/etc/partd/m.toml", fs::perms(0600));
    const Member member;
    const Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox) && init_of("m").has_value(); }));
    fs::permissions("/run/partd", fs::perms(0755));
    const Listener listener;
    declare_machine(sandbox, "hunter2-two");
    fs::permissions("/etc/partd/m.toml", fs::perms(0600));
    CHECK(listener.hears("changed", "init m"));
    REQUIRE(eventually([&] { return converged(sandbox); }));
    const auto shown = member.partctl({"show", "m"});
    INFO(shown.text() << daemon.log() << events_of(listener));
    CHECK(shown.code == 0);
    CHECK(contains(shown.out, "(not for all to read)"));
    for (const std::string& text :
         {shown.text(), daemon.log(), events_of(listener), readable_files(),
          member.partctl({"show", "m", "--json"}).text(), member.partctl({"history", "--json"}).text()}) {
        CHECK_FALSE(contains(text, "hunter2"));
    }
    CHECK(contains(sandbox.partctl({"show", "m"}).out, "hunter2-two"));
}

TEST_CASE("secrets: of a file that others may not read they learn no value", "[secrets][control]") {
    Sandbox sandbox;
    const Member member;
    const auto declare = [&](const std::string& mtu, const std::string& more, unsigned mode) {
        sandbox.write_config("s.toml",
                             "[partition.s]\ndescription = \"the word is hunter2\"\n"
                             "[partition.s.link.eth0]\naddress = [\"10.1.1.1/24\"]\nmtu = " +
                                 mtu + "\npeer = { name = \"s0\" }\n" + more);
        fs::permissions("/etc/partd/s.toml", fs::perms(mode));
    };
    declare("1417", "", 0600);
    const Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox) && exists("s") && converged(sandbox); }));
    fs::permissions("/run/partd", fs::perms(0755));
    const Listener listener;
    const auto all_told = [&] {
        std::string all;
        for (const Arguments& verb :
             {Arguments{"status"}, {"status", "s"}, {"show", "s"}, {"diff"}, {"history"}, {"doctor"}}) {
            for (const bool json : {false, true}) {
                Arguments words = verb;
                if (json) {
                    words.emplace_back("--json");
                }
                const Outcome told = member.partctl(words);
                CHECK(told.code < 4);  // also where the file is wrong
                all += told.text();
            }
        }
        return all + member.called("List") + member.called("Check") +
               member.called("List", {"1", "json", "b", "true"}) +
               member.called("Check", {"1", "json", "b", "true"}) + events_of(listener) + daemon.log();
    };
    const auto keeps = [&](const std::string& value) {
        const std::string all = all_told();
        INFO(all);
        CHECK_FALSE(contains(all, value));
        CHECK(contains(all, "link s/eth0"));
    };
    keeps("hunter2");
    keeps("1417");
    // an edit
    declare("1418", "", 0600);
    CHECK(listener.hears("changed", "link s/eth0: mtu as declared"));
    keeps("1418");
    // what the kernel refuses
    declare("1418", "[partition.s.sysctl]\nnet.ipv4.ip_forward = \"hunter2\"\n", 0600);
    CHECK(listener.hears("failed", "as root"));
    keeps("hunter2");
    // what is wrong
    declare("1418", "[partition.s.link.eth1]\naddress = [\"hunter2\"]\n", 0600);
    CHECK(listener.hears("files", "s.toml:8:12: something is wrong here"));
    keeps("hunter2");
    CHECK(contains(sandbox.partctl({"check"}).err, "got \"hunter2\""));
    // root is told all, and so is everybody of a file for all
    declare("1419", "", 0644);
    CHECK(listener.hears("changed", "mtu 1418 → 1419"));
    CHECK(contains(member.partctl({"show", "s"}).out, "1419"));
    CHECK(contains(member.called("List"), "hunter2"));
}

TEST_CASE("secrets: variables of a command come by a file, not by a command line", "[secrets][exec]") {
    Sandbox sandbox;
    const RootTree tree;
    declare_machine(sandbox, "one");
    sandbox.write_config("web.toml", kWeb);
    sandbox.apply();
    write_file("/run/scratch/env", "A=\"b\\\"c \\$d\"\nPATH=\"/bin\"\n");
    const Arguments print = {"sh", "-c", "echo \"$A|$PATH|$HOME\""};
    for (const char* name : {"m", "web"}) {
        Arguments words{"exec", name, "--environment", "/run/scratch/env", "--"};
        words.insert(words.end(), print.begin(), print.end());
        const Outcome said = sandbox.partctl(words);
        INFO(said.text());
        CHECK(said.code == 0);
        CHECK(contains(said.out, "b\"c $d|/bin|/"));
    }
    CHECK(sandbox.partctl({"exec", "m", "--environment", "/run/scratch/none", "--", "true"}).code == 126);
}
