// SPDX-License-Identifier: Apache-2.0
// Messages of others to the daemon's socket: bounded by user, in memory and in time; and root comes first.

#include "host_view.h"
#include "visitor.h"

#include <algorithm>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

TEST_CASE("stop: messages without an end are kept for a moment, and take no memory", "[stop][input]") {
    Visited host;
    const double before = host.daemon.megabytes();
    auto visitor = Visited::visit(R"py(
part = b"x" * (1 << 20)
def begin(declared):
    s = connect()
    try:
        s.sendall(call("Check", part, declared))
        for i in range(60): s.sendall(part)
    except OSError: pass
    return s
def gone(s):
    s.settimeout(10)
    try: return s.recv(1) == b""
    except ConnectionError: return True
    except TimeoutError: return False
large = [begin(120 << 20) for i in range(4)]
print(all(gone(s) for s in large), flush=True)
def some(): s = connect(); s.sendall(call("Check", b"x" * 900000, 1000000)); return s
small = [some() for i in range(3)]
try: print(gone(some()) or gone(some()))
except OSError: print(True)
started = time.monotonic()
print(all(gone(s) for s in small), time.monotonic() - started < 9, flush=True)
half = connect(); half.sendall(call("Status")[:20]); mute = socket.socket(socket.AF_UNIX)
mute.connect("/run/partd/bus"); mute.sendall(b"\0AUTH EXTER")
listener = connect(); listener.sendall(call("Status")); print(answer(listener)[0])
print(gone(half), gone(mute), flush=True)
listener.sendall(call("Status")); print(answer(listener)[0])
)py");
    double most = 0;
    while (visitor.running()) {
        CHECK(host.answered_in() < 1);
        most = std::max(most, host.daemon.megabytes());
    }
    INFO(visitor.written() << host.daemon.log());
    CHECK(visitor.wait(30s) == 0);
    CHECK(visitor.written() == "True\nTrue\nTrue True\n2\nTrue True\n2\n");
    CHECK(most < before + 16);
}

TEST_CASE("stop: one user has some of the connections, and the next one has his", "[stop][input]") {
    Visited host;
    const std::string crowd = R"py(
kept = []
for i in range(100):
    s = socket.socket(socket.AF_UNIX); s.connect("/run/partd/bus"); kept.append(s)
print("all", flush=True); time.sleep(4)
)py";
    const auto first = Visited::visit(crowd, 65534);
    REQUIRE(eventually([&] { return first.written() == "all\n"; }));
    auto other = Visited::visit("s = connect(); s.sendall(call('Status')); print(answer(s)[0])", 65533);
    CHECK(other.wait() == 0);
    CHECK(other.written() == "2\n");
    CHECK(host.answered_in() < 1);
}

TEST_CASE("stop: a message in pieces, and many at once, are answered in their order", "[stop][input]") {
    Visited host;
    auto visitor = Visited::visit(R"py(
s = connect()
for byte in call("Status"): s.sendall(bytes([byte]))
print(b"web" in answer(s)[1]); began = time.monotonic()
s.sendall(b"".join(call("Status" if i % 2 else "History") for i in range(40)))
print(all((b"PARTITION" in answer(s)[1]) == (i % 2 == 1) for i in range(40)), time.monotonic() - began < 4)
s.sendall(call("Check", files("#" + "x" * 1000000 + "\n"))); print(b"1 file is well" in answer(s)[1])
s.sendall(call("Apply")); print(answer(s)[0])
s = connect(); s.sendall(b"nonsense" * 10); print(s.recv(1))
s = socket.socket(socket.AF_UNIX); s.connect("/run/partd/bus"); s.sendall(b"\0BEGIN\r\n" + call("Status"))
s.settimeout(8); more = True; said = b""
try:
    while more: more = s.recv(4096); said += more
except OSError: pass
print(said)
)py");
    CHECK(visitor.wait(30s) == 0);
    CHECK(visitor.written() == "True\nTrue True\nTrue\n3\nb''\nb'ERROR\\r\\n'\n");
    INFO(visitor.written() << host.daemon.log());
    CHECK(host.answered_in() < 1);
}

TEST_CASE("stop: options that are no options end their call alone", "[stop][input]") {
    Visited host;
    auto visitor = Visited::visit(R"py(
s = connect()
entry = string("files") + b"\x05a(ss)\0" + b"\0" * 7 + pair("text")
s.sendall(call("Check", pad(struct.pack("<I", len(entry)), 8) + entry)); print(answer(s)[0])
for name, kind, value in (("files", "s", string("x")), ("", "y", b"\1"), ("extra", "(s)", string("x"))):
    s.sendall(call("Diff", options(name, kind, value))); print(answer(s)[0])
)py");
    CHECK(visitor.wait(30s) == 0);
    INFO(visitor.written() << host.daemon.log());
    CHECK(visitor.written() == "3\n3\n3\n3\n");
    CHECK(host.answered_in() < 1);
}

TEST_CASE("stop: those who ask and do not read hold up neither root nor a repair", "[stop][input]") {
    std::string all = kWeb;
    for (int i = 1; i <= 150; ++i) {
        all += numbered_partition(i);
    }
    Visited host(all);
    const double before = host.daemon.megabytes();
    auto visitor = Visited::visit(R"py(
all = [connect() for i in range(12)]
for s in all:
    s.setblocking(False)
    for i in range(500):
        try: s.send(call("Diff"))
        except BlockingIOError: break
        except OSError: break
print("sent", flush=True); time.sleep(4)
)py");
    REQUIRE(eventually([&] { return visitor.written() == "sent\n"; }));
    double slowest = 0;
    double slowest_repair = 0;
    // Another one each time: what is taken down again and again is left alone for a while.
    for (int number = 1; visitor.running(); number = number % 150 + 1) {
        const auto link = "h" + std::to_string(number);
        slowest = std::max(slowest, host.answered_in());
        const auto begin = std::chrono::steady_clock::now();
        ip({"link", "set", link, "down"});
        CHECK(eventually([&] { return is_up(link); }));
        slowest_repair = std::max(
            slowest_repair, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    INFO(slowest << " " << slowest_repair << " " << host.daemon.log());
    CHECK(slowest < 1);
    CHECK(slowest_repair < 1.5);
    CHECK(host.daemon.megabytes() < before + 30);
}
