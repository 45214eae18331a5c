// SPDX-License-Identifier: Apache-2.0
// The daemon's bus, judged by busctl: what it shows, what it answers, and what it answers to nonsense.

#include "daemon_fixture.h"
#include "host_view.h"

#include <filesystem>
#include <map>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

Arguments busctl(const Arguments& arguments) {
    Arguments all{"busctl", "--address=unix:path=/run/partd/bus"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
}

Outcome call(const std::string& method, const Arguments& arguments) {
    Arguments all{"--json=short", "call", "org.partd1", "/org/partd1", "org.partd1.Manager", method};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run(busctl(all));
}

/// stdout, stderr, exit code and generation that a method returned.
Json called(const std::string& method, const Arguments& options) {
    Arguments all{"a{sv}"};
    all.insert(all.end(), options.begin(), options.end());
    const auto answer = call(method, all);
    INFO(method << ": " << answer.text());
    REQUIRE(answer.code == 0);
    const Json reply = Json::parse(answer.out);
    REQUIRE(reply.at("type") == "ssit");
    return reply.at("data");
}

Json property(const std::string& name) {
    const auto shown = run(
        busctl({"--json=short", "get-property", "org.partd1", "/org/partd1", "org.partd1.Manager", name}));
    INFO(name << ": " << shown.text());
    REQUIRE(shown.code == 0);
    return Json::parse(shown.out);
}

struct Served : Configured {
    Daemon daemon;

    Served() : Configured(kWeb) {
        REQUIRE(eventually([&] { return exists("web") && answers(sandbox) && converged(sandbox); }));
        REQUIRE(eventually([&] { return generations(sandbox).size() == 1; }));
    }
    bool lives() { return answers(sandbox) && daemon.running(); }
};

}  // namespace

TEST_CASE("bus: introspection shows all methods, properties and signals", "[control][bus]") {
    Served host;
    const auto shown = run(busctl(
        {"--no-legend", "--no-pager", "introspect", "org.partd1", "/org/partd1", "org.partd1.Manager"}));
    INFO(shown.text());
    REQUIRE(shown.code == 0);
    std::map<std::string, std::string> members;
    std::istringstream lines(shown.out);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        std::string type;
        std::string in;
        std::string out;
        words >> name >> type >> in >> out;
        members[name] = type + " " + in + (type == "method" ? " " + out : "");
    }
    for (const char* method :
         {"Check",  "Diff",  "Status",  "List",     "Show",  "Namespaces", "History", "Metrics",
          "Doctor", "Apply", "Confirm", "Rollback", "Pause", "Resume",     "Kill",    "Freeze",
          "Thaw",   "Start", "Stop",    "Purge",    "Tree",  "Usage"}) {
        INFO(method);
        CHECK(members["." + std::string(method)] == "method a{sv} ssit");
    }
    CHECK(members[".Reload"] == "method - -");
    CHECK(members[".Event"] == "signal tssss");
    for (const auto& [name, type] : std::map<std::string, std::string>{{"Version", "s"},
                                                                       {"State", "s"},
                                                                       {"Generation", "t"},
                                                                       {"ConfirmIn", "t"},
                                                                       {"Partitions", "as"},
                                                                       {"Paused", "as"},
                                                                       {"Contested", "as"}}) {
        CHECK(members["." + name] == "property " + type);
    }
    CHECK(members.size() == 22 + 1 + 1 + 7);
    const auto tree = run(busctl({"--list", "tree", "org.partd1"}));
    INFO(tree.text());
    CHECK(tree.out.find("/org/partd1") != std::string::npos);
    // names of the arguments, for those who generate code from it
    const auto xml = run(busctl({"--xml-interface", "introspect", "org.partd1", "/org/partd1"}));
    CHECK(xml.out.find("name=\"options\"") != std::string::npos);
    CHECK(xml.out.find("name=\"generation\"") != std::string::npos);
}

TEST_CASE("bus: properties tell the state, and that they changed", "[control][bus]") {
    Served host;
    CHECK(property("Version").at("type") == "s");
    CHECK(eventually([] { return property("State").at("data") == "as declared"; }));
    CHECK(property("Generation").at("data") == 1);
    CHECK(property("ConfirmIn").at("data") == 0);
    CHECK(property("Partitions").at("data") == Json::array({"web"}));
    CHECK(property("Paused").at("data") == Json::array());
    CHECK(property("Contested").at("data") == Json::array());
    CHECK(called("Pause", {"1", "name", "s", "web"}).at(2) == 0);
    CHECK(property("Paused").at("data") == Json::array({"web"}));
    CHECK(called("Resume", {"1", "name", "s", "web"}).at(2) == 0);
    host.sandbox.write_config("bad.toml", "[partition.bad\n");
    CHECK(eventually([] { return property("State").at("data") == "degraded"; }));
    host.sandbox.remove_config("bad.toml");
    CHECK(eventually([] { return property("State").at("data") == "as declared"; }));
    const auto written = run(
        busctl({"set-property", "org.partd1", "/org/partd1", "org.partd1.Manager", "State", "s", "fine"}));
    CHECK(written.code != 0);
    CHECK(host.lives());
}

TEST_CASE("bus: signals reach whoever listens", "[control][bus]") {
    Served host;
    Background listener(busctl({"--json=short", "--match=type='signal'", "monitor"}));
    std::this_thread::sleep_for(500ms);
    if (!listener.running()) {
        // busctl 252 asks a bus to make it a monitor, which only a real bus can: a client that speaks the
        // protocol by itself shows the same
        const auto heard = [&] { return listener.written(); };
        INFO(heard());
    }
    Background script(Arguments{"/usr/bin/python3", "-c", R"(
import socket, struct
def field(code, sign, text):
    return bytes([code, 1]) + sign + b"\0" + struct.pack("<I", len(text)) + text + b"\0"
def padded(data): return data + b"\0" * (-len(data) % 8)
bus = b"org.freedesktop.DBus"
fields = padded(field(1, b"o", b"/org/freedesktop/DBus")) + padded(field(2, b"s", bus)) + padded(field(6, b"s", bus))
fields += field(3, b"s", b"Hello")
s = socket.socket(socket.AF_UNIX); s.connect("/run/partd/bus")
s.sendall(b"\0AUTH EXTERNAL 30\r\n"); s.recv(200)
s.sendall(b"BEGIN\r\n")
# Nothing is sent before the first call.
s.sendall(padded(b"l\1\0\1" + struct.pack("<III", 0, 1, len(fields)) + fields))
seen = b""
while b"PropertiesChanged" not in seen or b"Event" not in seen: seen += s.recv(65536)
print("both", flush=True)
)"});
    std::this_thread::sleep_for(500ms);
    host.sandbox.write_config("p1.toml", numbered_partition(1));
    CHECK(eventually([&] { return script.written().find("both") != std::string::npos; }));
    INFO(script.written());
}

TEST_CASE("bus: libdbus gets along with it", "[control][bus]") {
    Served host;
    // It sends its first call together with the end of the handshake.
    for (int i = 0; i < 20; ++i) {
        const auto asked =
            run({"dbus-send", "--bus=unix:path=/run/partd/bus", "--print-reply", "--reply-timeout=2000",
                 "--dest=org.partd1", "/org/partd1", "org.freedesktop.DBus.Properties.Get",
                 "string:org.partd1.Manager", "string:Partitions"});
        INFO(asked.text());
        REQUIRE(asked.code == 0);
        CHECK(asked.out.find("string \"web\"") != std::string::npos);
    }
}

TEST_CASE("bus: every method answers", "[control][bus]") {
    Served host;
    for (const char* method : {"Check", "Diff", "Status", "List", "Namespaces", "History", "Metrics"}) {
        const Json reply = called(method, {"0"});
        INFO(method << ": " << reply.dump());
        CHECK(reply.at(2) == 0);
        const std::string said = reply.at(0).get<std::string>() + reply.at(1).get<std::string>();
        CHECK_FALSE((said.empty() && std::string(method) != "Check"));
    }
    CHECK(called("Doctor", {"0"}).at(2).get<int>() <= 1);
    CHECK(Json::parse(called("Status", {"1", "json", "b", "true"}).at(0).get<std::string>()).at("schema") ==
          1);
    CHECK(called("Show", {"1", "name", "s", "web"}).at(0).get<std::string>().find("web0") !=
          std::string::npos);
    CHECK(called("Show", {"1", "name", "s", "nobody"}).at(2) == 2);
    CHECK(called("Confirm", {"0"}).at(2) == 2);
    CHECK(called("Rollback", {"0"}).at(2) == 2);
    CHECK(called("Kill", {"2", "name", "s", "web", "signal", "s", "TERM"}).at(2) == 0);
    CHECK(called("Freeze", {"1", "name", "s", "web"}).at(2) == 0);
    CHECK(called("Thaw", {"1", "name", "s", "web"}).at(2) == 0);
    const Json applied =
        called("Apply", {"2", "extra", "(ss)", "mine.toml", "[partition.extra]", "legend", "b", "false"});
    INFO(applied.dump());
    CHECK(applied.at(2) == 0);
    CHECK(applied.at(3) == 2);
    CHECK(exists("extra"));
    const Json checked = called("Check", {"1", "files", "a(ss)", "1", "x.toml", "[partition.x"});
    INFO(checked.dump());
    CHECK(checked.at(2) == 3);
    CHECK(checked.at(1).get<std::string>().find("x.toml:1:") != std::string::npos);
    const auto reloaded = call("Reload", {});
    CHECK(reloaded.code == 0);
    CHECK(host.lives());
}

TEST_CASE("bus: nonsense is an error, and the daemon lives", "[control][bus]") {
    Served host;
    struct Wrong {
        std::string method;
        Arguments arguments;
        std::string told;
    };
    const std::vector<Wrong> all = {
        {"Status", {"s", "web"}, "Invalid"},
        {"Status", {}, "Invalid"},
        {"Status", {"a{ss}", "1", "name", "web"}, "Invalid"},
        {"Status", {"a{sv}", "1", "nmae", "s", "web"}, "there is no option \"nmae\" of type s"},
        {"Status", {"a{sv}", "1", "name", "u", "7"}, "there is no option \"name\" of type u"},
        {"Status", {"a{sv}", "1", "json", "s", "yes"}, "there is no option \"json\" of type s"},
        {"Apply", {"a{sv}", "1", "confirm", "s", "2s"}, "there is no option \"confirm\" of type s"},
        {"Apply", {"a{sv}", "1", "extra", "s", "x"}, "there is no option \"extra\" of type s"},
        {"Apply", {"a{sv}", "1", "files", "as", "0"}, "there is no option \"files\" of type as"},
        {"Nothing", {"a{sv}", "0"}, "Unknown method"},
        {"Reload", {"s", "now"}, "Invalid"},
    };
    for (const Wrong& each : all) {
        const auto answer = call(each.method, each.arguments);
        INFO(each.method << ": " << answer.text());
        CHECK(answer.code != 0);
        CHECK(answer.err.find(each.told) != std::string::npos);
    }
    for (const Arguments& each :
         {Arguments{"get-property", "org.partd1", "/org/partd1", "org.partd1.Manager", "Nothing"},
          Arguments{"call", "org.partd1", "/org/other", "org.partd1.Manager", "Status", "a{sv}", "0"},
          Arguments{"call", "org.partd1", "/org/partd1", "org.partd1.Other", "Status", "a{sv}", "0"}}) {
        const auto answer = run(busctl(each));
        INFO(answer.text());
        CHECK(answer.code != 0);
    }
    CHECK(host.lives());
}

TEST_CASE("bus: wrong values of right types are refused by name", "[control][bus]") {
    Served host;
    for (const std::string name : {"../../etc/passwd", "", "web/../web", "\x01", "nobody"}) {
        for (const std::string method : {"Pause", "Resume", "Show", "Freeze", "Kill"}) {
            if (method == "Show" && name.empty()) {
                continue;  // what belongs to nobody alone
            }
            const auto answer = call(method, {"a{sv}", "1", "name", "s", name});
            INFO(method << " \"" << name << "\": " << answer.text());
            REQUIRE(answer.code == 0);
            CHECK(Json::parse(answer.out).at("data").at(2) == 2);
        }
    }
    CHECK_FALSE(std::filesystem::exists("/run/partd/paused/"));
    CHECK(called("Kill", {"2", "name", "s", "web", "signal", "s", "NONE"}).at(2) == 2);
    CHECK(called("Diff", {"1", "generation", "t", "18446744073709551615"}).at(2) == 2);
    const Json far = called("Apply", {"1", "confirm", "t", "18446744073709551615"});
    INFO(far.dump());
    CHECK(far.at(2) == 0);
    CHECK(host.lives());
}
