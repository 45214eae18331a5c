// SPDX-License-Identifier: Apache-2.0
// A light machine finds its own groups, its mounts as they were meant, and the memory of its pod.

#include "host_view.h"
#include "machine.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

const std::string kMapped =
    "[partition.m.user]\nuid_map = [{ inside = 0, "
    "outside = 1000000, count = 65536 }]\n";

/// Partition m in the tree; the keys of [rootfs] begin in line 5.
void declare(const Sandbox& sandbox, const std::string& rootfs = {}, const std::string& tables = {},
             const std::string& namespaces = R"("pid", "mnt")") {
    sandbox.write_config("m.toml", "[partition.m]\nnamespaces = [" + namespaces +
                                       "]\n[partition.m.rootfs]\npath = \"/srv/machines/lightvm\"\n" +
                                       rootfs + "\n" + tables);
}

std::string said(const Sandbox& sandbox, const std::string& commands) {
    return said_in(sandbox, "m", {"sh", "-c", commands});
}

bool works(const Sandbox& sandbox, const std::string& commands) {
    const auto outcome = exec_in(sandbox, "m", {"sh", "-c", commands});
    UNSCOPED_INFO(commands << ": " << outcome.text());
    return outcome.code == 0;
}

}  // namespace

TEST_CASE("machine: with delegate it makes groups below its own, and none above", "[machine][delegation]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto mapped = GENERATE(std::string(), kMapped);
    const auto net = GENERATE(std::string(), std::string(R"("net", )"));
    INFO(mapped << net);
    const std::string namespaces = net + R"("pid", "mnt", "cgroup")";
    declare(sandbox, "", mapped + "[partition.m.cgroup]\ndelegate = true\n", namespaces);
    const auto applied = sandbox.partctl({"apply"});
    if (applied.err.find("cgroup v1") != std::string::npos) {
        PARTD_CANNOT_RUN("no cgroup2 is mounted");
    }
    settle(sandbox);
    CHECK(works(sandbox, "mkdir -p /sys/fs/cgroup/own/deeper && rmdir /sys/fs/cgroup/own/deeper"));
    CHECK(works(sandbox,
                "echo $$ > /sys/fs/cgroup/own/cgroup.procs && grep -q "
                "/own /proc/self/cgroup"));
    // it is the top of what there is: nothing of the host's is seen
    CHECK_FALSE(works(sandbox,
                      "test -e /sys/fs/cgroup/partd.slice || test -e "
                      "/sys/fs/cgroup/../cgroup/init.scope"));
    bool below = false;
    for (const auto& place : sandbox.cgroups().places(group_of("m"))) {
        below = below || fs::exists(place + "/own");
    }
    CHECK(below);
    CHECK(sandbox.diff() == 0);

    // without it nothing can be made
    declare(sandbox, "", mapped, namespaces);
    CHECK(sandbox.diff() == 1);
    settle(sandbox);
    CHECK_FALSE(works(sandbox, "mkdir /sys/fs/cgroup/again"));
    sandbox.remove_config("m.toml");
    sandbox.apply();
    CHECK(sandbox.cgroups().places("partd.slice").empty());
}

TEST_CASE("machine: mounts in any order", "[machine][mounts]") {
    Sandbox sandbox;
    const RootTree tree;
    fs::create_directories("/srv/data/child");
    fs::create_directories("/srv/child");
    write_file("/srv/child/file", "child\n");
    write_file("/srv/data/above", "above\n");
    const std::string child = R"({ source = "/srv/child", target = "/data/child" })";
    const std::string parent = R"({ source = "/srv/data", target = "/data" })";
    declare(sandbox, "mounts = [" + child + ", " + parent + "]");
    settle(sandbox);
    CHECK(said(sandbox, "cat /data/child/file /data/above") == "child\nabove");
    const auto init = init_of("m");
    // the order does not matter
    declare(sandbox, "mounts = [" + parent + ", " + child + "]");
    settle(sandbox);
    CHECK(init_of("m") == init);

    declare(sandbox, "mounts = [\n" + parent + ",\n{ type = \"tmpfs\", target = \"//data/./\" }]");
    const auto checked = sandbox.partctl({"check"});
    INFO(checked.text());
    CHECK(checked.code == 3);
    CHECK(checked.err.find("m.toml:7:") != std::string::npos);
    CHECK(checked.err.find("m.toml:6:") != std::string::npos);
}

TEST_CASE("machine: one path has many spellings", "[machine][spelling]") {
    Sandbox sandbox;
    const RootTree tree;
    fs::create_directories("/srv/data");
    const auto text = [](const std::string& path, const std::string& source, const std::string& target,
                         const std::string& directory) {
        return "[partition.m]\n[partition.m.rootfs]\npath = \"" + path + "\"\nmounts = [{ source = \"" +
               source + "\", target = \"" + target +
               "\" }]\n[partition.m.init]\ncommand = [\"sleep\", \"1000\"]\n" + "working_directory = \"" +
               directory + "\"\n";
    };
    sandbox.write_config("m.toml", text("/srv/machines/lightvm", "/srv/data", "/data", "/root"));
    settle(sandbox);
    const auto init = init_of("m");
    REQUIRE(init);
    for (const std::string extra : {"/", "//", "/.", "/./"}) {
        INFO(extra);
        sandbox.write_config("m.toml", text("/srv/machines/lightvm" + extra, "/srv//data" + extra,
                                            "/./data" + extra, "/root" + extra));
        settle(sandbox);
        CHECK(init_of("m") == init);
    }
}

TEST_CASE("machine: the words of mount(8) work", "[machine][mounts]") {
    Sandbox sandbox;
    const RootTree tree;
    fs::create_directories("/srv/data/inner");
    REQUIRE(::mount("inner", "/srv/data/inner", "tmpfs", 0, nullptr) == 0);
    write_file("/srv/data/inner/file", "inner\n");
    declare(sandbox, R"(mounts = [
  { source = "/srv/data", target = "/a", options = ["defaults", "rw", "nodev", "nosuid", "noexec", "relatime"] },
  { source = "/srv/data", target = "/b", options = ["rbind", "ro", "noatime", "nodiratime", "rslave"] },
  { source = "/srv/data", target = "/c", options = ["bind", "strictatime", "rprivate", "nosymfollow"] },
  { type = "tmpfs", target = "/d", options = ["size=1m", "mode=0750", "lazytime", "dirsync", "noatime"] },
])");
    settle(sandbox);
    const auto mounts = said(sandbox, "cat /proc/self/mountinfo");
    INFO(mounts);
    CHECK(mounts.find(" /a rw,nosuid,nodev,noexec,relatime ") != std::string::npos);
    CHECK(mounts.find(" /b ro,nosuid,nodev,noatime,nodiratime ") != std::string::npos);
    CHECK(mounts.find(" /d rw,nodev,noatime ") != std::string::npos);
    CHECK(said(sandbox, "cat /b/inner/file") == "inner");
    CHECK_FALSE(works(sandbox, "test -e /c/inner/file"));
    CHECK(said(sandbox, "stat -c %a /d") == "750");
    output({"umount", "/srv/data/inner"});
}

TEST_CASE("machine: the host's own root can be shown", "[machine][mounts]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto mapped = GENERATE(std::string(), kMapped);
    declare(sandbox, R"(mounts = [{ source = "/", target = "/host", read_only = true }])", mapped);
    settle(sandbox);
    CHECK(said(sandbox, "ls /host/srv") == "machines");
    // the pins are not shown as what they stand for
    CHECK_FALSE(works(sandbox, "grep -q ' /host/run/partd/ns' /proc/self/mountinfo"));
    CHECK_FALSE(works(sandbox, "touch /host/srv/new"));
}

TEST_CASE("machine: a link in the tree leads a mount where the machine sees it", "[machine][symlink]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto mapped = GENERATE(std::string(), kMapped);
    fs::create_directories("/srv/data");
    fs::create_directories("/run/elsewhere");
    write_file("/srv/data/file", "of the host\n");
    fs::create_directories(tree.path() + "/var");
    fs::create_directories(tree.path() + "/run");
    fs::create_symlink("../run", tree.path() + "/var/run");
    fs::create_symlink("/run/elsewhere", tree.path() + "/absolute");
    fs::create_symlink("../../../../run/elsewhere", tree.path() + "/upwards");
    fs::create_symlink("around", tree.path() + "/around");
    fs::create_symlink("/proc/sys", tree.path() + "/trap");
    const auto mount = [&](const std::string& target) {
        declare(sandbox, "mounts = [{ source = \"/srv/data\", target = \"" + target + "\" }]", mapped);
    };
    for (const auto& [target, seen] : {std::pair("/var/run/app", "/run/app"),
                                       {"/absolute", "/run/elsewhere"},
                                       {"/upwards/deep", "/run/elsewhere/deep"}}) {
        INFO(target);
        mount(target);
        settle(sandbox);
        CHECK(said(sandbox, std::string("cat ") + seen + "/file") == "of the host");
        CHECK(fs::is_empty("/run/elsewhere"));
    }
    for (const auto& [target, word] : {std::pair("/around/data", "Too many levels"),
                                       {"/trap", "leads to /proc"},
                                       {"/trap/x", "/trap/x"}}) {
        INFO(target);
        mount(target);
        const auto failed = sandbox.partctl({"apply"});
        INFO(failed.text());
        CHECK(failed.code != 0);
        CHECK(failed.err.find(target) != std::string::npos);
        CHECK(failed.err.find(word) != std::string::npos);
        CHECK(failed.err.find("m.toml:5:") != std::string::npos);
    }
}

TEST_CASE("machine: what an image has of its own stays there", "[machine][prepare]") {
    Sandbox sandbox;
    const RootTree tree;
    for (const char* place : {"/dev/pts", "/dev/shm", "/sys/fs/cgroup"}) {
        fs::create_directories(tree.path() + place);
    }
    declare(sandbox, "", "[partition.m.init]\ncommand = [\"sleep\", \"1000\"]\n",
            R"("pid", "mnt", "cgroup")");
    settle(sandbox);
    // another PID 1 is rehearsed beside the first
    declare(sandbox, "", "[partition.m.init]\ncommand = [\"sleep\", \"2000\"]\n",
            R"("pid", "mnt", "cgroup")");
    settle(sandbox);
    for (const char* place : {"/dev/pts", "/dev/shm", "/sys/fs/cgroup"}) {
        INFO(place);
        CHECK(fs::is_directory(tree.path() + place));
    }
}

TEST_CASE("machine: who shares ipc shares /dev/shm", "[machine][pod]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto giver = GENERATE(std::string(R"("ipc")"), std::string(R"("ipc", "mnt", "pid")"));
    INFO(giver);
    sandbox.write_config("pause.toml", "[partition.pause]\nnamespaces = [" + giver + "]\n");
    const auto member = [&](const std::string& name, const std::string& rootfs) {
        sandbox.write_config(name + ".toml", "[partition." + name +
                                                 "]\nnamespaces = [\"pid\", \"mnt\"]\nshare = { "
                                                 "partition = \"pause\", namespaces = [\"ipc\"] }\n" +
                                                 rootfs);
    };
    member("web", "[partition.web.rootfs]\npath = \"/srv/machines/lightvm\"\n");
    member("db", "[partition.db.rootfs]\npath = \"/srv/machines/lightvm\"\n");
    member("plain", "");
    sandbox.write_config("alone.toml",
                         "[partition.alone]\nnamespaces = "
                         "[\"ipc\"]\n[partition.alone.rootfs]\npath "
                         "= \"/srv/machines/lightvm\"\n");
    settle(sandbox);
    REQUIRE(exec_in(sandbox, "web", {"sh", "-c", "echo shared > /dev/shm/note"}).code == 0);
    CHECK(said_in(sandbox, "db", {"cat", "/dev/shm/note"}) == "shared");
    CHECK(said_in(sandbox, "plain", {"cat", "/dev/shm/note"}) == "shared");
    CHECK(exec_in(sandbox, "alone", {"cat", "/dev/shm/note"}).code != 0);
    CHECK_FALSE(fs::exists("/dev/shm/note"));
    if (giver.find("mnt") != std::string::npos) {
        CHECK(said_in(sandbox, "pause", {"cat", "/dev/shm/note"}) == "shared");
    }
    // one that is made anew finds it again
    output({"kill", "-KILL", std::to_string(init_of("db").value())});
    REQUIRE(eventually([] { return !init_of("db"); }));
    settle(sandbox);
    CHECK(said_in(sandbox, "db", {"cat", "/dev/shm/note"}) == "shared");
    for (const char* name : {"web", "db", "plain", "pause", "alone"}) {
        sandbox.remove_config(std::string(name) + ".toml");
    }
    REQUIRE(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    CHECK_FALSE(fs::exists("/run/partd/ns"));
    CHECK(read_file("/proc/self/mountinfo").find("ipc.shm") == std::string::npos);
}
