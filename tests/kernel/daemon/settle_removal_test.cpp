// SPDX-License-Identifier: Apache-2.0
// A removal is not an edit: files that vanish for a moment, move, or are replaced end nothing. Files that are
// paused are taken up all at once.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <csignal>
#include <filesystem>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

/// web and p1, with a process in web, and a daemon.
struct Kept : Configured {
    Daemon daemon;
    unsigned long inode = 0;
    Background inside;

    explicit Kept(const std::string& daemon_keys = "") : Configured(kWeb) {
        sandbox.write_config("p1.toml", numbered_partition(1));
        if (!daemon_keys.empty()) {
            sandbox.write_config("daemon.toml", "[daemon]\n" + daemon_keys);
        }
        REQUIRE(eventually([&] { return exists("web") && exists("p1") && converged(sandbox); }));
        inode = netns_inode("web");
        inside = stay_in(sandbox, "web");
    }
    /// It was not removed at any time.
    bool lives() { return exists("web") && netns_inode("web") == inode && inside.running(); }
};

void move(const std::string& from, const std::string& to) {
    fs::rename("/etc/partd/" + from, "/etc/partd/" + to);
}

/// Ticks (10 ms) that the process has spent, from /proc/PID/stat (proc(5): utime and stime).
long processor_time(pid_t pid) {
    const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    std::istringstream fields(stat.substr(stat.rfind(')') + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) {
        fields >> skipped;
    }
    long user = 0;
    long system = 0;
    fields >> user >> system;
    return user + system;
}

}  // namespace

TEST_CASE("settle: a file that is gone for a moment removes nothing", "[control][files][settle]") {
    Kept host;
    host.sandbox.remove_config("web.toml");
    CHECK(remains([&] { return host.lives(); }, 1200ms));
    SECTION("it comes back as it was") {
        host.sandbox.write_config("web.toml", kWeb);
    }
    SECTION("it comes back edited, which counts at once") {
        host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
        CHECK(eventually([] { return mtu_of("web") == 1400; }, 700ms));
    }
    SECTION("its declaration comes in another file") {
        host.sandbox.write_config("other.toml", kWeb);
        CHECK(eventually([&] { return generations(host.sandbox).back().at("files").size() == 2; }));
    }
    SECTION("its declaration comes edited in another file") {
        host.sandbox.write_config("other.toml", std::string(kWeb) + "mtu = 1400\n");
        CHECK(eventually([] { return mtu_of("web") == 1400; }, 700ms));
    }
    CHECK(remains([&] { return host.lives(); }, 2500ms));
    INFO(host.daemon.log());
    CHECK(converged(host.sandbox));
    CHECK(host.daemon.log().find("error") == std::string::npos);
    CHECK(host.daemon.log().find("declared twice") == std::string::npos);
}

TEST_CASE("settle: what stays away is removed when that has settled", "[control][files][settle]") {
    Kept host("settle_removal = \"1s\"\n");
    host.sandbox.remove_config("web.toml");
    CHECK(remains([&] { return host.lives(); }, 700ms));
    CHECK(eventually([] { return !exists("web"); }, 2s));
    CHECK(exists("p1"));
    CHECK(converged(host.sandbox));
    // a mask is a removal as well
    host.sandbox.remove_config("p1.toml");
    fs::create_symlink("/dev/null", "/etc/partd/p1.toml");
    CHECK(remains([] { return exists("p1"); }, 700ms));
    CHECK(eventually([] { return !exists("p1"); }, 2s));
}

// A full disk and an editor that failed leave an empty file.
TEST_CASE("settle: a file that was emptied removes nothing", "[control][files][settle]") {
    Kept host("settle_removal = \"0ms\"\n");
    for (const char* text : {"", "\n"}) {
        host.sandbox.write_config("web.toml", text);
        CHECK(eventually([&] { return host.daemon.said("/etc/partd/web.toml:1:1: is empty"); }));
        CHECK(remains([&] { return host.lives(); }, 300ms));
        const auto applied = host.sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 3);
        CHECK(applied.err.find("web.toml:1:1: error: is empty: remove it, write a comment") !=
              std::string::npos);
        CHECK(host.sandbox.partctl({"apply", "--keep-going"}).code == 3);
        CHECK(host.lives());
    }
}

TEST_CASE("settle: meanwhile other edits count at once", "[control][files][settle]") {
    Kept host;
    host.sandbox.remove_config("web.toml");
    std::this_thread::sleep_for(150ms);
    host.sandbox.write_config("p1.toml", numbered_partition(1, "mtu = 1400\n"));
    CHECK(eventually([] { return mtu_of("p1") == 1400; }, 700ms));
    CHECK(host.lives());
    host.sandbox.write_config("p2.toml", numbered_partition(2));
    CHECK(eventually([] { return exists("p2"); }, 700ms));
    CHECK(host.lives());
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }, 700ms));
    CHECK(eventually([] { return !exists("web"); }, 4s));
    CHECK(converged(host.sandbox));
}

TEST_CASE("settle: partctl apply does not wait", "[control][files][settle]") {
    Kept host("settle_removal = \"1min\"\n");
    host.sandbox.remove_config("web.toml");
    CHECK(remains([&] { return host.lives(); }, 300ms));
    const auto applied = host.sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK_FALSE(exists("web"));
    CHECK(remains([] { return !exists("web"); }, 300ms));
}

TEST_CASE("settle: a restart meanwhile removes nothing either", "[control][files][settle]") {
    Kept host;
    host.sandbox.remove_config("web.toml");
    CHECK(remains([&] { return host.lives(); }, 300ms));
    host.daemon.crash();
    const Daemon again;
    REQUIRE(eventually([&] { return answers(host.sandbox); }));
    CHECK(remains([&] { return host.lives(); }, 500ms));
    SECTION("it comes back") {
        host.sandbox.write_config("other.toml", kWeb);
        CHECK(remains([&] { return host.lives(); }, 2500ms));
        CHECK(converged(host.sandbox));
    }
    SECTION("it stays away") {
        CHECK(eventually([] { return !exists("web"); }, 4s));
    }
}

TEST_CASE("settle: a file is split in two, one copied after the other", "[control][files][settle]") {
    Sandbox sandbox;
    sandbox.write_config(
        "all.toml", std::string(kWeb) + "[partition.web.nat]\nmasquerade = true\n" + numbered_partition(1));
    const Daemon daemon;
    REQUIRE(eventually([&] { return exists("web") && exists("p1") && converged(sandbox); }));
    const auto web = netns_inode("web");
    const auto p1 = netns_inode("p1");
    sandbox.remove_config("all.toml");
    std::this_thread::sleep_for(400ms);
    sandbox.write_config("web.toml", std::string(kWeb) + "[partition.web.nat]\nmasquerade = true\n");
    CHECK(remains([&] { return exists("p1") && netns_inode("p1") == p1; }, 400ms));
    sandbox.write_config("p1.toml", numbered_partition(1));
    CHECK(remains(
        [&] { return exists("p1") && exists("web") && netns_inode("p1") == p1 && netns_inode("web") == web; },
        2500ms));
    INFO(daemon.log());
    CHECK(converged(sandbox));
    CHECK(daemon.log().find("- ") == std::string::npos);
}

TEST_CASE("settle: editors and other programs that replace files", "[control][files][settle]") {
    Kept host;
    const std::string edited = std::string(kWeb) + "mtu = 1400\n";
    SECTION("an editor that moves the file aside and is slow") {
        move("web.toml", "web.toml~");
        std::this_thread::sleep_for(400ms);
        host.sandbox.write_config("web.toml", edited);
    }
    SECTION("sed -i") {
        REQUIRE(run({"sed", "-i", "$ a mtu = 1400", "/etc/partd/web.toml"}).code == 0);
    }
    SECTION("the file is renamed, then edited") {
        move("web.toml", "www.toml");
        std::this_thread::sleep_for(400ms);
        host.sandbox.write_config("www.toml", edited);
    }
    SECTION("another directory takes the place of this one") {
        fs::create_directory("/etc/partd.next");
        write_file("/etc/partd.next/www.toml", edited);
        write_file("/etc/partd.next/p1.toml", numbered_partition(1));
        fs::rename("/etc/partd", "/etc/partd.former");
        std::this_thread::sleep_for(200ms);
        fs::rename("/etc/partd.next", "/etc/partd");
    }
    SECTION("all files go and come, as with git checkout") {
        host.sandbox.remove_config("web.toml");
        host.sandbox.remove_config("p1.toml");
        std::this_thread::sleep_for(400ms);
        host.sandbox.write_config("p1.toml", numbered_partition(1));
        std::this_thread::sleep_for(400ms);
        host.sandbox.write_config("web.toml", edited);
    }
    CHECK(eventually([] { return mtu_of("web") == 1400; }));
    CHECK(remains([&] { return host.lives() && exists("p1"); }, 2500ms));
    INFO(host.daemon.log());
    CHECK(converged(host.sandbox));
}

TEST_CASE("settle: the new word for what vanished may be at odds with the old one",
          "[control][files][settle]") {
    Kept host;
    host.sandbox.remove_config("web.toml");
    std::this_thread::sleep_for(300ms);
    // the same host's end for another partition
    std::string renamed = kWeb;
    renamed.replace(renamed.find("web"), 3, "www");
    host.sandbox.write_config("www.toml", renamed);
    CHECK(eventually([] { return exists("www") && !exists("web"); }));
    INFO(host.daemon.log());
    CHECK(converged(host.sandbox));
    CHECK(host.daemon.log().find("both want") == std::string::npos);
}

TEST_CASE("settle: a declaration that was moved to a file that is wrong", "[control][files][settle]") {
    Kept host("settle_removal = \"1s\"\n");
    std::string moved = kWeb;
    SECTION("in its words") {}
    SECTION("for another name") {
        moved.replace(moved.find("web"), 3, "www");
    }
    host.sandbox.write_config("p1.toml", numbered_partition(1, "mut = 1400\n") + moved);
    host.sandbox.remove_config("web.toml");
    CHECK(host.daemon.said("/etc/partd/web.toml is gone: what it declared stays"));
    INFO(host.daemon.log());
    CHECK(remains([&] { return host.lives() && exists("p1"); }, 2500ms));
    // fixed, it counts
    host.sandbox.write_config("p1.toml", numbered_partition(1, "mtu = 1400\n") + kWeb);
    CHECK(eventually([] { return mtu_of("p1") == 1400; }));
    CHECK(remains([&] { return host.lives(); }, 1500ms));
    CHECK(converged(host.sandbox));
}

TEST_CASE("pause --files: what is copied meanwhile is one generation", "[control][files][pause]") {
    Kept host;
    REQUIRE(eventually([&] { return generations(host.sandbox).size() == 1; }));
    REQUIRE(host.sandbox.partctl({"pause", "--files"}).code == 0);
    for (const int number : {2, 3, 4}) {
        host.sandbox.write_config("p" + std::to_string(number) + ".toml", numbered_partition(number));
        std::this_thread::sleep_for(150ms);
    }
    host.sandbox.remove_config("p1.toml");
    CHECK(remains([] { return !exists("p2") && !exists("p4") && exists("p1"); }, 2500ms));
    // what is in force is kept
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }));
    CHECK(generations(host.sandbox).size() == 1);
    CHECK(host.sandbox.partctl({"status"}).err.find("the files are paused") != std::string::npos);
    SECTION("resumed") {
        const auto shown = host.sandbox.partctl({"resume", "--files", "--check"});
        CHECK(shown.code == 1);
        CHECK(shown.out.find("p4") != std::string::npos);
        CHECK_FALSE(exists("p4"));
        REQUIRE(host.sandbox.partctl({"resume", "--files"}).code == 0);
    }
    SECTION("applied") {
        REQUIRE(host.sandbox.partctl({"apply"}).code == 0);
    }
    SECTION("by a partd that was started meanwhile") {
        host.daemon.crash();
        const Daemon again;
        REQUIRE(eventually([&] { return answers(host.sandbox); }));
        CHECK(remains([] { return !exists("p2") && exists("p1"); }, 500ms));
        REQUIRE(host.sandbox.partctl({"resume", "--files"}).code == 0);
        CHECK(eventually([] { return exists("p2") && exists("p4") && !exists("p1"); }, 6s));
        return;
    }
    CHECK(eventually([] { return exists("p2") && exists("p3") && exists("p4") && !exists("p1"); }, 6s));
    CHECK(host.lives());
    INFO(host.daemon.log());
    CHECK(converged(host.sandbox));
    CHECK(generations(host.sandbox).size() <= 3);  // with p1 on its way, and without it
    CHECK(host.sandbox.partctl({"resume", "--files"}).code == 2);
}

TEST_CASE("pause --files: a removal that is under way waits with the rest", "[control][files][pause]") {
    Kept host("settle_removal = \"1s\"\n");
    host.sandbox.remove_config("web.toml");
    std::this_thread::sleep_for(500ms);
    REQUIRE(host.sandbox.partctl({"pause", "--files"}).code == 0);
    std::this_thread::sleep_for(1s);
    const long before = processor_time(host.daemon.pid());
    CHECK(remains([&] { return host.lives(); }, 1500ms));
    CHECK(processor_time(host.daemon.pid()) - before < 20);  // a daemon that spins takes 1.5 s
    REQUIRE(host.sandbox.partctl({"resume", "--files"}).code == 0);
    CHECK(eventually([] { return !exists("web"); }, 6s));
}

TEST_CASE("pause --files: an apply or a rollback that is refused takes nothing up",
          "[control][files][pause]") {
    Kept host;
    std::string many;
    for (int i = 2; i <= 6; ++i) {
        many += numbered_partition(i);
    }
    const bool rollback = GENERATE(false, true);
    host.sandbox.write_config("many.toml", many);
    REQUIRE(eventually([&] { return exists("p6") && converged(host.sandbox); }));
    REQUIRE(host.sandbox.partctl({"pause", "--files"}).code == 0);
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    if (!rollback) {
        host.sandbox.remove_config("many.toml");
    }
    const auto refused = host.sandbox.partctl({rollback ? "rollback" : "apply"});
    INFO(refused.text());
    REQUIRE(refused.code == 7);
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }));
    host.daemon.signal(SIGHUP);
    CHECK(remains([&] { return mtu_of("web") == 1500 && exists("p6"); }, 3s));
}

TEST_CASE("pause: the files or a partition, and one of the two", "[control][pause]") {
    const Kept host;
    CHECK(host.sandbox.partctl({"pause"}).code == 2);
    CHECK(host.sandbox.partctl({"pause", "--files", "web"}).code == 2);
    const auto nameless = host.sandbox.partctl({"resume"});
    CHECK(nameless.code == 2);
    CHECK(nameless.err.find("resume needs the name of a partition or slice, or --files") !=
          std::string::npos);
    CHECK(host.sandbox.partctl({"resume", "--files", "web"}).code == 2);
    CHECK(host.sandbox.partctl({"resume", "--files"}).code == 2);
}
