// SPDX-License-Identifier: Apache-2.0
// partctl purge: it deletes the layer that it is told to, all of it and nothing else.

#include "daemon_fixture.h"
#include "layers_fixture.h"
#include "pseudo_terminal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

TEST_CASE("layers: purge deletes one that nobody uses, and no other", "[layers][purge]") {
    Written host;
    auto& sandbox = host.sandbox;
    SECTION("not one that is declared") {
        const auto refused = host.purge();
        INFO(refused.text());
        CHECK(refused.code == 7);
        CHECK(refused.err.find("r.toml:4") != std::string::npos);
    }
    SECTION("not one that is declared in a file that cannot be read now") {
        host.remove();
        sandbox.write_config("broken.toml", layered("r") + "=\n");
        CHECK(host.purge().code == 7);
    }
    SECTION("not one whose partition is still there") {
        sandbox.remove_config("r.toml");
        const auto refused = host.purge();
        INFO(refused.text());
        CHECK(refused.code == 7);
        CHECK(refused.err.find("still uses") != std::string::npos);
    }
    SECTION("not one that is declared where no disk is mounted since the boot") {
        fs::rename("/etc/partd", "/etc/partd.away");
        fs::remove("/run/partd/accepted");
        fs::remove("/run/partd/ledger");
        sandbox.apply();
        const auto refused = host.purge();
        INFO(refused.text());
        CHECK(refused.code == 7);
        CHECK(refused.err.find("r.toml:4") != std::string::npos);
        CHECK(refused.err.find("missing") != std::string::npos);
    }
    SECTION("not without a word") {
        host.remove();
        const auto asked = sandbox.partctl({"purge", "r"});
        INFO(asked.text());
        CHECK(asked.code == 2);
        CHECK(asked.err.find("--yes") != std::string::npos);
    }
    SECTION("not for those who only look, and who wait for nobody") {
        host.remove();
        const int lock = ::open("/run/partd/lock", O_RDWR | O_CLOEXEC);
        require_call(lock >= 0 && ::flock(lock, LOCK_EX) == 0, "flock");
        Background shown(Arguments{PARTCTL, "purge", "r", "--check"});
        const int code = shown.wait(10s);
        INFO(shown.written());
        CHECK(code == 0);
        CHECK(shown.written().find("in 1 file") != std::string::npos);
        ::close(lock);
    }
    SECTION("not by a name that is none, or another's") {
        host.remove();
        for (const char* name : {"..", ".", "", "r/upper", "other", "R", ".gone-r"}) {
            INFO(name);
            CHECK(host.purge(name).code == 2);
        }
    }
    CHECK(read_file(kNotes) == "precious\n");
}

TEST_CASE("layers: purge asks on a terminal", "[layers][purge]") {
    Written host;
    host.remove();
    SECTION("no") {
        Pty terminal({PARTCTL, "purge", "r"});
        REQUIRE(terminal.await("[y/N]"));
        terminal.type("\n");
        CHECK(terminal.wait() == 7);
        CHECK(read_file(kNotes) == "precious\n");
    }
    SECTION("yes") {
        Pty terminal({PARTCTL, "purge", "r"});
        REQUIRE(terminal.await("[y/N]"));
        terminal.type("y\n");
        CHECK(terminal.wait() == 0);
        CHECK_FALSE(fs::exists(kLayers));
        // and the next of that name starts from the tree again
        host.sandbox.write_config("r.toml", layered("r"));
        settle(host.sandbox);
        CHECK(host.notes().find("No such file") != std::string::npos);
    }
}

TEST_CASE("layers: purge stays in the layer", "[layers][purge]") {
    Written host;
    host.remove();
    const std::string upper = kLayers + "/r/upper";
    fs::create_directories("/srv/others/deep");
    write_file("/srv/others/deep/file", "not yours\n");
    SECTION("symbolic links are deleted, not followed") {
        fs::create_directory_symlink("/srv/others", upper + "/link");
        fs::create_directory_symlink("../../../../../../srv/others", upper + "/root/link");
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers));
    }
    SECTION("what is mounted in it stays, and is named") {
        fs::create_directories(upper + "/root/mounted");
        output({"mount", "--bind", "/srv/others", upper + "/root/mounted"});
        const auto stopped = host.purge();
        INFO(stopped.text());
        CHECK(stopped.code == 6);
        CHECK(stopped.err.find("mounted") != std::string::npos);
        CHECK(read_file("/srv/others/deep/file") == "not yours\n");
        for (const auto& entry : fs::recursive_directory_iterator(kLayers)) {
            (void)::umount2(entry.path().c_str(), UMOUNT_NOFOLLOW);
        }
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers));
    }
    SECTION("a layer that is a mount stays") {
        output({"mount", "--bind", "/srv/others", kLayers + "/r"});
        const auto refused = host.purge();
        INFO(refused.text());
        CHECK(refused.code == 6);
        CHECK(refused.err.find("umount") != std::string::npos);
        ::umount2((kLayers + "/r").c_str(), 0);
        CHECK(read_file(kNotes) == "precious\n");
    }
    SECTION("a layer that is a link is none") {
        fs::create_directory_symlink("/srv/others", kLayers + "/linked");
        const auto refused = host.purge("linked");
        INFO(refused.text());
        CHECK(refused.code == 7);
        host.sandbox.write_config("linked.toml", layered("linked"));
        const auto conflict = host.sandbox.partctl({"apply"});
        INFO(conflict.text());
        CHECK(conflict.code == 7);
        CHECK((conflict.out + conflict.err).find("symbolic link") != std::string::npos);
    }
    SECTION("a file that may not be changed goes all the same") {
        if (run({"chattr", "+i", upper + "/root/notes", upper + "/root"}).code != 0) {
            PARTD_CANNOT_RUN("this file system has no immutable files");
        }
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers));
    }
    CHECK(read_file("/srv/others/deep/file") == "not yours\n");
}

TEST_CASE("layers: a purge that was killed goes on the next time", "[layers][purge]") {
    Written host;
    host.remove();
    // as it stands after the first step
    fs::rename(kLayers + "/r", kLayers + "/.gone-r");
    CHECK(layer(host.sandbox, "r").at("state") == "half-purged");
    CHECK(host.sandbox.partctl({"doctor"}).out.find("was interrupted") != std::string::npos);
    SECTION("and nothing else is there") {
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers));
    }
    SECTION("and the partition is back") {
        host.sandbox.write_config("r.toml", layered("r"));
        settle(host.sandbox);
        CHECK(exec_in(host.sandbox, "r", {"sh", "-c", "echo new > /root/new"}).code == 0);
        CHECK(host.purge().code == 0);
        CHECK_FALSE(fs::exists(kLayers + "/.gone-r"));
        CHECK(exec_in(host.sandbox, "r", {"cat", "/root/new"}).out == "new\n");
        CHECK(host.purge().code == 7);
    }
    SECTION("and it is killed again and again") {
        for (int i = 0; i < 20'000; ++i) {
            fs::create_directories(kLayers + "/.gone-r/upper/many/" + std::to_string(i % 100) + "/" +
                                   std::to_string(i));
        }
        for (int i = 0; i < 20 && fs::exists(kLayers); ++i) {
            Background purge(Arguments{PARTCTL, "purge", "r", "--yes"});
            std::this_thread::sleep_for(10ms);
            purge.signal(SIGKILL);
            purge.wait();
        }
        CHECK((!fs::exists(kLayers) || host.purge().code == 0));
        CHECK_FALSE(fs::exists(kLayers));
    }
}

TEST_CASE("layers: a deep and wide one is purged, by two at once as well", "[layers][purge]") {
    Written host;
    host.remove();
    const std::string upper = kLayers + "/r/upper";
    const int top = ::open(upper.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int here = ::dup(top);
    const std::string name(200, 'd');
    for (int depth = 0; depth < 3000; ++depth) {
        require_call(::mkdirat(here, name.c_str(), 0755) == 0, "mkdirat");
        const int inner = ::openat(here, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        require_call(inner >= 0 && ::mknodat(here, "\xff\n*", S_IFREG | 0600, 0) == 0, "open");
        ::close(here);
        here = inner;
    }
    ::close(here);
    ::close(top);
    for (int i = 0; i < 5000; ++i) {
        write_file(upper + "/root/" + std::to_string(i), "x");
    }
    Background one(Arguments{PARTCTL, "purge", "r", "--yes"});
    Background other(Arguments{PARTCTL, "purge", "r", "--yes"});
    const int first = one.wait(60s);
    const int second = other.wait(60s);
    INFO(one.written() << other.written());
    // who comes when all is done finds nothing
    CHECK((first == 0 || second == 0));
    CHECK((first == 0 || first == 2));
    CHECK((second == 0 || second == 2));
    CHECK_FALSE(fs::exists(kLayers));
}

TEST_CASE("layers: partd purges for others, a little at a time", "[layers][purge][daemon]") {
    Written host;
    host.remove();
    for (int i = 0; i < 30'000; ++i) {
        fs::create_directories(kLayers + "/r/upper/many/" + std::to_string(i % 100) + "/" +
                               std::to_string(i));
    }
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(host.sandbox); }));
    const auto purge = [](const Arguments& options) {
        Arguments all{"busctl",
                      "--address=unix:path=/run/partd/bus",
                      "--json=short",
                      "call",
                      "org.partd1",
                      "/org/partd1",
                      "org.partd1.Manager",
                      "Purge",
                      "a{sv}"};
        all.insert(all.end(), options.begin(), options.end());
        return Json::parse(output(all)).at("data");
    };
    CHECK(purge({"1", "name", "s", "r"}).at(2) == 2);  // it did not say that it is meant
    CHECK(fs::exists(kNotes));
    int calls = 0;
    Json answer;
    do {
        answer = purge({"2", "name", "s", "r", "yes", "b", "true"});
        ++calls;
        INFO(answer.dump());
        REQUIRE((answer.at(2) == 0 || answer.at(2) == 8));
        REQUIRE(calls < 1000);
    } while (answer.at(2) != 0);
    CHECK_FALSE(fs::exists(kLayers));
    CHECK(calls > 1);
}
