// SPDX-License-Identifier: Apache-2.0
// Text that others hand to the daemon: whatever it is, it takes neither the daemon's memory nor its time.

#include "host_view.h"
#include "visitor.h"

#include <algorithm>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// Most of it while the work goes on, MB; root's slowest answer, seconds.
struct Watched {
    double megabytes = 0;
    double slowest = 0;
};
Watched watch(Visited& host, Background& visitor) {
    Watched most;
    while (visitor.running()) {
        most.slowest = std::max(most.slowest, host.answered_in());
        most.megabytes = std::max(most.megabytes, host.daemon.megabytes());
    }
    return most;
}

}  // namespace

TEST_CASE("stop: a few bytes that would be a million entries", "[stop][text]") {
    Visited host;
    const double before = host.daemon.megabytes();
    auto visitor = Visited::visit(R"py(
text = '[partition.a.link.e]\naddress=["10.0.0.1/24"]\n[[partition.a.nat.forward]]\nlisten="tcp/1-65535"\n'
text += 'to="10.0.0.1"\naddress=[' + ",".join('"9.0.0.%d"' % i for i in range(1, 20)) + "]\n"
s = connect(); s.sendall(call("Check", files(text))); kind, body = answer(s)
print(kind, b"would need 1245165 entries" in body)
)py");
    const Watched most = watch(host, visitor);
    INFO(visitor.written() << host.daemon.log());
    CHECK(visitor.wait() == 0);
    CHECK(visitor.written() == "2 True\n");
    CHECK(most.slowest < 1);
    CHECK(most.megabytes < before + 10);
}

TEST_CASE("stop: a text that takes too much ends alone, and root does not wait for it", "[stop][text]") {
    Visited host;
    const double before = host.daemon.megabytes();
    // Within all bounds of the language. Small ones are answered as ever; what the host would be by a text of
    // one's own is for those who may apply one.
    auto visitor = Visited::visit(R"py(
text = "[partition]\n" + "".join("a%d={}\n" % i for i in range(100000))
s = connect()
s.sendall(call("Check", files(text))); kind, body = answer(s)
print(kind, b"too much memory or time" in body, flush=True)
s.sendall(call("Check", files("[partition.a]\n"))); kind, body = answer(s)
print(kind, b"1 file is well" in body)
s.sendall(call("Check", files("[partition.a\n"))); kind, body = answer(s)
print(kind, b"x.toml:1:" in body)
s.sendall(call("Diff", options("extra", "(ss)", pair("[partition.extra]\n")))); kind, body = answer(s)
print(kind, b"netns extra" in body)
)py");
    const Watched most = watch(host, visitor);
    INFO(visitor.written() << host.daemon.log());
    CHECK(visitor.wait() == 0);
    CHECK(visitor.written() == "2 True\n2 True\n2 True\n3 False\n");
    CHECK(most.slowest < 1);
    CHECK(most.megabytes < before + 10);
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }, 2s));
}

TEST_CASE("stop: who asks from many connections is at work once", "[stop][text]") {
    Visited host;
    auto visitor = Visited::visit(R"py(
text = "[partition]\n" + "".join("a%d={}\n" % i for i in range(20000))
all = [connect() for i in range(12)]
for s in all: s.sendall(call("Check", files(text)))
print(all and sorted(answer(s)[0] for s in all))
)py");
    std::size_t most = 0;
    while (visitor.running()) {
        const auto children = read_file("/proc/" + std::to_string(host.daemon.pid()) + "/task/" +
                                        std::to_string(host.daemon.pid()) + "/children");
        most = std::max(most, occurrences(children, " "));
        CHECK(host.answered_in() < 1);
    }
    INFO(visitor.written() << host.daemon.log());
    CHECK(visitor.wait() == 0);
    CHECK(visitor.written() == "[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]\n");
    CHECK(most == 1);
    CHECK(eventually([] { return orphans().empty(); }));
}
