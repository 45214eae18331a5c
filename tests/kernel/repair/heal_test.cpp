// SPDX-License-Identifier: Apache-2.0
// Foreign changes to a partition's namespaces are seen by `partctl diff` and repaired by `partctl apply`.

#include "host_view.h"
#include "machine.h"

#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

/// A partition with all eight namespaces, a hostname, a link and a map.
void declare(const Sandbox& sandbox, const std::string& outside = "600000", const std::string& keys = {}) {
    sandbox.write_config("h.toml", R"([partition.h]
namespaces = ["net", "mnt", "pid", "uts", "ipc", "user", "cgroup", "time"]
hostname = "healthy"
stop_timeout = "2s"
)" + keys + R"([partition.h.user]
uid_map = [{ inside = 0, outside = )" + outside +
                                       R"(, count = 65536 }]
[partition.h.time]
boottime = "48h"
[partition.h.link.eth0]
address = ["10.7.0.2/24"]
peer = { name = "hp", address = ["10.7.0.1/24"] }
)");
}

std::map<std::string, unsigned long> inodes(const std::string& name = "h") {
    std::map<std::string, unsigned long> all;
    for (const std::string type : kNamespaceTypes) {
        all[type] = is_namespace(pin(name, type)) ? inode_at(pin(name, type)) : 0;
    }
    return all;
}

bool mentions(const std::string& text, const std::string& word) {
    return text.find(word) != std::string::npos;
}

/// The resource in a plan that stands for the namespace of that type.
std::string resource_of(const std::string& type) {
    return type == "net" ? "netns h" : type == "pid" || type == "mnt" ? "init h" : "namespace h/" + type;
}

/// Takes the mounts off the pin; one of a mount namespace stands on another.
void unmount_all(const std::string& path) {
    while (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
    }
}

std::string ifindex(const std::string& link) {
    return output({"ip", "-o", "link", "show", "dev", link}).substr(0, 5);
}

}  // namespace

TEST_CASE("heal: a pin that was unmounted, while processes live there, is bound again", "[heal][pin]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    auto guest = stay_in(sandbox, "h");
    const auto before = inodes();
    const auto init = init_of("h");
    const std::string type = GENERATE(from_range(kNamespaceTypes));
    const bool file_too = GENERATE(false, true);
    INFO(type << (file_too ? ", file removed" : ""));
    unmount_all(pin("h", type));
    if (file_too) {
        REQUIRE(fs::remove(pin("h", type)));
    }
    CHECK(sandbox.diff() == 1);
    const auto wanted = wanted_changes(sandbox);
    CHECK(wanted == "update " + resource_of(type) + "\n");
    CHECK(status_of(sandbox, "h").at("state") == "degraded");
    settle(sandbox);
    CHECK(inodes() == before);
    CHECK(guest.running());
    CHECK(init_of("h") == init);
    CHECK(pings(kHere, "10.7.0.2"));
}

TEST_CASE("heal: all pins gone at once", "[heal][pin]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    const auto before = inodes();
    const auto init = init_of("h");
    for (const std::string type : kNamespaceTypes) {
        unmount_all(pin("h", type));
    }
    const bool files_too = GENERATE(false, true);
    if (files_too) {
        unmount_all("/run/partd/ns/h/ipc.shm");
        fs::remove_all("/run/partd/ns/h");
        fs::remove("/run/netns/h");
    }
    CHECK(sandbox.diff() == 1);
    // PID 1 alone holds them all
    settle(sandbox);
    CHECK(inodes() == before);
    CHECK(init_of("h") == init);
    CHECK(alive(init.value_or(0)));
}

TEST_CASE("heal: a pin gone, and nobody lives there: made anew", "[heal][pin]") {
    Sandbox sandbox;
    const auto clean = snapshot(sandbox);
    const std::string type = GENERATE("net", "mnt", "uts", "ipc", "user", "cgroup", "time");
    const std::string map =
        "[partition.h.user]\nuid_map = [{ inside = 0, outside = 600000, count = 65536 }]\n";
    INFO(type);
    sandbox.write_config("h.toml",
                         "[partition.h]\nnamespaces = [\"" + type + "\"]\n" + (type == "user" ? map : ""));
    settle(sandbox);
    unmount_all(pin("h", type));
    const bool file_too = GENERATE(false, true);
    if (file_too) {
        REQUIRE(fs::remove(pin("h", type)));
    }
    CHECK(sandbox.diff() == 1);
    const auto refused = exec_in(sandbox, "h", {"echo", "inside"});
    INFO(refused.text());
    CHECK(refused.code == 126);
    CHECK(refused.out.empty());
    settle(sandbox);
    CHECK(is_namespace(pin("h", type)));
    CHECK(said_in(sandbox, "h", {"echo", "inside"}) == "inside");
    sandbox.remove_config("h.toml");
    sandbox.apply();
    CHECK(difference(clean, snapshot(sandbox)) == "");
}

TEST_CASE("heal: another namespace under the pin is not ours", "[heal][pin]") {
    Sandbox sandbox;
    sandbox.write_config("h.toml", "[partition.h]\nnamespaces = [\"uts\"]\nhostname = \"healthy\"\n");
    settle(sandbox);
    const Hold hold("h");
    unmount_all(pin("h", "uts"));
    output({"unshare", "--uts=" + pin("h", "uts"), "hostname", "impostor"});
    const auto inode = inode_at(pin("h", "uts"));
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    // never taken for its own in silence: told, or made anew
    if (applied.code == 0) {
        CHECK(nsenter({"--uts=" + pin("h", "uts"), "hostname"}) == "healthy");
        CHECK(inode_at(pin("h", "uts")) != inode);
    } else {
        CHECK(applied.code == 7);
        CHECK(mentions(applied.out, pin("h", "uts")));
        CHECK(nsenter({"--uts=" + pin("h", "uts"), "hostname"}) == "impostor");
    }
}

TEST_CASE("heal: a file that is no namespace under the pin's name is left alone", "[heal][pin]") {
    Sandbox sandbox;
    fs::create_directories("/run/partd/ns/h");
    write_file("/run/partd/ns/h/uts", "somebody's text\n");
    sandbox.write_config("h.toml", "[partition.h]\nnamespaces = [\"uts\", \"ipc\"]\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 7);
    CHECK(mentions(applied.out, "/run/partd/ns/h/uts"));
    CHECK(read_file("/run/partd/ns/h/uts") == "somebody's text\n");
    CHECK(is_namespace(pin("h", "ipc")));
}

TEST_CASE("heal: a hostname changed inside is set back", "[heal][uts]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    const auto before = inodes();
    REQUIRE(exec_in(sandbox, "h", {"hostname", "renamed"}).code == 0);
    CHECK(said_in(sandbox, "h", {"hostname"}) == "renamed");
    const auto diff = sandbox.partctl({"diff"});
    INFO(diff.text());
    CHECK(diff.code == 1);
    CHECK(mentions(diff.out, "renamed"));
    CHECK(mentions(diff.out, "healthy"));
    CHECK(wanted_changes(sandbox) == "update namespace h/uts\n");
    settle(sandbox);
    CHECK(said_in(sandbox, "h", {"hostname"}) == "healthy");
    CHECK(inodes() == before);
}

TEST_CASE("heal: the netns' name deleted while processes live in it: its link survives", "[heal][net]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    auto guest = stay_in(sandbox, "h");
    const auto index = ifindex("hp");
    const auto before = inodes();
    ip({"netns", "del", "h"});
    CHECK_FALSE(fs::exists("/run/netns/h"));
    CHECK(pings(kHere, "10.7.0.2"));
    CHECK(wanted_changes(sandbox) == "update netns h\n");
    settle(sandbox);
    CHECK(inodes() == before);
    CHECK(ifindex("hp") == index);
    CHECK(guest.running());
    CHECK(pings(kHere, "10.7.0.2"));
}

TEST_CASE("heal: the netns' name deleted, of a partition with net alone, a process in it", "[heal][net]") {
    Sandbox sandbox;
    sandbox.write_config("h.toml",
                         "[partition.h.link.eth0]\naddress = [\"10.7.0.2/24\"]\npeer = { name = \"hp\", "
                         "address = [\"10.7.0.1/24\"] }\n");
    settle(sandbox);
    auto guest = stay_in(sandbox, "h");
    const auto index = ifindex("hp");
    const auto inode = inode_at("/run/netns/h");
    ip({"netns", "del", "h"});
    settle(sandbox);
    CHECK(inode_at("/run/netns/h") == inode);
    CHECK(ifindex("hp") == index);
    CHECK(guest.running());
}

TEST_CASE("heal: a map declared otherwise: all that the user namespace owns is made anew", "[heal][user]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    const Hold hold("h");
    const auto before = inodes();
    auto guest = stay_in(sandbox, "h");
    declare(sandbox, "900000");
    const auto diff = sandbox.partctl({"diff"});
    INFO(diff.text());
    CHECK(diff.code == 1);
    CHECK(mentions(diff.out, "600000"));
    CHECK(mentions(diff.out, "900000"));
    settle(sandbox);
    CHECK(guest.wait(3s) != -1);
    for (const auto& [type, inode] : inodes()) {
        INFO(type);
        CHECK(inode != before.at(type));
        CHECK(inode != 0);
    }
    CHECK(mentions(said_in(sandbox, "h", {"cat", "/proc/self/uid_map"}), "900000"));
    CHECK(pings(kHere, "10.7.0.2"));
    CHECK(said_in(sandbox, "h", {"hostname"}) == "healthy");
}

TEST_CASE("heal: a map declared otherwise waits for the processes: on_remove refuse", "[heal][user]") {
    Sandbox sandbox;
    declare(sandbox, "600000", "on_remove = \"refuse\"\n");
    settle(sandbox);
    const auto before = inodes();
    auto guest = stay_in(sandbox, "h");
    declare(sandbox, "900000", "on_remove = \"refuse\"\n");
    const auto refused = sandbox.partctl({"apply"});
    INFO(refused.text());
    CHECK(refused.code == 7);
    CHECK(guest.running());
    CHECK(inodes() == before);
    CHECK(pings(kHere, "10.7.0.2"));
    CHECK(said_in(sandbox, "h", {"hostname"}) == "healthy");
    guest.stop();
    REQUIRE(eventually([] { return inhabitants("h").size() == 1; }));
    settle(sandbox);
    CHECK(mentions(said_in(sandbox, "h", {"cat", "/proc/self/uid_map"}), "900000"));
}

TEST_CASE("heal: PID 1 gone, and every pin with it", "[heal][init]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    const auto before = inodes();
    const auto init = init_of("h");
    REQUIRE(init);
    const bool pins_too = GENERATE(false, true);
    REQUIRE(::kill(*init, SIGKILL) == 0);
    REQUIRE(eventually([] { return !init_of("h"); }));
    if (pins_too) {
        for (const std::string type : kNamespaceTypes) {
            unmount_all(pin("h", type));
        }
        unmount_all("/run/partd/ns/h/ipc.shm");
        fs::remove_all("/run/partd/ns/h");
        fs::remove("/run/netns/h");
    }
    CHECK(sandbox.diff() == 1);
    settle(sandbox);
    CHECK(init_of("h"));
    CHECK(said_in(sandbox, "h", {"hostname"}) == "healthy");
    CHECK(pings(kHere, "10.7.0.2"));
    if (!pins_too) {
        // what PID 1 has no part in stays
        for (const std::string type : {"net", "uts", "ipc", "user", "cgroup", "time"}) {
            INFO(type);
            CHECK(inodes().at(type) == before.at(type));
        }
    }
}

TEST_CASE("heal: the ledger lost: nothing is made anew that stands", "[heal][ledger]") {
    Sandbox sandbox;
    const auto clean = snapshot(sandbox);
    const RootTree tree;
    declare(sandbox);
    sandbox.write_config("o.toml", R"([partition.o]
namespaces = ["pid", "uts"]
hostname = "other"
[partition.o.rootfs]
path = "/srv/machines/lightvm"
overlay = true
[partition.member]
share = { partition = "o", namespaces = ["uts"] }
namespaces = ["mnt"]
)");
    settle(sandbox);
    const auto before = inodes();
    const auto other = inodes("o");
    const auto member = inodes("member");
    const auto init = init_of("h");
    const auto init_of_other = init_of("o");
    auto guest = stay_in(sandbox, "h");
    REQUIRE(exec_in(sandbox, "o", {"touch", "/root/written"}).code == 0);
    REQUIRE(fs::exists("/run/partd/ledger"));
    SECTION("removed") {
        fs::remove("/run/partd/ledger");
    }
    SECTION("damaged") {
        write_file("/run/partd/ledger", "{ half a");
    }
    CHECK(sandbox.diff() == 0);
    settle(sandbox);
    CHECK(inodes() == before);
    CHECK(inodes("o") == other);
    CHECK(inodes("member") == member);
    CHECK(init_of("h") == init);
    CHECK(init_of("o") == init_of_other);
    CHECK(guest.running());
    CHECK(exec_in(sandbox, "o", {"test", "-e", "/root/written"}).code == 0);
    // and it still knows what to remove, also with the ledger lost again
    fs::remove("/run/partd/ledger");
    guest.stop();
    sandbox.remove_config("h.toml");
    sandbox.remove_config("o.toml");
    sandbox.apply();
    CHECK(sandbox.partctl({"purge", "o", "--yes"}).code == 0);
    CHECK(difference(clean, snapshot(sandbox)) == "");
}

TEST_CASE("heal: the ledger and a pin lost together: no second partition beside the first",
          "[heal][ledger]") {
    Sandbox sandbox;
    const auto clean = snapshot(sandbox);
    declare(sandbox);
    settle(sandbox);
    fs::remove("/run/partd/ledger");
    const std::string type = GENERATE("net", "pid", "mnt", "uts", "user");
    INFO(type);
    unmount_all(pin("h", type));
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK(sandbox.diff() == 0);
    CHECK(said_in(sandbox, "h", {"hostname"}) == "healthy");
    CHECK(pings(kHere, "10.7.0.2"));
    sandbox.remove_config("h.toml");
    sandbox.apply();
    CHECK(difference(clean, snapshot(sandbox)) == "");
}

TEST_CASE("heal: the ledger and the pin of PID 1 lost, and it is not declared any more", "[heal][ledger]") {
    Sandbox sandbox;
    const auto clean = snapshot(sandbox);
    sandbox.write_config("web.toml", "[partition.web]\nnamespaces = [\"net\", \"pid\", \"mnt\"]\n");
    sandbox.apply();
    unmount_all(pin("web", "pid"));
    fs::remove("/run/partd/ledger");
    const bool partition_stays = GENERATE(true, false);
    if (partition_stays) {
        sandbox.write_config("web.toml", "[partition.web]\n");
        sandbox.apply();
        CHECK(sandbox.diff() == 0);
        CHECK_FALSE(fs::exists(pin("web", "mnt")));
    }
    sandbox.remove_config("web.toml");
    sandbox.apply();
    CHECK(difference(clean, snapshot(sandbox)) == "");
}

TEST_CASE("heal: the upper layer removed by hand", "[heal][layer]") {
    Sandbox sandbox;
    const RootTree tree;
    sandbox.write_config("h.toml",
                         "[partition.h]\nnamespaces = [\"pid\"]\n[partition.h.rootfs]\npath = "
                         "\"/srv/machines/lightvm\"\noverlay = true\n");
    settle(sandbox);
    fs::remove_all("/var/lib/partd/layers/h");
    CHECK(sandbox.diff() == 1);
    settle(sandbox);
    CHECK(exec_in(sandbox, "h", {"sh", "-c", "echo x > /root/x && cat /root/x"}).code == 0);
    CHECK(fs::exists("/var/lib/partd/layers/h/upper/root/x"));
}

TEST_CASE("heal: everything removed: as before", "[heal][removal]") {
    Sandbox sandbox;
    sandbox.outside();
    forward_everything();
    const auto before = snapshot(sandbox);
    const RootTree tree;
    const auto content = tree.content();
    declare(sandbox);
    sandbox.example("lightvm");
    sandbox.example("pod");
    settle(sandbox);
    auto guest = stay_in(sandbox, "lightvm");
    REQUIRE(
        exec_in(sandbox, "lightvm", {"sh", "-c", "echo x > /root/x; sleep 1000 >/dev/null 2>&1 &"}).code ==
        0);
    CHECK(difference(before, snapshot(sandbox)) != "");
    for (const char* file : {"h.toml", "lightvm.toml", "pod.toml"}) {
        sandbox.remove_config(file);
    }
    const auto removed = sandbox.partctl({"apply", "--allow-delete"});
    INFO(removed.text());
    CHECK(removed.code == 0);
    CHECK(guest.wait(1s) != -1);
    CHECK(sandbox.diff() == 0);
    CHECK(sandbox.partctl({"purge", "lightvm", "--yes"}).code == 0);
    CHECK(difference(before, snapshot(sandbox)) == "");
    CHECK(difference(content, tree.content()) == "");
}

TEST_CASE("heal: a mount namespace that is not declared any more is forgotten", "[heal]") {
    Sandbox sandbox;
    sandbox.write_config("m.toml", "[partition.m]\nnamespaces = [\"pid\", \"mnt\"]\n");
    settle(sandbox);
    sandbox.write_config("m.toml", "[partition.m]\nnamespaces = [\"pid\"]\n");
    settle(sandbox);
    CHECK_FALSE(fs::exists(pin("m", "mnt")));
    CHECK(init_of("m"));
    sandbox.write_config("m.toml", "[partition.m]\nnamespaces = [\"mnt\"]\n");
    settle(sandbox);
    CHECK_FALSE(init_of("m"));
    CHECK(fs::exists(pin("m", "mnt")));
}

TEST_CASE("heal: a link's other namespace is made anew, and its own end was renamed", "[heal][user][veth]") {
    Sandbox sandbox;
    sandbox.write_config("u.toml", R"(
[partition.x.link.lan]
address = ["10.1.1.1/24"]
peer = { partition = "u", name = "p11" }
[partition.u]
namespaces = ["net", "user"]
[partition.u.user]
uid_map = [{ inside = 0, outside = 200000, count = 1000 }]
)");
    sandbox.apply();
    output({"umount", "/run/partd/ns/u/user"});
    const int inside = sandbox.netns("x");
    ip({"link", "set", "lan", "down"}, inside);
    ip({"link", "set", "lan", "name", "renamed"}, inside);
    // the old pair is there for a moment beside the new one
    sandbox.apply();
    CHECK(eventually([&] { return links(inside) == std::vector<std::string>{"lan"}; }));
    CHECK(addresses("lan", inside) == std::vector<std::string>{"10.1.1.1/24"});
}
