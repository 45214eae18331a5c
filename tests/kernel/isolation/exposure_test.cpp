// SPDX-License-Identifier: Apache-2.0
// Trees that a partition's root writes and other users of the host reach: told at each apply, by check,
// status and doctor.

#include "host_view.h"
#include "machine.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kAbove = "/srv/machines";
const std::string kWarning = "other users of the host reach /srv/machines/lightvm";

void declare(const Sandbox& sandbox, const std::string& rootfs = {}, const std::string& tables = {}) {
    sandbox.write_config("r.toml",
                         "[partition.r]\nnamespaces = [\"pid\"]\nstop_timeout = \"200ms\"\n"
                         "[partition.r.rootfs]\npath = \"/srv/machines/lightvm\"\n" +
                             rootfs + tables);
}

/// The words of apply about it, "" when none; it must succeed.
std::string warned(const Sandbox& sandbox) {
    const Outcome applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    const auto at = applied.err.find("warning: ");
    return at == std::string::npos ? "" : applied.err.substr(at);
}

bool contains(const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
}

/// The sandbox's /srv with these flags of mount(2).
void remount(unsigned long flags) {
    REQUIRE(::mount(nullptr, "/srv", nullptr, MS_REMOUNT | MS_BIND | flags, nullptr) == 0);
}

/// As `setfacl -m u:UID:x`; false where the file system has no access lists.
bool let_search(std::uint32_t uid, const char* path) {
    struct Entry {
        std::uint16_t tag, permissions;
        std::uint32_t id;
    };
    constexpr auto kNobody = static_cast<std::uint32_t>(-1);
    const struct {
        std::uint32_t version = 2;
        std::array<Entry, 5> entries;
    } list{.entries = {{{1, 7, kNobody}, {2, 1, uid}, {4, 0, kNobody}, {16, 1, kNobody}, {32, 0, kNobody}}}};
    return ::setxattr(path, "system.posix_acl_access", &list, sizeof list, 0) == 0;
}

struct Open {
    Sandbox sandbox;
    RootTree tree;

    Open() {
        remount(0);
        fs::permissions(kAbove, fs::perms(0755));
    }
};

}  // namespace

TEST_CASE("exposure: a root that others reach is told at each apply, by check, status and doctor",
          "[exposure]") {
    Open host;
    const auto& sandbox = host.sandbox;
    declare(sandbox);
    for (int i = 0; i < 2; ++i) {
        const std::string said = warned(sandbox);
        CHECK(contains(said, "/etc/partd/r.toml:5:8: partition r: " + kWarning));
        CHECK(contains(said, "runs as the host's root"));
    }
    // it is true: what the partition's root leaves there, another user of the host can start as root
    REQUIRE(exec_in(sandbox, "r", {"sh", "-c", "cp /bin/busybox /left && chmod 4755 /left"}).code == 0);
    const auto left = run({"setpriv", "--reuid", "65534", "--clear-groups", "--", "find",
                           "/srv/machines/lightvm/left", "-perm", "-4001", "-user", "0", "-executable"});
    INFO(left.text());
    CHECK(left.out == "/srv/machines/lightvm/left\n");

    CHECK(contains(sandbox.partctl({"check"}).err, "r.toml:5:8: warning: partition r: " + kWarning));
    CHECK(sandbox.partctl({"check"}).code == 0);
    CHECK(contains(sandbox.partctl({"status"}).err, kWarning));
    CHECK(
        contains(sandbox.partctl_json({"status", "r"}).at("partitions")[0].at("warnings").dump(), kWarning));
    CHECK(contains(sandbox.partctl_json({"apply"}).at("warnings").dump(), kWarning));
    CHECK(contains(sandbox.partctl({"doctor"}).out, kWarning));
}

TEST_CASE("exposure: nothing is told of what others cannot reach or use", "[exposure]") {
    Open host;
    const auto& sandbox = host.sandbox;
    declare(sandbox);
    REQUIRE(contains(warned(sandbox), kWarning));
    const auto group = [](gid_t gid) { REQUIRE(::chown(kAbove, 0, gid) == 0); };
    SECTION("a directory above that root alone searches") {
        for (const unsigned mode : {0700U, 0710U, 0744U}) {
            fs::permissions(kAbove, fs::perms(mode));
            CHECK(warned(sandbox) == "");
        }
        // a group's or a user's is another matter, and the tree's own mode is the partition's to change
        fs::permissions(kAbove, fs::perms(0710));
        group(65534);
        CHECK(contains(warned(sandbox), kWarning));
        group(0);
        if (let_search(65534, kAbove)) {
            CHECK(contains(warned(sandbox), kWarning));
            REQUIRE(::removexattr(kAbove, "system.posix_acl_access") == 0);
        }
        fs::permissions(kAbove, fs::perms(0700));
        CHECK(warned(sandbox) == "");
        REQUIRE(::chown(kAbove, 65534, 0) == 0);
        CHECK(contains(warned(sandbox), kWarning));
        REQUIRE(::chown(kAbove, 0, 0) == 0);
        fs::permissions(kAbove, fs::perms(0755));
        fs::permissions("/srv/machines/lightvm", fs::perms(0700));
        CHECK(contains(warned(sandbox), kWarning));
    }
    SECTION("a file system without set-user-ID programs and devices") {
        remount(MS_NOSUID);
        CHECK(contains(warned(sandbox), kWarning));  // device nodes
        remount(MS_NOSUID | MS_NODEV);
        CHECK(warned(sandbox) == "");
    }
    SECTION("a root that it does not write to") {
        declare(sandbox, "read_only = true\n");
        CHECK(warned(sandbox) == "");
        declare(sandbox, "overlay = true\n");
        CHECK(warned(sandbox) == "");
        declare(sandbox, "overlay = \"temporary\"\n");
        CHECK(warned(sandbox) == "");
    }
}

TEST_CASE("exposure: directories that a partition has besides its root", "[exposure]") {
    Open host;
    const auto& sandbox = host.sandbox;
    fs::permissions(kAbove, fs::perms(0700));
    fs::create_directory("/srv/shared");
    const std::string mount = "[[partition.r.rootfs.mounts]]\nsource = \"/srv/shared\"\ntarget = \"/mnt\"\n";
    declare(sandbox, mount);
    CHECK(contains(warned(sandbox), "r.toml:6:1: partition r: other users of the host reach /srv/shared"));
    declare(sandbox, mount + "read_only = true\n");
    CHECK(warned(sandbox) == "");
}

TEST_CASE("exposure: with users of its own such a program is theirs, unless the files are root's",
          "[exposure][user]") {
    Open host;
    const auto& sandbox = host.sandbox;
    const std::string user =
        "[partition.r.user]\nuid_map = [{ inside = 0, outside = 1000000, count = 65536 }]\n";
    REQUIRE(run({"chown", "-hR", "1000000:1000000", "/srv/machines/lightvm"}).code == 0);
    declare(sandbox, {}, user);
    CHECK(contains(warned(sandbox), "runs as a user of the partition"));
    REQUIRE(run({"chown", "-hR", "0:0", "/srv/machines/lightvm"}).code == 0);
    const Outcome checked = sandbox.partctl({"check"});
    INFO(checked.text());
    CHECK(contains(checked.err, "runs as the host's root"));
    remount(MS_NOSUID);
    CHECK_FALSE(contains(sandbox.partctl({"check"}).err, kWarning));
}

TEST_CASE("exposure: the directory of layers is closed, whoever made it", "[exposure][layers]") {
    Open host;
    fs::create_directories("/var/lib/partd/layers");
    fs::permissions("/var/lib/partd/layers", fs::perms(0755));
    declare(host.sandbox, "overlay = true\n");
    host.sandbox.apply();
    CHECK((fs::status("/var/lib/partd/layers").permissions() & fs::perms::all) == fs::perms(0700));
}
