// SPDX-License-Identifier: Apache-2.0
// Locks that others hold: nobody stops partd by one, nor a partctl that is stopped itself.

#include "daemon_fixture.h"
#include "host_view.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

double seconds_of(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Somebody has this file or directory locked, as this user.
Background lock_as(uid_t user, const std::string& path) {
    Background holder([user, path] {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (::setuid(user) != 0 || ::flock(fd, LOCK_EX) != 0) {
            return 1;
        }
        ::pause();
        return 0;
    });
    REQUIRE(eventually([&] {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        const bool taken = ::flock(fd, LOCK_EX | LOCK_NB) != 0;
        ::close(fd);
        return taken;
    }));
    return holder;
}

constexpr uid_t kNobody = 65534;

}  // namespace

TEST_CASE("stop: anybody's lock of /run/netns or /run/partd/ns holds up no partition", "[stop][locks]") {
    Sandbox sandbox;
    fs::create_directories("/run/netns");
    fs::create_directories("/run/partd/ns");
    const auto one = lock_as(kNobody, "/run/netns");
    const auto other = lock_as(kNobody, "/run/partd/ns");
    sandbox.write_config("web.toml",
                         "[partition.web]\nnamespaces = [\"net\", \"uts\"]\n" + std::string(kWeb));
    Outcome applied;
    const double took =
        seconds_of([&] { applied = sandbox.partctl({"apply"}, {.input = {}, .timeout = 10s}); });
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK(took < 4);
    CHECK(sandbox.diff() == 0);
    // A directory that is a mount of its own needs no lock any more.
    sandbox.write_config("p1.toml", numbered_partition(1));
    CHECK(seconds_of([&] { sandbox.apply(); }) < 1);
    // The mounts go with the last name, or stay: nobody waits.
    sandbox.remove_config("web.toml");
    sandbox.remove_config("p1.toml");
    CHECK(sandbox.partctl({"apply", "--allow-delete"}, {.input = {}, .timeout = 10s}).code == 0);
    CHECK(netns_names().empty());
}

TEST_CASE("stop: a partctl that is stopped with the lock does not stop the daemon", "[stop][locks]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("web") && converged(sandbox) && answers(sandbox); }));
    const auto holder = lock_as(0, "/run/partd/lock");
    holder.signal(SIGSTOP);
    ip({"link", "set", "web0", "down"});
    const auto named = "process " + std::to_string(holder.pid()) + " (";
    CHECK(daemon.said(named, 5s));
    CHECK(daemon.said(", stopped) has the lock /run/partd/lock", 1s));
    // It goes on answering, and says why it does nothing.
    Outcome status;
    CHECK(seconds_of([&] { status = sandbox.partctl({"status"}, {.input = {}, .timeout = 5s}); }) < 1);
    CHECK(status.code == 0);
    Outcome applied;
    CHECK(seconds_of([&] { applied = sandbox.partctl({"apply"}, {.input = {}, .timeout = 9s}); }) < 4);
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(applied.err.find(named) != std::string::npos);
    std::this_thread::sleep_for(2s);
    CHECK(daemon.times("has the lock") == 1);
    CHECK_FALSE(is_up("web0"));
    // When it has gone, what waited is done, without being asked.
    holder.signal(SIGKILL);
    holder.signal(SIGCONT);
    CHECK(eventually([] { return is_up("web0"); }, 3s));
    CHECK(converged(sandbox));
    CHECK(daemon.running());
}

TEST_CASE("stop: partctl says whom it waits for, and not for ever", "[stop][locks]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    sandbox.apply();
    ip({"link", "set", "web0", "down"});
    auto holder = lock_as(0, "/run/partd/lock");
    Background waiting(Arguments{PARTCTL, "--no-daemon", "apply"});
    const auto named = "process " + std::to_string(holder.pid()) + " (";
    CHECK(eventually([&] { return waiting.written().find("waiting: " + named) != std::string::npos; }, 5s));
    SECTION("it goes on when the lock is free") {
        holder.stop();
        CHECK(waiting.wait(5s) == 0);
        CHECK(is_up("web0"));
    }
    SECTION("it ends after half a minute") {
        CHECK(waiting.wait(40s) == 6);
        INFO(waiting.written());
        CHECK(waiting.written().find("nothing was done: " + named) != std::string::npos);
        CHECK_FALSE(is_up("web0"));
    }
}

TEST_CASE("stop: root alone can open the lock", "[stop][locks]") {
    Sandbox sandbox;
    fs::create_directories("/run/partd");
    write_file("/run/partd/lock", "");
    REQUIRE(::chmod("/run/partd/lock", 0666) == 0);
    sandbox.write_config("web.toml", kWeb);
    sandbox.apply();
    struct stat st{};
    REQUIRE(::stat("/run/partd/lock", &st) == 0);
    CHECK((st.st_mode & ALLPERMS) == 0600);
    CHECK(st.st_uid == 0);
}
