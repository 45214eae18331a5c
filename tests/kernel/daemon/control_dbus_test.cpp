// SPDX-License-Identifier: Apache-2.0
// org.partd1 on the system bus, whatever becomes of that bus; and what a client of a bus is sent before it
// has asked for anything. The bus is a dbus-daemon of the test's own.

#include "daemon_fixture.h"
#include "host_view.h"

#include <csignal>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kConfig = "/run/scratch/dbus.conf";

/// `rules`: more of them, the last that matches counts.
void configure_bus(const std::string& rules = {}) {
    write_file(kConfig, R"(<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
<allow receive_type="signal"/><allow receive_type="method_return"/><allow receive_type="error"/>
</policy>)" + rules + "</busconfig>\n");
}

class Bus {
public:
    Bus() {
        fs::create_directories("/run/dbus");
        fs::remove("/run/dbus/system_bus_socket");
        process_ = Background(
            Arguments{"dbus-daemon", "--nofork", "--nopidfile", std::string("--config-file=") + kConfig});
        if (!eventually([] { return fs::exists("/run/dbus/system_bus_socket"); })) {
            throw std::runtime_error("dbus-daemon: " + process_.written());
        }
    }
    void crash() {
        process_.signal(SIGKILL);
        process_.wait();
    }
    void reload() const { process_.signal(SIGHUP); }

private:
    Background process_;
};

Outcome call_state(const std::string& timeout = "2") {
    return run({"busctl", "--timeout=" + timeout, "get-property", "org.partd1", "/org/partd1",
                "org.partd1.Manager", "State"});
}

bool serves() {
    return call_state().code == 0;
}

}  // namespace

TEST_CASE("dbus: partd is there again after the bus was restarted, however often", "[control][dbus]") {
    Configured host(kWeb);
    configure_bus();
    std::optional<Bus> bus(std::in_place);
    Daemon daemon;
    REQUIRE(eventually(serves));
    for (int i = 0; i < 4; ++i) {
        bus->crash();
        if (i % 2 == 1) {
            // without it partd goes on
            ip({"link", "set", "web0", "down"});
            CHECK(eventually([] { return is_up("web0"); }));
            CHECK(answers(host.sandbox));
        }
        bus.emplace();
        INFO(i << daemon.log());
        CHECK(eventually(serves, 3s));
    }
    CHECK(daemon.running());
}

TEST_CASE("dbus: the bus comes long after partd", "[control][dbus]") {
    Configured host(kWeb);
    configure_bus();
    const Daemon daemon;
    REQUIRE(eventually([&] { return answers(host.sandbox); }));
    CHECK_FALSE(serves());
    std::this_thread::sleep_for(1s);
    Bus bus;
    CHECK(eventually(serves, 3s));
    // one that died with its socket left
    bus.crash();
    std::this_thread::sleep_for(500ms);
    const Bus again;
    INFO(daemon.log());
    CHECK(eventually(serves, 3s));
}

TEST_CASE("dbus: another program has the name", "[control][dbus]") {
    Configured host(kWeb);
    configure_bus();
    const Bus bus;
    Background other(Arguments{"/usr/bin/python3", "-c", R"(
import ctypes, time
lib = ctypes.CDLL("libsystemd.so.0")
bus = ctypes.c_void_p()
assert lib.sd_bus_open_system(ctypes.byref(bus)) >= 0
assert lib.sd_bus_request_name(bus, b"org.partd1", ctypes.c_uint64(0)) >= 0
print("owned", flush=True)
time.sleep(60)
)"});
    REQUIRE(eventually([&] { return other.written().find("owned") != std::string::npos; }));
    Daemon daemon;
    CHECK(daemon.said("another program has it"));
    CHECK(remains([&] { return daemon.times("another program has it") == 1; }, 1s));
    CHECK(answers(host.sandbox));
    other.stop();
    CHECK(eventually(serves, 3s));
    CHECK(daemon.running());
}

TEST_CASE("dbus: the bus does not let partd have the name, until it does", "[control][dbus]") {
    Configured host(kWeb);
    configure_bus("<policy user=\"root\"><deny own=\"org.partd1\"/></policy>");
    const Bus bus;
    Daemon daemon;
    CHECK(daemon.said("on the system bus is not partd's"));
    CHECK(answers(host.sandbox));
    CHECK(remains([&] { return daemon.times("on the system bus is not partd's") == 1; }, 2s));
    configure_bus();
    bus.reload();
    INFO(daemon.log());
    CHECK(eventually(serves, 10s));
}

TEST_CASE("dbus: who may apply root's files may not apply a text of his own", "[control][dbus]") {
    Configured host(kWeb);
    configure_bus();
    const Bus bus;
    // In polkit's place: says which action it is asked about, and allows what is in the files alone.
    Background polkit(Arguments{"/usr/bin/python3", "-c", R"py(
import ctypes
lib = ctypes.CDLL("libsystemd.so.0")
for name in ("sd_bus_message_get_member", "sd_bus_message_get_signature"):
    getattr(lib, name).restype = ctypes.c_char_p
bus, message = ctypes.c_void_p(), ctypes.c_void_p()
assert lib.sd_bus_open_system(ctypes.byref(bus)) >= 0
assert lib.sd_bus_request_name(bus, b"org.freedesktop.PolicyKit1", ctypes.c_uint64(0)) >= 0
print("owned", flush=True)
while True:
    if lib.sd_bus_process(bus, ctypes.byref(message)) == 0:
        lib.sd_bus_wait(bus, ctypes.c_uint64(0xffffffffffffffff))
    elif message and lib.sd_bus_message_get_member(message) == b"CheckAuthorization":
        action = ctypes.c_char_p()
        lib.sd_bus_message_skip(message, b"(sa{sv})")
        lib.sd_bus_message_read_basic(message, ctypes.c_char(b"s"), ctypes.byref(action))
        print("asked " + action.value.decode(), flush=True)
        allowed = 1 if action.value == b"org.partd1.apply" else 0
        lib.sd_bus_reply_method_return(message, b"(bba{ss})", allowed, 0, 0)
    message = ctypes.c_void_p()
)py"});
    const auto asked = [&](const std::string& action) {
        return polkit.written().find("asked " + action + "\n") != std::string::npos;
    };
    REQUIRE(eventually([&] { return polkit.written().find("owned") != std::string::npos; }));
    const Daemon daemon;
    REQUIRE(eventually(serves));
    const auto apply = [](const Arguments& options) {
        Arguments all{"setpriv", "--reuid",    "65534",       "--clear-groups",     "--",    "busctl",
                      "call",    "org.partd1", "/org/partd1", "org.partd1.Manager", "Apply", "a{sv}"};
        all.insert(all.end(), options.begin(), options.end());
        return run(all);
    };
    const auto files = apply({"0"});
    INFO(files.text() << polkit.written());
    CHECK(files.code == 0);
    CHECK(asked("org.partd1.apply"));
    const auto own = apply({"2", "legend", "b", "false", "extra", "(ss)", "x.toml", "[partition.x]"});
    INFO(own.text() << polkit.written());
    CHECK(own.code != 0);
    CHECK(own.err.find("Access denied") != std::string::npos);
    CHECK(asked("org.partd1.apply-text"));
    CHECK_FALSE(exists("x"));
}

TEST_CASE("bus: nothing is sent to a client before it has asked for something", "[control][bus]") {
    Configured host(kWeb);
    const Daemon daemon;
    REQUIRE(eventually([&] { return answers(host.sandbox) && exists("web") && converged(host.sandbox); }));
    // Shakes hands as a client of a bus, and says Hello when it is told to go on.
    Background client(Arguments{"/usr/bin/python3", "-c", R"(
import os, socket, struct, sys, time
def text(s): b = s.encode(); return struct.pack("<I", len(b)) + b + b"\0"
def pad(b): return b + b"\0" * (-len(b) % 8)
def call(serial, member, signature=None, body=b""):
    fields = b""
    parts = [(1, "o", "/org/freedesktop/DBus"), (2, "s", "org.freedesktop.DBus"), (3, "s", member), (6, "s", "org.freedesktop.DBus")]
    for code, kind, value in parts:
        fields = pad(fields) + bytes([code, 1]) + kind.encode() + b"\0" + text(value)
    return pad(struct.pack("<BBBBIII", ord("l"), 1, 0, 1, 0, serial, len(fields)) + fields)
s = socket.socket(socket.AF_UNIX); s.connect("/run/partd/bus")
s.sendall(b"\0AUTH EXTERNAL " + b"0".hex().encode() + b"\r\n")
assert s.recv(200).startswith(b"OK")
s.sendall(b"BEGIN\r\n")
print("ready", flush=True)
while not os.path.exists("/run/scratch/go"): time.sleep(0.02)
s.settimeout(0.3)
try: print("early", s.recv(1), flush=True)
except TimeoutError: print("quiet", flush=True)
s.settimeout(5)
s.sendall(call(1, "Hello"))
print("answer" if s.recv(2000)[1] == 2 else "no answer", flush=True)
while True:
    if s.recv(2000)[1] == 4: break
print("signal", flush=True)
)"});
    const auto printed = [&](const std::string& word) {
        return eventually([&] { return client.written().find(word) != std::string::npos; });
    };
    REQUIRE(printed("ready"));
    host.sandbox.write_config("p1.toml", numbered_partition(1));
    REQUIRE(eventually([] { return exists("p1"); }));
    REQUIRE(answers(host.sandbox));
    write_file("/run/scratch/go", "");
    CHECK(printed("quiet"));
    CHECK(printed("answer\n"));
    host.sandbox.write_config("p2.toml", numbered_partition(2));
    CHECK(printed("signal"));
    INFO(client.written());
    CHECK(client.written().find("no answer") == std::string::npos);
}
