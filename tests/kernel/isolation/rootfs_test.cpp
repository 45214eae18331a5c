// SPDX-License-Identifier: Apache-2.0
// A partition's own root: what is there, what is not, what can be written, and that none of it touches the
// host.

#include "host_view.h"
#include "machine.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

const std::string kRoot = "/srv/machines/lightvm";
const std::string kMapped =
    "[partition.r.user]\nuid_map = [{ inside = 0, outside = 1000000, count = 65536 }]\n";

/// Partition r in the tree, the [rootfs] table first: its path is in line 4.
void declare(const Sandbox& sandbox, const std::string& rootfs = {}, const std::string& tables = {},
             const std::string& namespaces = "\"pid\", \"mnt\"", const std::string& path = kRoot) {
    sandbox.write_config("r.toml", "[partition.r]\nnamespaces = [" + namespaces +
                                       "]\n[partition.r.rootfs]\npath = \"" + path + "\"\n" + rootfs + "\n" +
                                       tables);
}

std::string said(const Sandbox& sandbox, const std::string& commands) {
    return said_in(sandbox, "r", {"sh", "-c", commands});
}

bool works(const Sandbox& sandbox, const std::string& commands) {
    const auto outcome = exec_in(sandbox, "r", {"sh", "-c", commands});
    INFO(commands << ": " << outcome.text());
    return outcome.code == 0;
}

Strings lines_of(const std::string& text) {
    std::istringstream stream(text);
    Strings lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

/// The mounts of this mount namespace but for the pins, which are meant to be seen.
std::string host_mounts() {
    std::string kept;
    for (const auto& line : lines_of(read_file("/proc/self/mountinfo"))) {
        const bool ours =
            line.find(" /run/partd/ns") != std::string::npos || line.find(" /run/netns") != std::string::npos;
        kept += ours ? "" : line + "\n";
    }
    return kept;
}

/// A name for the file system at that place. Its device number would not do: it is soon reused.
std::string source_of(const std::string& where) {
    auto name = "disk-" + std::to_string(::getpid()) + where;
    std::ranges::replace(name, '/', '-');
    return name;
}

/// Everybody on the machine who has the file system that was mounted there, "pid comm" a line each.
std::string holders(const std::string& where) {
    std::string all;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const pid_t pid = std::atoi(entry.path().filename().c_str());
        try {
            if (pid > 0 &&
                read_file(entry.path().string() + "/mountinfo").find(" - tmpfs " + source_of(where) + " ") !=
                    std::string::npos) {
                all += std::to_string(pid) + " " + comm_of(pid) + "\n";
            }
        } catch (const std::exception&) {
            // gone meanwhile, or a zombie
        }
    }
    return all;
}

void mount_disk(const std::string& where) {
    fs::create_directories(where);
    output({"mount", "-t", "tmpfs", source_of(where), where});
    write_file(where + "/file", "on the disk\n");
}

/// As systemd has it on its hosts.
void share_all_mounts() {
    output({"mount", "--make-rshared", "/"});
}

/// `apply` fails as a change (6), names the words, and the place in the file.
void check_fails(const Sandbox& sandbox, const Strings& words) {
    const auto before = host_mounts();
    const auto failed = sandbox.partctl({"apply"});
    INFO(failed.text());
    CHECK(failed.code == 6);
    for (const auto& word : words) {
        INFO(word);
        CHECK(failed.err.find(word) != std::string::npos);
    }
    CHECK((failed.out + failed.err).find("r.toml:") != std::string::npos);
    CHECK_FALSE(fs::exists(pin("r", "mnt")));
    CHECK_FALSE(fs::exists(pin("r", "pid")));
    CHECK(host_mounts() == before);
    CHECK(eventually([] { return orphans().empty(); }, 1s));
}

}  // namespace

TEST_CASE("rootfs: a directory becomes the root, and nothing of the host is left", "[rootfs]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto before = host_mounts();
    const auto types = GENERATE(std::string("\"mnt\""), std::string("\"pid\", \"mnt\""),
                                std::string("\"net\", \"pid\", \"mnt\", \"ipc\", \"uts\""));
    const auto mapped = GENERATE(std::string(), kMapped);
    INFO(types << " " << mapped);
    declare(sandbox, "", mapped, types);
    settle(sandbox);
    CHECK(host_mounts() == before);
    CHECK(said(sandbox, "cat /etc/passwd") == "root:x:0:0:root:/root:/bin/sh");
    CHECK(said(sandbox, "pwd") == "/");
    CHECK(said(sandbox, "ls /").find("srv") == std::string::npos);
    CHECK(said(sandbox, "ls / | tr '\\n' ' '") == "bin dev etc proc root sys tmp ");
    // no old root below or beside: nothing in the list of mounts comes from elsewhere
    const auto mounts = said(sandbox, "cat /proc/self/mountinfo");
    INFO(mounts);
    CHECK(mounts.find("/run/scratch") == std::string::npos);
    CHECK(mounts.find("/etc/partd") == std::string::npos);
    CHECK(mounts.find("nsfs") == std::string::npos);
    for (const auto& line : lines_of(mounts)) {
        INFO(line);
        CHECK(line.find("shared:") == std::string::npos);
        std::istringstream words(line);
        std::string id, parent, device, root, point;
        words >> id >> parent >> device >> root >> point;
        const bool expected = point == "/" || point.starts_with("/dev") || point.starts_with("/proc") ||
                              point.starts_with("/sys") || point == "/tmp";
        CHECK(expected);
    }
    CHECK(said(sandbox, "cd /; for i in 1 2 3 4 5 6 7 8 9; do cd ..; done; ls | head -1") == "bin");
    // root's files are the partition's root's
    CHECK(said(sandbox, "stat -c %u:%g /bin/busybox /etc") == "0:0\n0:0");
    // written through to the directory
    CHECK(works(sandbox, "echo text > /root/new"));
    CHECK(read_file(tree.path() + "/root/new") == "text\n");
    CHECK(output({"stat", "-c", "%u:%g", tree.path() + "/root/new"}) == "0:0\n");
    sandbox.remove_config("r.toml");
    sandbox.apply();
    CHECK(host_mounts() == before);
}

TEST_CASE("rootfs: a tree that belongs to the partition's users is taken as it is", "[rootfs][user]") {
    Sandbox sandbox;
    const RootTree tree;
    output({"chown", "-R", "-h", "1000000:1000000", tree.path()});
    declare(sandbox, "", kMapped);
    settle(sandbox);
    CHECK(said(sandbox, "stat -c %u:%g /bin/busybox") == "0:0");
    CHECK(works(sandbox, "echo text > /root/new"));
    CHECK(output({"stat", "-c", "%u:%g", tree.path() + "/root/new"}) == "1000000:1000000\n");
}

TEST_CASE("rootfs: read_only", "[rootfs]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto mapped = GENERATE(std::string(), kMapped);
    declare(sandbox, "read_only = true", mapped);
    // what a mount needs is made in the tree, and that is before it is read-only
    settle(sandbox);
    const auto content = tree.content();
    for (const char* path : {"/new", "/etc/passwd", "/root/new", "/bin/new"}) {
        const auto refused = exec_in(sandbox, "r", {"sh", "-c", std::string("echo x >> ") + path});
        INFO(path << ": " << refused.text());
        CHECK(refused.code != 0);
        CHECK(refused.err.find("Read-only file system") != std::string::npos);
    }
    CHECK_FALSE(works(sandbox, "rm /etc/passwd"));
    if (!mapped.empty()) {
        // without a user namespace its root is the host's, and may
        CHECK_FALSE(works(sandbox, "mount -o remount,rw / && echo x > /new"));
    }
    CHECK(works(sandbox, "echo x > /tmp/new && echo x > /dev/shm/new"));
    CHECK(difference(content, tree.content()) == "");
}

TEST_CASE("rootfs: overlay: the directory stays as it is, byte for byte", "[rootfs][overlay]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    const RootTree tree;
    const auto content = tree.content();
    const auto mapped = GENERATE(std::string(), kMapped);
    INFO(mapped);
    declare(sandbox, "overlay = true", mapped);
    settle(sandbox);
    CHECK(works(sandbox,
                "echo new > /root/new; echo more >> /etc/group; rm /bin/vi; mkdir /data; "
                "chmod 0700 /etc; mv /bin/tac /bin/cat-backwards; chown 77:77 /etc/passwd"));
    CHECK(said(sandbox, "cat /root/new; tail -1 /etc/group; stat -c %u /etc/passwd") == "new\nmore\n77");
    CHECK_FALSE(works(sandbox, "test -e /bin/vi"));
    const std::string upper = "/var/lib/partd/layers/r/upper";
    CHECK(read_file(upper + "/root/new") == "new\n");
    CHECK(output({"stat", "-c", "%a", "/var/lib/partd/layers"}) == "700\n");
    CHECK(difference(content, tree.content()) == "");

    // what was written is there as long as the partition: also with another PID 1
    output({"kill", "-KILL", std::to_string(init_of("r").value())});
    REQUIRE(eventually([] { return !init_of("r"); }));
    settle(sandbox);
    CHECK(said(sandbox, "cat /root/new") == "new");
    CHECK(difference(content, tree.content()) == "");

    // and when it comes back
    sandbox.remove_config("r.toml");
    sandbox.apply();
    CHECK(read_file(upper + "/root/new") == "new\n");
    CHECK(difference(content, tree.content()) == "");
    declare(sandbox, "overlay = true", mapped);
    settle(sandbox);
    CHECK(said(sandbox, "cat /root/new") == "new");
    CHECK_FALSE(works(sandbox, "test -e /bin/vi"));

    sandbox.remove_config("r.toml");
    sandbox.apply();
    CHECK(sandbox.partctl({"purge", "r", "--yes"}).code == 0);
    CHECK_FALSE(fs::exists("/var/lib/partd/layers"));
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("rootfs: two partitions write over one tree, each for itself", "[rootfs][overlay]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto content = tree.content();
    for (const std::string name : {"one", "two"}) {
        sandbox.write_config(name + ".toml", "[partition." + name + "]\n[partition." + name +
                                                 ".rootfs]\npath = \"" + kRoot + "\"\noverlay = true\n");
    }
    settle(sandbox);
    CHECK(said_in(sandbox, "one", {"sh", "-c", "echo one > /root/who; cat /root/who"}) == "one");
    CHECK(exec_in(sandbox, "two", {"test", "-e", "/root/who"}).code == 1);
    sandbox.remove_config("one.toml");
    settle(sandbox);
    CHECK(read_file("/var/lib/partd/layers/one/upper/root/who") == "one\n");
    CHECK(fs::exists("/var/lib/partd/layers/two/upper"));
    CHECK(works(sandbox, "true") == false);
    CHECK(said_in(sandbox, "two", {"echo", "there"}) == "there");
    CHECK(difference(content, tree.content()) == "");
}

TEST_CASE("rootfs: further mounts", "[rootfs][mounts]") {
    Sandbox sandbox;
    const RootTree tree;
    fs::create_directories("/srv/data/deep");
    write_file("/srv/data/deep/file", "of the host\n");
    write_file("/srv/one-file", "just one\n");
    ::mknod("/srv/data/node", S_IFCHR | 0666, makedev(1, 3));
    ::chmod("/srv/data/node", 0666);
    ::chmod("/srv/data", 0777);
    const auto mapped = GENERATE(std::string(), kMapped);
    INFO(mapped);
    std::string mounts = R"(mounts = [
  { source = "/srv/data", target = "/mnt/data" },
  { source = "/srv/data", target = "/mnt/shown", read_only = true },
  { source = "/srv/data", target = "/mnt/devices", options = ["dev", "nosuid", "noexec"] },
  { source = "/srv/data", target = "/mnt/mapped"@@ },
  { source = "/srv/one-file", target = "/etc/one", read_only = true },
  { type = "tmpfs", target = "/mnt/scratch", options = ["size=1m", "noexec"] },
  { type = "tmpfs", target = "/root", read_only = true },
])";
    mounts.replace(mounts.find("@@"), 2, mapped.empty() ? "" : ", options = [\"idmap\"]");
    declare(sandbox, mounts, mapped);
    settle(sandbox);
    CHECK(said(sandbox, "cat /mnt/data/deep/file /etc/one") == "of the host\njust one");
    // both see what the other writes
    CHECK(works(sandbox, "echo inside > /mnt/data/from-inside"));
    CHECK(read_file("/srv/data/from-inside") == "inside\n");
    write_file("/srv/data/from-host", "host\n");
    CHECK(said(sandbox, "cat /mnt/shown/from-host") == "host");
    CHECK_FALSE(works(sandbox, "echo x > /mnt/shown/new"));
    CHECK_FALSE(works(sandbox, "echo x > /etc/one"));
    CHECK_FALSE(works(sandbox, "echo x > /root/new"));
    // the size is a limit
    CHECK(works(sandbox, "head -c 900000 /dev/zero > /mnt/scratch/fits"));
    const auto full =
        exec_in(sandbox, "r", {"sh", "-c", "dd if=/dev/zero of=/mnt/scratch/more bs=100k count=20"});
    INFO(full.text());
    CHECK(full.code != 0);
    CHECK(full.err.find("No space left") != std::string::npos);
    // device nodes are dead but where they are asked for
    CHECK_FALSE(works(sandbox, "echo x > /mnt/data/node"));
    CHECK_FALSE(works(sandbox, "echo x > /mnt/shown/node"));
    CHECK(works(sandbox, "echo x > /mnt/devices/node"));
    CHECK(works(sandbox, "cp /bin/busybox /mnt/devices/ls; cp /bin/busybox /mnt/data/ls.too"));
    CHECK_FALSE(works(sandbox, "/mnt/devices/ls"));
    CHECK(works(sandbox, "cp /bin/busybox /tmp/ls && /tmp/ls"));
    CHECK_FALSE(works(
        sandbox,
        "rm -f /mnt/scratch/*; echo 'echo x' > /mnt/scratch/x; chmod 755 /mnt/scratch/x; /mnt/scratch/x"));
    // owners: the host's root is nobody, but through an idmapped mount
    const auto owner = mapped.empty() ? "0" : "65534";
    CHECK(said(sandbox, "stat -c %u /mnt/data/deep") == owner);
    CHECK(said(sandbox, "stat -c %u /mnt/mapped/deep") == "0");
    CHECK(works(sandbox, "echo x > /mnt/mapped/deep/new"));
    CHECK(output({"stat", "-c", "%u", "/srv/data/deep/new"}) == "0\n");
    CHECK(host_mounts().find("/mnt/scratch") == std::string::npos);
    CHECK(host_mounts().find("/mnt/data") == std::string::npos);

    // one mount less is another mount namespace
    declare(sandbox, R"(mounts = [{ source = "/srv/data", target = "/mnt/data" }])", mapped);
    CHECK(sandbox.diff() == 1);
    settle(sandbox);
    CHECK_FALSE(works(sandbox, "test -e /mnt/scratch/fits"));
    CHECK(works(sandbox, "test -e /mnt/data/from-host"));
}

TEST_CASE("rootfs: /proc, /sys, /dev and /tmp are always there", "[rootfs][system]") {
    Sandbox sandbox;
    const RootTree tree;
    const auto mapped = GENERATE(std::string(), kMapped);
    INFO(mapped);
    declare(sandbox, "", mapped + "[partition.r.link.eth0]\naddress = [\"10.3.0.2/24\"]\n",
            "\"net\", \"pid\", \"mnt\", \"ipc\"");
    settle(sandbox);
    SECTION("/proc of its own pid namespace") {
        CHECK(said(sandbox, "cat /proc/1/comm") == "partd-init");
        const auto numbers = lines_of(said(sandbox, "ls /proc | grep '^[0-9]'"));
        CHECK(numbers.size() <= 5);
        CHECK(said(sandbox, "ps -o pid,comm | grep -c partd-init") == "1");
        CHECK_FALSE(works(sandbox, "test -e /proc/" + std::to_string(::getpid())));
    }
    SECTION("what tells about the host or reaches it is masked") {
        for (const char* file : {"kcore", "keys", "timer_list", "interrupts"}) {
            if (!fs::exists(std::string("/proc/") + file)) {
                continue;
            }
            INFO(file);
            CHECK(said(sandbox, std::string("stat -c %t:%T /proc/") + file) == "1:3");
            CHECK(said(sandbox, std::string("wc -c < /proc/") + file) == "0");
        }
        for (const char* directory : {"/proc/acpi", "/proc/scsi", "/proc/asound", "/sys/firmware"}) {
            INFO(directory);
            CHECK(said(sandbox, std::string("ls ") + directory + " 2>/dev/null | wc -l") == "0");
        }
    }
    SECTION("what changes the host is read-only") {
        for (const char* path :
             {"/proc/sys/kernel/hostname", "/proc/sys/vm/swappiness", "/proc/sysrq-trigger", "/proc/irq",
              "/proc/fs", "/proc/bus", "/sys/kernel", "/sys/class/net"}) {
            INFO(path);
            if (!fs::exists(path)) {
                continue;
            }
            const auto touched = exec_in(sandbox, "r", {"touch", path});
            INFO(touched.text());
            CHECK(touched.err.find("Read-only file system") != std::string::npos);
        }
        const auto refused =
            exec_in(sandbox, "r", {"sh", "-c", "echo 1 > /proc/sys/kernel/randomize_va_space"});
        INFO(refused.text());
        CHECK(refused.err.find("Read-only file system") != std::string::npos);
        if (!mapped.empty()) {
            CHECK_FALSE(works(sandbox, "mount -o remount,rw /proc/sys && touch /proc/sys/vm/swappiness"));
        }
        // but for its own network
        CHECK(works(sandbox, "echo 1 > /proc/sys/net/ipv4/ip_forward"));
        CHECK(said(sandbox, "cat /proc/sys/net/ipv4/ip_forward") == "1");
    }
    SECTION("/sys of its own network") {
        CHECK(said(sandbox, "ls /sys/class/net | tr '\\n' ' '") == "eth0 lo ");
        CHECK_FALSE(works(sandbox, "mkdir /sys/x || touch /sys/x"));
    }
    SECTION("/dev") {
        for (const char* node :
             {"null 1:3", "zero 1:5", "full 1:7", "random 1:8", "urandom 1:9", "tty 5:0"}) {
            const std::string name(node, std::string(node).find(' '));
            INFO(name);
            CHECK(name + " " + said(sandbox, "stat -c %t:%T /dev/" + name) == node);
            CHECK(said(sandbox, "stat -c %F,%a,%u /dev/" + name) == "character special file,666,0");
        }
        CHECK(said(sandbox, "head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c") == "3\n5");
        CHECK(works(sandbox, "echo x > /dev/null"));
        const auto full = exec_in(sandbox, "r", {"sh", "-c", "echo x > /dev/full"});
        CHECK(full.err.find("No space left") != std::string::npos);
        CHECK(said(sandbox, "for i in fd stdin ptmx; do readlink /dev/$i; done") ==
              "/proc/self/fd\nfd/0\npts/ptmx");
        CHECK(said(sandbox, "echo through | cat /dev/stdin") == "through");
        CHECK(said(sandbox, "stat -c %t:%T /dev/pts/ptmx") == "5:2");
        CHECK(said(sandbox, "stat -f -c %T /dev/pts /dev/shm; grep -c mqueue /proc/mounts") ==
              "devpts\ntmpfs\n1");
        CHECK(works(sandbox, "echo x > /dev/shm/x && mkdir /dev/mqueue/../own"));
        CHECK(said(sandbox, "ls /dev | tr '\\n' ' '") ==
              "fd full mqueue null own ptmx pts random shm stderr stdin stdout tty urandom zero ");
    }
    SECTION("/tmp") {
        CHECK(said(sandbox, "stat -c %a,%u /tmp; stat -f -c %T /tmp") == "1777,0\ntmpfs");
        CHECK(works(sandbox, "echo x > /tmp/only-inside"));
        CHECK_FALSE(fs::exists(tree.path() + "/tmp/only-inside"));
        CHECK_FALSE(fs::exists("/tmp/only-inside"));
    }
}

TEST_CASE("rootfs: nodes that a tree brings along lead nowhere", "[rootfs]") {
    Sandbox sandbox;
    const RootTree tree;
    REQUIRE(::mknod((tree.path() + "/root/node").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0);
    ::chmod((tree.path() + "/root/node").c_str(), 0666);
    const auto overlay = GENERATE("", "overlay = true");
    declare(sandbox, overlay);
    settle(sandbox);
    CHECK_FALSE(works(sandbox, "echo x > /root/node"));
    CHECK_FALSE(works(sandbox, "mknod /root/own c 1 3 && echo x > /root/own"));
}

TEST_CASE("rootfs: DNS files stand in its /etc", "[rootfs][dns]") {
    Sandbox sandbox;
    const RootTree tree;
    write_file(tree.path() + "/etc/hosts", "127.0.0.1 of-the-tree\n");
    const std::string dns =
        "[partition.r.dns]\nnameserver = [\"192.0.2.1\"]\nsearch = [\"example.org\"]\nhosts = { db = "
        "[\"10.0.0.7\"] }\n";
    const auto rootfs = GENERATE("", "overlay = true", "read_only = true");
    const auto mapped = GENERATE(std::string(), kMapped);
    INFO(rootfs << mapped);
    declare(sandbox, rootfs, dns + mapped, "\"net\", \"pid\", \"mnt\"");
    settle(sandbox);
    CHECK(said(sandbox, "cat /etc/resolv.conf").find("nameserver 192.0.2.1") != std::string::npos);
    CHECK(said(sandbox, "cat /etc/resolv.conf").find("search example.org") != std::string::npos);
    CHECK(said(sandbox, "cat /etc/hosts").find("10.0.0.7") != std::string::npos);
    CHECK(read_file(tree.path() + "/etc/hosts") == "127.0.0.1 of-the-tree\n");
    CHECK(read_file("/etc/resolv.conf").find("192.0.2.1") == std::string::npos);

    // another server: in the place, nothing is made anew
    const auto init = init_of("r");
    auto text = read_file("/etc/partd/r.toml");
    text.replace(text.find("192.0.2.1"), 9, "192.0.2.2");
    sandbox.write_config("r.toml", text);
    settle(sandbox);
    CHECK(said(sandbox, "cat /etc/resolv.conf").find("192.0.2.2") != std::string::npos);
    CHECK(init_of("r") == init);
}

TEST_CASE("rootfs: no link in a tree leads a mount elsewhere", "[rootfs][symlink]") {
    Sandbox sandbox;
    const RootTree tree;
    fs::create_directories("/run/scratch/elsewhere");
    fs::create_directories("/srv/data");
    write_file("/run/scratch/file", "of the host\n");
    const std::string bind = R"(mounts = [{ source = "/srv/data", target = "/data" }])";
    struct Trap {
        std::string link;    // in the tree
        std::string leads;   // to there
        std::string rootfs;  // keys
        std::string tables;
    };
    const auto trap = GENERATE_COPY(
        Trap{"/proc", "/run/scratch/elsewhere", "", ""}, Trap{"/sys", "/run/scratch/elsewhere", "", ""},
        Trap{"/dev", "/run/scratch/elsewhere", "", ""}, Trap{"/tmp", "/run/scratch/elsewhere", "", ""},
        Trap{"/tmp", "root", "", ""},
        // a place that a file names is where the link leads inside, and there a file is in the way
        Trap{"/data", "/etc/passwd", bind, ""}, Trap{"/data", "../../etc/passwd", bind, ""},
        Trap{"/a", "/etc", R"(mounts = [{ source = "/srv/data", target = "/a/passwd" }])", ""},
        Trap{"/a", "/etc/passwd", R"(mounts = [{ type = "tmpfs", target = "/a/made" }])", ""},
        Trap{"/data", "/etc", R"(mounts = [{ source = "/etc/hostname", target = "/data" }])", ""},
        Trap{"/etc/resolv.conf", "/run/scratch/file", "",
             "[partition.r.dns]\nnameserver = [\"192.0.2.1\"]\n"},
        Trap{"/etc/resolv.conf", "/run/scratch/new-file", "",
             "[partition.r.dns]\nnameserver = [\"192.0.2.1\"]\n"});
    const auto mapped = GENERATE(std::string(), kMapped);
    write_file("/etc/hostname", "host\n");
    INFO(trap.link << " -> " << trap.leads);
    fs::remove_all(tree.path() + trap.link);
    fs::create_symlink(trap.leads, tree.path() + trap.link);
    declare(sandbox, trap.rootfs, trap.tables + mapped, "\"net\", \"pid\", \"mnt\"");
    // the last part of the path says which
    check_fails(sandbox, {trap.link.substr(1)});
    CHECK(read_file("/run/scratch/file") == "of the host\n");
    CHECK_FALSE(fs::exists("/run/scratch/made"));
    CHECK_FALSE(fs::exists("/run/scratch/new-file"));
    CHECK(fs::is_empty("/run/scratch/elsewhere"));
}

TEST_CASE("rootfs: no link leads to a tree or to what is mounted", "[rootfs][symlink]") {
    Sandbox sandbox;
    const RootTree tree;
    fs::create_symlink("machines", "/srv/link");
    fs::create_symlink("lightvm", "/srv/machines/alias");
    fs::create_directories("/srv/data/deep");
    fs::create_symlink("data", "/srv/data-link");
    SECTION("on the way to the path") {
        declare(sandbox, "", "", "\"pid\", \"mnt\"", "/srv/link/lightvm");
        check_fails(sandbox, {"/srv/link/lightvm", "symbolic link"});
    }
    SECTION("the path itself") {
        declare(sandbox, "", "", "\"pid\", \"mnt\"", "/srv/machines/alias");
        check_fails(sandbox, {"/srv/machines/alias"});
    }
    SECTION("with an overlay") {
        declare(sandbox, "overlay = true", "", "\"pid\", \"mnt\"", "/srv/machines/alias");
        check_fails(sandbox, {"/srv/machines/alias"});
    }
    SECTION("without a pid namespace") {
        declare(sandbox, "", "", "\"mnt\"", "/srv/machines/alias");
        check_fails(sandbox, {"/srv/machines/alias"});
    }
    SECTION("on the way to a source") {
        declare(sandbox, R"(mounts = [{ source = "/srv/data-link/deep", target = "/data" }])");
        check_fails(sandbox, {"/srv/data-link/deep", "symbolic link"});
    }
    SECTION("the source itself") {
        declare(sandbox, R"(mounts = [{ source = "/srv/data-link", target = "/data" }])");
        check_fails(sandbox, {"/srv/data-link"});
    }
}

TEST_CASE("rootfs: what is not there is said, with its place", "[rootfs]") {
    Sandbox sandbox;
    const RootTree tree;
    SECTION("the path") {
        declare(sandbox, "", "", "\"pid\", \"mnt\"", "/srv/machines/nowhere");
        check_fails(sandbox, {"/srv/machines/nowhere", "No such file or directory"});
    }
    SECTION("the path is a file") {
        write_file("/srv/file", "");
        declare(sandbox, "", "", "\"pid\", \"mnt\"", "/srv/file");
        check_fails(sandbox, {"/srv/file", "Not a directory"});
    }
    SECTION("a source") {
        declare(sandbox, R"(mounts = [{ source = "/srv/nothing", target = "/data" }])");
        check_fails(sandbox, {"/srv/nothing", "/data", "No such file or directory"});
    }
    SECTION("a file system that the kernel lacks") {
        declare(sandbox, R"(mounts = [{ type = "nosuchfs", target = "/data" }])");
        check_fails(sandbox, {"nosuchfs", "/data"});
    }
    SECTION("an option that the file system lacks") {
        declare(sandbox, R"(mounts = [{ type = "tmpfs", target = "/data", options = ["sise=1m"] }])");
        check_fails(sandbox, {"sise", "/data"});
    }
    SECTION("a directory over a file") {
        fs::create_directories("/srv/data");
        declare(sandbox, R"(mounts = [{ source = "/srv/data", target = "/etc/passwd" }])");
        check_fails(sandbox, {"/etc/passwd"});
    }
    // fixed, it stands
    declare(sandbox);
    settle(sandbox);
    CHECK(said(sandbox, "cat /proc/1/comm") == "partd-init");
}

TEST_CASE("rootfs: what makes no sense is refused before anything is done", "[rootfs]") {
    Sandbox sandbox;
    const auto refused = [&](const std::string& keys, const std::string& place, const std::string& word) {
        sandbox.write_config("r.toml", "[partition.r]\n[partition.r.rootfs]\n" + keys + "\n");
        const auto checked = sandbox.partctl({"check"});
        INFO(keys << "\n" << checked.text());
        CHECK(checked.code == 3);
        CHECK(checked.err.find(place) != std::string::npos);
        CHECK(checked.err.find(word) != std::string::npos);
    };
    refused("path = \"machines/lightvm\"", "r.toml:3:", "path");
    refused("path = \"/srv/../etc\"", "r.toml:3:", "path");
    refused("path = \"/\"", "r.toml:3:", "root");
    refused("path = \"//\"", "r.toml:3:", "root");
    refused("read_only = true", "r.toml:2:", "path");
    refused("path = \"/srv\"\nread_only = true\noverlay = true", "r.toml:5:", "overlay");
    refused("path = \"/srv\"\nmounts = [{ source = \"data\", target = \"/data\" }]", "r.toml:4:", "source");
    refused("path = \"/srv\"\nmounts = [{ target = \"/data\" }]", "r.toml:4:", "source");
    refused("path = \"/srv\"\nmounts = [{ source = \"/data\" }]", "r.toml:4:", "target");
    refused("path = \"/srv\"\nmounts = [{ source = \"/data\", target = \"data\" }]", "r.toml:4:", "\"data\"");
    refused("path = \"/srv\"\nmounts = [{ source = \"/data\", target = \"/../data\" }]",
            "r.toml:4:", "/../data");
    refused("path = \"/srv\"\nmounts = [{ source = \"/data\", target = \"/data\", options = [\"idmpa\"] }]",
            "r.toml:4:", "idmpa");
    CHECK_FALSE(fs::exists("/run/partd/ns"));
}

TEST_CASE("rootfs: a target that is the root itself is refused or harmless", "[rootfs][mounts]") {
    Sandbox sandbox;
    const RootTree tree;
    fs::create_directories("/srv/data");
    declare(sandbox, R"(mounts = [{ source = "/srv/data", target = "/" }])");
    const auto before = host_mounts();
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(host_mounts() == before);
    if (applied.code == 0) {
        CHECK(sandbox.diff() == 0);
    } else {
        CHECK((applied.out + applied.err).find("r.toml:") != std::string::npos);
    }
}

TEST_CASE("rootfs: without one the host's tree is a slave: unmounted here, it is gone there",
          "[rootfs][host-tree]") {
    Sandbox sandbox;
    mount_disk("/srv/disk");
    fs::create_directory("/srv/place");
    share_all_mounts();
    const auto types = GENERATE(std::string("\"mnt\""), std::string("\"mnt\", \"pid\""),
                                std::string("\"mnt\", \"net\", \"ipc\""));
    const auto mapped = GENERATE(std::string(), kMapped);
    INFO(types << mapped);
    sandbox.write_config("r.toml", "[partition.r]\nnamespaces = [" + types + "]\n" + mapped);
    const auto before = host_mounts();
    settle(sandbox);
    CHECK(host_mounts() == before);
    auto guest = stay_in(sandbox, "r");
    CHECK(said(sandbox, "cat /srv/disk/file") == "on the disk");

    CHECK(holders("/srv/disk").find("sleep") != std::string::npos);
    REQUIRE(::umount2("/srv/disk", 0) == 0);
    CHECK_FALSE(works(sandbox, "test -e /srv/disk/file"));
    CHECK(holders("/srv/disk") == "");
    CHECK(guest.running());

    // and mounted here, it is there
    mount_disk("/srv/disk");
    CHECK(said(sandbox, "cat /srv/disk/file") == "on the disk");
    // the other way nothing goes
    CHECK(works(sandbox, "mount -t tmpfs inside /srv/place"));
    CHECK(host_mounts().find("inside") == std::string::npos);
    output({"umount", "/srv/disk"});
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("rootfs: with one nothing of the host's other mounts is kept", "[rootfs][propagation]") {
    Sandbox sandbox;
    const RootTree tree;
    mount_disk("/srv/disk");
    mount_disk("/srv/outer");
    mount_disk("/srv/outer/inner");
    share_all_mounts();
    const auto rootfs = GENERATE(std::string(), std::string("overlay = true"),
                                 std::string(R"(mounts = [{ source = "/srv/outer", target = "/outer" }])"));
    const auto mapped = GENERATE(std::string(), kMapped);
    INFO(rootfs << mapped);
    const auto before = host_mounts();
    declare(sandbox, rootfs, mapped);
    settle(sandbox);
    CHECK(host_mounts() == before);
    auto guest = stay_in(sandbox, "r");
    REQUIRE(::umount2("/srv/disk", 0) == 0);
    CHECK(holders("/srv/disk") == "");
    // also what is bound inside, with what is mounted below it
    if (rootfs.starts_with("mounts")) {
        CHECK(said(sandbox, "cat /outer/inner/file") == "on the disk");
    }
    REQUIRE(::umount2("/srv/outer/inner", 0) == 0);
    CHECK(holders("/srv/outer/inner") == "");
    if (rootfs.starts_with("mounts")) {
        CHECK_FALSE(works(sandbox, "test -e /outer/inner/file"));
        mount_disk("/srv/outer/inner");
        CHECK(said(sandbox, "cat /outer/inner/file") == "on the disk");
        output({"umount", "/srv/outer/inner"});
    }
    // what is mounted inside shows nowhere else
    CHECK(works(sandbox, "mkdir -p /root/own && mount -t tmpfs inside /root/own"));
    CHECK(host_mounts().find("inside") == std::string::npos);
    CHECK(sandbox.diff() == 0);
}
