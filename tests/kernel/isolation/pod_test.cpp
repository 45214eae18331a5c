// SPDX-License-Identifier: Apache-2.0
// Pods: partitions that share namespaces, which live as long as one of them does.

#include "host_view.h"
#include "machine.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

std::string list_text(const Strings& types) {
    std::string text;
    for (const auto& type : types) {
        text += (text.empty() ? "\"" : ", \"") + type + "\"";
    }
    return "[" + text + "]";
}

void declare_pause(const Sandbox& sandbox, const std::string& namespaces = R"("net", "ipc", "uts")",
                   const std::string& more = {}) {
    sandbox.write_config("pause.toml", "[partition.pause]\nnamespaces = [" + namespaces +
                                           "]\nhostname = \"pod\"\n" + more +
                                           "[partition.pause.link.eth0]\naddress = [\"10.6.0.2/24\"]\npeer = "
                                           "{ address = [\"10.6.0.1/24\"] }\n");
}

void declare_member(const Sandbox& sandbox, const std::string& name, const Strings& shared,
                    const std::string& own = "[\"pid\", \"mnt\"]", const std::string& more = {}) {
    sandbox.write_config(name + ".toml", "[partition." + name +
                                             "]\nshare = { partition = \"pause\", namespaces = " +
                                             list_text(shared) + " }\nnamespaces = " + own + "\n" + more);
}

std::map<std::string, unsigned long> inodes(const std::string& name, const Strings& types) {
    std::map<std::string, unsigned long> all;
    for (const auto& type : types) {
        all[type] = inode_at(pin(name, type));
    }
    return all;
}

const Strings kShared{"net", "ipc", "uts"};

}  // namespace

TEST_CASE("pod: the same namespaces under each member's own pins", "[pod]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    declare_pause(sandbox);
    declare_member(sandbox, "web", kShared);
    declare_member(sandbox, "db", kShared);
    settle(sandbox);
    for (const std::string name : {"web", "db"}) {
        INFO(name);
        CHECK(inodes(name, kShared) == inodes("pause", kShared));
        CHECK(fs::exists("/run/partd/ns/" + name + "/net"));
        CHECK_FALSE(fs::exists("/run/netns/" + name));
        CHECK(said_in(sandbox, name, {"hostname"}) == "pod");
        CHECK(said_in(sandbox, name, {"ip", "-br", "-4", "addr", "show", "eth0"}).find("10.6.0.2/24") !=
              std::string::npos);
        CHECK(said_in(sandbox, name, {"cat", "/proc/1/comm"}) == "partd-init");
        const auto own = "/run/partd/ns/" + name + "/";
        CHECK(nsenter({"--net=" + own + "net", "--uts=" + own + "uts", "hostname"}) == "pod");
        CHECK(nsenter({"--net=" + own + "net", "ip", "-br", "link"}).find("eth0") != std::string::npos);
    }
    CHECK(inode_at(pin("web", "pid")) != inode_at(pin("db", "pid")));
    CHECK(inode_at(pin("web", "mnt")) != inode_at(pin("db", "mnt")));
    // what one leaves in shared memory the other finds
    REQUIRE(exec_in(sandbox, "web", {"ipcmk", "-M", "4096"}).code == 0);
    CHECK(said_in(sandbox, "db", {"ipcs", "-m"}).find("4096") != std::string::npos);
    CHECK(output({"ipcs", "-m"}).find("4096") == std::string::npos);
    // and they talk by the loopback
    Background server(
        Arguments{PARTCTL, "exec", "web", "--", "python3", "-c",
                  "import socket; s = socket.create_server(('127.0.0.1', 7777)); print('listening', "
                  "flush=True); s.accept()[0].sendall(b'hello')"});
    REQUIRE(eventually([&] { return server.written().find("listening") != std::string::npos; }));
    CHECK(said_in(sandbox, "db",
                  {"python3", "-c",
                   "import socket; print(socket.create_connection(('127.0.0.1', 7777)).recv(9).decode())"}) ==
          "hello");

    const auto listed = ns_entry(sandbox.partctl_json({"ns"}), inode_at(pin("pause", "ipc")));
    CHECK(listed.at("partitions") == Json::array({"db", "pause", "web"}));
    CHECK(listed.at("paths").size() == 3);

    server.stop();
    for (const char* file : {"pause.toml", "web.toml", "db.toml"}) {
        sandbox.remove_config(file);
    }
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("pod: every kind that can be shared", "[pod]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    const Strings shared = GENERATE(Strings{"uts"}, Strings{"pid"}, Strings{"pid", "mnt"}, Strings{"mnt"},
                                    Strings{"user"}, Strings{"user", "pid"}, Strings{"cgroup", "time"},
                                    Strings{"net", "ipc", "uts", "pid", "user"},
                                    Strings{"net", "mnt", "pid", "uts", "ipc", "user", "cgroup", "time"});
    INFO(list_text(shared));
    std::string map;
    if (std::ranges::find(shared, "user") != shared.end()) {
        map = "[partition.pause.user]\nuid_map = [{ inside = 0, outside = 800000, count = 65536 }]\n";
    }
    declare_pause(sandbox, R"("net", "mnt", "pid", "uts", "ipc", "cgroup", "time")", map);
    declare_member(sandbox, "web", shared, "[]");
    settle(sandbox);
    CHECK(inodes("web", shared) == inodes("pause", shared));
    // it joins the member's cgroup, not that of whose namespaces they are
    auto guest = stay_in(sandbox, "web");
    const auto group = sandbox.cgroups().processes(group_of("web"));
    const auto sleeper = std::ranges::find_if(group, [](pid_t each) { return comm_of(each) == "sleep"; });
    REQUIRE(sleeper != group.end());
    for (const auto& type : shared) {
        INFO(type);
        CHECK(namespace_of(*sleeper, type) == inode_at(pin("pause", type)));
    }
    guest.stop();
    // a member that goes takes nothing of the other's along
    const auto init = init_of("pause");
    REQUIRE(init);
    sandbox.remove_config("web.toml");
    settle(sandbox);
    CHECK_FALSE(fs::exists("/run/partd/ns/web"));
    CHECK(init_of("pause") == init);
    sandbox.remove_config("pause.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("pod: what is shared outlives the processes of any member", "[pod]") {
    Sandbox sandbox;
    declare_pause(sandbox);
    declare_member(sandbox, "web", kShared);
    declare_member(sandbox, "db", kShared);
    settle(sandbox);
    const auto shared = inodes("pause", kShared);
    REQUIRE(exec_in(sandbox, "web", {"ipcmk", "-M", "4096"}).code == 0);
    for (const std::string name : {"web", "db"}) {
        auto guest = stay_in(sandbox, name);
        output({"kill", "-KILL", std::to_string(init_of(name).value())});
        CHECK(guest.wait(5s) == 128 + SIGKILL);
    }
    CHECK(inodes("pause", kShared) == shared);
    CHECK(pings(kHere, "10.6.0.2"));
    CHECK(nsenter({"--ipc=/run/partd/ns/web/ipc", "ipcs", "-m"}).find("4096") != std::string::npos);
    settle(sandbox);
    CHECK(inodes("pause", kShared) == shared);
    CHECK(inodes("web", kShared) == shared);
    CHECK(said_in(sandbox, "db", {"ipcs", "-m"}).find("4096") != std::string::npos);
}

TEST_CASE("pod: one member made anew does not touch the others", "[pod]") {
    Sandbox sandbox;
    declare_pause(sandbox);
    declare_member(sandbox, "web", kShared);
    declare_member(sandbox, "db", kShared);
    settle(sandbox);
    const auto shared = inodes("pause", kShared);
    const auto db = init_of("db");
    const auto web = init_of("web");
    REQUIRE(db);
    REQUIRE(web);
    auto guest = stay_in(sandbox, "db");
    declare_member(sandbox, "web", kShared, "[\"pid\", \"mnt\"]",
                   "[partition.web.init]\ncommand = [\"sleep\", \"1000\"]\n");
    settle(sandbox);
    CHECK(comm_of(init_of("web").value_or(0)) == "sleep");
    CHECK_FALSE(alive(*web));
    CHECK(guest.running());
    CHECK(init_of("db") == db);
    CHECK(inodes("web", kShared) == shared);
    CHECK(pings(kHere, "10.6.0.2"));
    // and one that goes
    sandbox.remove_config("web.toml");
    settle(sandbox);
    CHECK(guest.running());
    CHECK(inodes("pause", kShared) == shared);
    CHECK(inodes("db", kShared) == shared);
    CHECK(netns_names() == Strings{"pause"});
}

TEST_CASE("pod: a member goes with its own processes only", "[pod][on_remove]") {
    Sandbox sandbox;
    declare_pause(sandbox, R"("net", "ipc", "uts", "pid")");
    const Strings shared{"net", "ipc", "uts", "pid"};
    declare_member(sandbox, "web", shared, "[]");
    declare_member(sandbox, "db", shared, "[]");
    settle(sandbox);
    auto of_pause = stay_in(sandbox, "pause");
    auto of_db = stay_in(sandbox, "db");
    auto of_web = stay_in(sandbox, "web");
    CHECK(inhabitants("db").size() == 4);
    sandbox.remove_config("web.toml");
    settle(sandbox);
    CHECK(of_web.wait(2s) != -1);
    CHECK(of_db.running());
    CHECK(of_pause.running());
    CHECK(inhabitants("db").size() == 3);
}

TEST_CASE("pod: another namespace of the one that shares is another one of its members", "[pod][edit]") {
    Sandbox sandbox;
    declare_pause(sandbox);
    declare_member(sandbox, "web", kShared);
    settle(sandbox);
    const Hold hold("pause");
    const auto before = inodes("pause", kShared);
    const auto init = init_of("web");
    const auto map = "[partition.pause.user]\nuid_map = [{ inside = 0, outside = 800000, count = 65536 }]\n";
    declare_pause(sandbox, R"("net", "ipc", "uts")", map);
    CHECK(sandbox.diff() == 1);
    const auto wanted = wanted_changes(sandbox);
    INFO(wanted);
    CHECK(wanted.find("web/ipc") != std::string::npos);
    settle(sandbox);
    for (const auto& type : kShared) {
        INFO(type);
        CHECK(inode_at(pin("pause", type)) != before.at(type));
        CHECK(inode_at(pin("web", type)) == inode_at(pin("pause", type)));
    }
    CHECK(init_of("web"));
    CHECK(init_of("web") != init);
    CHECK(namespace_of(init_of("web").value_or(0), "ipc") == inode_at(pin("pause", "ipc")));
    CHECK(pings(kHere, "10.6.0.2"));
}

TEST_CASE("pod: a dead PID 1 of the one that shares is made anew for all", "[pod][heal]") {
    Sandbox sandbox;
    declare_pause(sandbox, R"("net", "ipc", "uts", "pid")");
    declare_member(sandbox, "web", {"pid", "ipc"}, "[]");
    settle(sandbox);
    const auto init = init_of("pause");
    REQUIRE(init);
    REQUIRE(::kill(*init, SIGKILL) == 0);
    REQUIRE(eventually([] { return !init_of("pause"); }));
    search_no_leaks();
    CHECK(exec_in(sandbox, "pause", {"true"}).code == 126);
    const auto refused = exec_in(sandbox, "web", {"echo", "inside"});
    INFO(refused.text());
    CHECK(refused.code == 126);
    CHECK(refused.out.empty());
    settle(sandbox);
    CHECK(init_of("web"));
    CHECK(init_of("web") == init_of("pause"));
    CHECK(said_in(sandbox, "web", {"echo", "inside"}) == "inside");
}

TEST_CASE("pod: what cannot be shared is an error with its place", "[pod]") {
    Sandbox sandbox;
    declare_pause(sandbox);
    const auto refused = [&](const std::string& text, const std::string& word) {
        sandbox.write_config("web.toml", "[partition.web]\n" + text);
        const auto checked = sandbox.partctl({"check"});
        INFO(text << "\n" << checked.text());
        CHECK(checked.code == 3);
        CHECK(checked.err.find("web.toml:") != std::string::npos);
        CHECK(checked.err.find(word) != std::string::npos);
    };
    refused("share = { partition = \"nobody\", namespaces = [\"net\"] }\n", "nobody");
    refused("share = { partition = \"web\", namespaces = [\"net\"] }\n", "web");
    refused("share = { partition = \"pause\", namespaces = [\"pid\"] }\n", "pid");
    refused("share = { partition = \"pause\" }\n", "namespaces");
    refused("share = { namespaces = [\"net\"] }\n", "partition");
    refused("share = { partition = \"pause\", namespaces = [\"net\"] }\nnamespaces = [\"net\"]\n", "both");
    refused("share = { partition = \"pause\", namespaces = [\"uts\"] }\nhostname = \"x\"\n", "hostname");
    refused(
        "share = { partition = \"pause\", namespaces = [\"net\"] }\n[partition.web.link.eth0]\naddress = "
        "[\"10.0.0.1/24\"]\n",
        "eth0");
}
