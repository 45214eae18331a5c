// SPDX-License-Identifier: Apache-2.0
// The last good contents of a file stay in force, also after a reboot. partd continues when it cannot write
// the records that it keeps for later.

#include "daemon_fixture.h"
#include "host_view.h"

#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

std::string web_with(int mtu) {
    return std::string(kWeb) + "mtu = " + std::to_string(mtu) + "\n";
}

constexpr const char* kWrong = "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\n";

/// Reduces a host with the partition web to the state that a boot leaves: the files on disk.
void boot() {
    ip({"netns", "del", "web"});
    CHECK(eventually([] { return !has_link("web0"); }));
    if (has_partd_table()) {
        output({"nft", "delete", "table", "inet", "partd"});
    }
    for (const auto& entry : fs::directory_iterator("/run/partd")) {
        if (entry.is_regular_file()) {
            fs::remove(entry.path());
        }
    }
}

/// A file system of its own where partd keeps what outlives a reboot, without any space left.
void fill_library() {
    fs::create_directories("/var/lib/partd");
    require_call(::mount("tmpfs", "/var/lib/partd", "tmpfs", 0, "size=64k,mode=0711") == 0, "mount");
    (void)run({"dd", "if=/dev/zero", "of=/var/lib/partd/fill", "bs=4k", "count=1000"});
}

/// web with mtu 1300 as its file was last good, a boot later.
struct Booted : Configured {
    Booted() : Configured(web_with(1300)) {
        Daemon daemon;
        REQUIRE(eventually([&] { return exists("web") && generations(sandbox).size() == 1; }));
        daemon.signal(SIGTERM);
        REQUIRE(daemon.wait() == 0);
        boot();
    }
};

}  // namespace

TEST_CASE("last good: a file that is wrong at boot says what it said when it was last good",
          "[control][boot]") {
    const Booted host;
    host.sandbox.write_config("web.toml", kWrong);
    host.sandbox.write_config("p1.toml", numbered_partition(1));
    const Daemon daemon;
    CHECK(eventually([] { return exists("p1") && mtu_of("web") == 1300; }));
    CHECK(daemon.said("/etc/partd/web.toml:2"));
    INFO(daemon.log());
    CHECK(state_of_partition(host.sandbox, "web") == "invalid");
    // whoever needs it starts
    const auto waited = host.sandbox.partctl({"wait", "--timeout", "10s", "web"});
    CHECK(waited.code == 0);
}

TEST_CASE("last good: without partd, by partctl alone", "[control][boot]") {
    const Booted host;
    host.sandbox.write_config("web.toml", kWrong);
    const auto applied = host.sandbox.partctl({"apply", "--keep-going"});
    INFO(applied.text());
    CHECK(applied.code == 3);
    CHECK(mtu_of("web") == 1300);
}

TEST_CASE("last good: a file that was taken away while the host was down says nothing", "[control][boot]") {
    const Booted host;
    host.sandbox.remove_config("web.toml");
    host.sandbox.write_config("p1.toml", numbered_partition(1));
    const Daemon daemon;
    CHECK(eventually([] { return exists("p1"); }));
    CHECK_FALSE(exists("web"));
}

TEST_CASE("last good: a directory that cannot be trusted at boot, and one that is not there",
          "[control][boot]") {
    const Booted host;
    host.sandbox.write_config("p1.toml", numbered_partition(1));
    const bool there = GENERATE(true, false);
    if (there) {
        fs::permissions("/etc/partd", fs::perms(0777));
    } else {
        fs::rename("/etc/partd", "/etc/partd.away");
    }
    const Daemon daemon;
    CHECK(eventually([&] { return answers(host.sandbox); }));
    CHECK(eventually([&] { return exists("web") == there; }));
    CHECK_FALSE(exists("p1"));
}

TEST_CASE("last good: a directory that goes while a draft in it was never valid", "[control][boot]") {
    const Configured host(web_with(1300));
    host.sandbox.write_config("draft.toml", kWrong);
    Daemon daemon;
    REQUIRE(eventually([&] { return mtu_of("web") == 1300 && answers(host.sandbox); }));
    const auto web = netns_inode("web");
    if (GENERATE(false, true)) {
        daemon.crash();
    }
    fs::rename("/etc/partd", "/etc/partd.away");
    const auto again = daemon.running() ? nullptr : std::make_unique<Daemon>();
    daemon.signal(SIGHUP);
    CHECK(remains([&] { return exists("web") && netns_inode("web") == web; }, 4s));
}

TEST_CASE("last good: the disk that knows it is mounted after partd has started", "[control][boot]") {
    const Booted host;
    require_call(::mount("tmpfs", "/var/lib/partd", "tmpfs", 0, "mode=0711") == 0, "mount");
    host.sandbox.write_config("web.toml", kWrong);
    const Daemon daemon;
    REQUIRE(eventually([&] { return answers(host.sandbox); }));
    CHECK_FALSE(exists("web"));
    REQUIRE(::umount2("/var/lib/partd", MNT_DETACH) == 0);
    INFO(daemon.log());
    CHECK(eventually([] { return mtu_of("web") == 1300; }));
}

TEST_CASE("last good: nothing is believed that others could have written", "[control][boot]") {
    const Booted host;
    const std::string generation = "/var/lib/partd/history/00000001";
    SECTION("another owner") {
        REQUIRE(::chown(generation.c_str(), 1000, 0) == 0);
    }
    SECTION("writable by all") {
        fs::permissions(generation, fs::perms(0666));
    }
    SECTION("a link") {
        fs::rename(generation, "/var/lib/elsewhere");
        fs::create_symlink("/var/lib/elsewhere", generation);
    }
    SECTION("cut off") {
        fs::resize_file(generation, fs::file_size(generation) - 3);
    }
    SECTION("not there") {
        fs::remove_all("/var/lib/partd");
    }
    host.sandbox.write_config("web.toml", kWrong);
    host.sandbox.write_config("p1.toml", numbered_partition(1));
    const Daemon daemon;
    CHECK(eventually([] { return exists("p1"); }));
    CHECK_FALSE(exists("web"));
    CHECK(
        daemon.said("/etc/partd/web.toml says nothing: it is wrong, and what it said when it was last good"));
}

TEST_CASE("last good: of a partd before, which kept it without a checksum", "[control][boot]") {
    const Booted host;
    const std::string text = web_with(1350);
    fs::remove_all("/var/lib/partd");
    write_file("/run/partd/accepted", std::to_string(text.size()) + " /etc/partd/web.toml\n" + text);
    host.sandbox.write_config("web.toml", kWrong);
    const Daemon daemon;
    CHECK(eventually([] { return mtu_of("web") == 1350; }));
}

TEST_CASE(
    "last good: what is noted for this boot is newer than the disk, and not believed when it is damaged",
    "[control][boot]") {
    const Booted host;
    fill_library();
    host.sandbox.write_config("web.toml", web_with(1400));
    {
        const Daemon daemon;
        REQUIRE(eventually([] { return mtu_of("web") == 1400; }));
        REQUIRE(daemon.said("not kept for later"));
    }
    REQUIRE(::umount2("/var/lib/partd", 0) == 0);  // the generation with 1300 again
    host.sandbox.write_config("web.toml", kWrong);
    const bool damaged = GENERATE(false, true);
    if (damaged) {
        fs::resize_file("/run/partd/accepted", fs::file_size("/run/partd/accepted") - 1);
    }
    const Daemon daemon;
    CHECK(eventually([&] { return answers(host.sandbox); }));
    CHECK(eventually([&] { return mtu_of("web") == (damaged ? 1300 : 1400); }));
}

TEST_CASE("library: a disk that is full or read-only holds back nothing", "[control][boot]") {
    Configured host(kWeb);
    fs::create_directories("/var/lib/partd");
    const bool full = GENERATE(true, false);
    if (full) {
        fill_library();
    } else {
        require_call(::mount("tmpfs", "/var/lib/partd", "tmpfs", MS_RDONLY, "mode=0711") == 0, "mount");
    }
    const std::string why = full ? "No space left on device" : "Read-only file system";
    Daemon daemon;
    CHECK(eventually([] { return exists("web"); }));
    CHECK(eventually([&] { return answers(host.sandbox); }));
    CHECK(daemon.said("not kept for later"));
    CHECK(daemon.said(why));
    CHECK(converged(host.sandbox));
    // repairs go on, and it is not told again and again
    for (int i = 0; i < 3; ++i) {
        ip({"link", "set", "web0", "down"});
        CHECK(eventually([] { return is_up("web0"); }));
    }
    CHECK(daemon.times(why) <= 4);
    host.sandbox.write_config("web.toml", web_with(1400));
    CHECK(eventually([] { return mtu_of("web") == 1400; }));
    // by hand: done, and told
    host.sandbox.write_config("p1.toml", numbered_partition(1));
    const auto applied = host.sandbox.partctl({"apply"});
    INFO(applied.text() << daemon.log());
    CHECK(applied.code == 0);
    CHECK(exists("p1"));
    // the way back is what is promised here
    host.sandbox.write_config("daemon.toml", "[daemon]\nsettle = \"1min\"\n");
    REQUIRE(host.sandbox.partctl({"apply"}).code == 0);
    host.sandbox.write_config("web.toml", web_with(1450));
    const auto confirmed = host.sandbox.partctl({"apply", "--confirm", "1min"});
    INFO(confirmed.text());
    CHECK(confirmed.code == 6);
    CHECK(confirmed.err.find(why) != std::string::npos);
    CHECK(mtu_of("web") == 1400);
    if (full) {
        // and when there is space again, the next apply is a generation
        fs::remove("/var/lib/partd/fill");
        REQUIRE(host.sandbox.partctl({"apply"}).code == 0);
        CHECK(generations(host.sandbox).size() == 1);
    }
}

TEST_CASE("library: going back on a full disk stays where it went", "[control][boot]") {
    const Configured host(web_with(1300));
    fs::create_directories("/var/lib/partd");
    require_call(::mount("tmpfs", "/var/lib/partd", "tmpfs", 0, "size=64k,mode=0711") == 0, "mount");
    const Daemon daemon;
    REQUIRE(eventually([&] { return mtu_of("web") == 1300 && generations(host.sandbox).size() == 1; }));
    host.sandbox.write_config("web.toml", web_with(1400));
    const auto applied = host.sandbox.partctl({"apply", "--confirm", "2s"});
    INFO(applied.text());
    REQUIRE(applied.code == 0);
    REQUIRE(mtu_of("web") == 1400);
    (void)run({"dd", "if=/dev/zero", "of=/var/lib/partd/fill", "bs=4k", "count=1000"});
    CHECK(eventually([] { return mtu_of("web") == 1300; }, 6s));
    CHECK(daemon.said("nobody confirmed in time"));
    daemon.signal(SIGHUP);
    INFO(daemon.log());
    CHECK(remains([] { return mtu_of("web") == 1300; }, 1500ms));
}

TEST_CASE("library: an apply counts where it cannot be noted that its files were rolled back",
          "[control][boot]") {
    const Configured host(web_with(1300));
    fs::create_directories("/var/lib/partd");
    require_call(::mount("tmpfs", "/var/lib/partd", "tmpfs", 0, "mode=0711") == 0, "mount");
    const Daemon daemon;
    REQUIRE(eventually([&] { return mtu_of("web") == 1300 && generations(host.sandbox).size() == 1; }));
    host.sandbox.write_config("web.toml", web_with(1400));
    REQUIRE(host.sandbox.partctl({"apply"}).code == 0);
    REQUIRE(host.sandbox.partctl({"rollback"}).code == 0);
    REQUIRE(mtu_of("web") == 1300);
    require_call(::mount(nullptr, "/var/lib/partd", nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0, "mount");
    const auto applied = host.sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK(applied.err.find("not kept for later: the files count again, but only until the next boot") !=
          std::string::npos);
    daemon.signal(SIGHUP);
    INFO(daemon.log());
    CHECK(remains([] { return mtu_of("web") == 1400; }, 1s));
}

TEST_CASE("library: rollback after an apply that could not be recorded goes one back", "[control][boot]") {
    const Configured host(web_with(1300));
    fs::create_directories("/var/lib/partd");
    require_call(::mount("tmpfs", "/var/lib/partd", "tmpfs", 0, "size=64k,mode=0711") == 0, "mount");
    for (const int mtu : {1300, 1350}) {
        host.sandbox.write_config("web.toml", web_with(mtu));
        host.sandbox.apply();
    }
    (void)run({"dd", "if=/dev/zero", "of=/var/lib/partd/fill", "bs=4k", "count=1000"});
    host.sandbox.write_config("web.toml", web_with(1400));
    const auto applied = host.sandbox.partctl({"apply"});
    INFO(applied.text());
    REQUIRE(mtu_of("web") == 1400);
    const auto back = host.sandbox.partctl({"rollback"});
    INFO(back.text());
    CHECK(mtu_of("web") == 1350);
}

TEST_CASE("wait: it gives up where nobody is about to make it", "[control][boot]") {
    const Sandbox sandbox;
    const Arguments wait = {"wait", "--timeout", "60s", "--give-up", "1s", "web"};
    const RunOptions patience = {.input = {}, .timeout = 20s};
    SECTION("partd does not run") {
        sandbox.write_config("web.toml", kWeb);
        const auto waited = sandbox.partctl(wait, patience);
        CHECK(waited.code == 8);
        CHECK(waited.err.find("partd does not run") != std::string::npos);
    }
    SECTION("somebody listens for it, and it does not come") {
        sandbox.write_config("web.toml", kWeb);
        fs::create_directories("/run/partd");
        const Background listener(Arguments{"/usr/bin/python3", "-c", R"(
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("/run/partd/bus"); s.listen(8)
print("listens", flush=True)
time.sleep(60)
)"});
        REQUIRE(eventually([&] { return listener.written().find("listens") != std::string::npos; }));
        const auto waited = sandbox.partctl(wait, patience);
        INFO(waited.text());
        CHECK(waited.code == 8);
        CHECK(waited.err.find("partd does not run") != std::string::npos);
    }
    SECTION("its file is wrong and was never good") {
        sandbox.write_config("web.toml", kWrong);
        const Daemon daemon;
        REQUIRE(eventually([&] { return answers(sandbox); }));
        const auto waited = sandbox.partctl(wait, patience);
        INFO(waited.text());
        CHECK(waited.code == 8);
        CHECK(waited.err.find("no file that is valid declares web") != std::string::npos);
        CHECK(waited.err.find("/etc/partd/web.toml:2") != std::string::npos);
    }
    SECTION("but not where it comes while it is waited for") {
        Background waiting(Arguments{PARTCTL, "wait", "--timeout", "60s", "--give-up", "5s", "web"});
        sandbox.write_config("web.toml", kWeb);
        const Daemon daemon;
        CHECK(waiting.wait(15s) == 0);
        INFO(waiting.written());
        CHECK(exists("web"));
    }
    SECTION("nor where partd goes on trying") {
        ip({"link", "add", "web0", "type", "bridge"});
        sandbox.write_config("web.toml", kWeb);
        const Daemon daemon;
        REQUIRE(eventually([&] { return answers(sandbox); }));
        Background waiting(Arguments{PARTCTL, "wait", "--timeout", "60s", "--give-up", "500ms", "web"});
        CHECK(remains([&] { return waiting.running(); }, 2s));
        ip({"link", "del", "web0"});
        REQUIRE(sandbox.partctl({"apply"}).code == 0);
        CHECK(waiting.wait(10s) == 0);
    }
}
