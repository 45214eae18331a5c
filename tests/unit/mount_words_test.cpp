// SPDX-License-Identifier: Apache-2.0
// Words of mount(8) in a file: each means what an administrator means by it, or is refused with a sentence.

#include "kernel/mount/mount_words.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <catch2/catch.hpp>

using namespace partd;
using Words = std::vector<std::string>;

namespace {

kernel::MountWords read(const std::string& type, const Words& words, bool read_only = false) {
    auto read = kernel::read_mount_words(type, words, read_only);
    INFO((read ? "" : read.error().message));
    REQUIRE(read);
    return *read;
}

std::string refusal(const std::string& type, const Words& words, bool read_only = false) {
    const auto read = kernel::read_mount_words(type, words, read_only);
    return read ? "" : read.error().message;
}

}  // namespace

TEST_CASE("Mount words: flags are those of the mount, whatever its type") {
    for (const std::string type : {"bind", "tmpfs", "ext4"}) {
        INFO(type);
        CHECK(read(type, {}).set == MOUNT_ATTR_NODEV);
        CHECK(read(type, {"defaults", "rw", "nodev", "suid", "exec", "relatime"}).set == MOUNT_ATTR_NODEV);
        CHECK(read(type, {"dev"}).set == 0);
        CHECK(read(type, {"dev", "nosuid", "noexec"}).set == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
        CHECK(read(type, {"ro"}).set == read(type, {}, true).set);
        CHECK(read(type, {"ro"}, true).set == read(type, {}, true).set);
        CHECK((read(type, {"noatime", "nodiratime"}).set & MOUNT_ATTR__ATIME) == MOUNT_ATTR_NOATIME);
        CHECK(read(type, {"strictatime"}).access_times);
        CHECK_FALSE(read(type, {"nodiratime"}).access_times);
    }
}

TEST_CASE("Mount words: of a bind") {
    CHECK(read("bind", {}).recursive);
    CHECK(read("bind", {"rbind"}).recursive);
    CHECK_FALSE(read("bind", {"bind"}).recursive);
    CHECK(read("bind", {"slave"}).propagation == 0);
    CHECK(read("bind", {"rprivate"}).propagation == MS_PRIVATE);
    CHECK_FALSE(read("bind", {"private"}).all_below);
    CHECK(read("bind", {"idmap"}).idmap);
    for (const std::string word : {"sync", "dirsync", "lazytime"}) {
        CHECK(refusal("bind", {word}).find("whole file system") != std::string::npos);
    }
    CHECK(refusal("bind", {"size=1m"}).find("no option \"size=1m\"") != std::string::npos);
}

TEST_CASE("Mount words: of a new file system the others go on") {
    const auto words =
        read("tmpfs", {"size=64m", "mode=0750", "uid=5", "nosuid", "lazytime", "sync", "private"});
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"size", "64m"}, {"mode", "0750"}, {"uid", "5"}, {"lazytime", ""}, {"sync", ""}};
    CHECK(words.own == expected);
    CHECK(refusal("tmpfs", {"idmap"}) == "idmap is for bind mounts");
    CHECK(refusal("tmpfs", {"size=1m,mode=700"}).find("several options") != std::string::npos);
    CHECK(read("tmpfs", {"mpol=bind:0,1"}).own.front().second == "bind:0,1");
}

TEST_CASE("Mount words: what cannot be meant is refused") {
    for (const std::string type : {"bind", "tmpfs"}) {
        INFO(type);
        CHECK(refusal(type, {"shared"}).find("beyond the partition") != std::string::npos);
        CHECK(refusal(type, {"nofail"}).find("fstab(5)") != std::string::npos);
        CHECK(refusal(type, {"x-systemd.automount"}).find("fstab(5)") != std::string::npos);
        CHECK(refusal(type, {"ro", "rw"}).find("contradict") != std::string::npos);
        CHECK(refusal(type, {"rw"}, true).find("read_only = true") != std::string::npos);
        CHECK(refusal(type, {"noatime", "relatime"}).find("contradict") != std::string::npos);
        CHECK(refusal(type, {""}) == "an option is empty");
    }
}
