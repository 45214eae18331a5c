// SPDX-License-Identifier: Apache-2.0
// Requests of partctl arrive over the bus unchanged.

#include "bus/message.h"

#include "bus/names.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include <catch2/catch.hpp>

using namespace partd;

namespace {

// A message that was sealed can be read again.
sd_bus_message* new_call(sd_bus* bus) {
    sd_bus_message* call = nullptr;
    REQUIRE(sd_bus_message_new_method_call(bus, &call, bus::kService, bus::kPath, bus::kInterface, "Apply") >=
            0);
    return call;
}

void seal(sd_bus_message* message) {
    REQUIRE(sd_bus_message_seal(message, 1, 0) >= 0);
    REQUIRE(sd_bus_message_rewind(message, 1) >= 0);
}

// A connection to nobody: messages are only made of one that was begun.
struct Bus {
    Bus() {
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        REQUIRE(sd_bus_new(&bus) >= 0);
        REQUIRE(sd_bus_set_fd(bus, ends[0], ends[0]) >= 0);
        REQUIRE(sd_bus_start(bus) >= 0);
    }
    Bus(const Bus&) = delete;
    Bus& operator=(const Bus&) = delete;
    ~Bus() {
        sd_bus_close_unref(bus);
        close(ends[1]);
    }
    std::array<int, 2> ends = {};
    sd_bus* bus = nullptr;
};

}  // namespace

TEST_CASE("A request comes out of a message as it went in") {
    const Bus bus;
    verbs::Request request{.name = "web", .json = true, .legend = false, .allow_delete = true};
    request.generation = 12;
    request.confirm = std::chrono::minutes(1);
    request.extra = TextFile{"x.toml", "[partition.x]\n"};
    request.files = {{"a", "1"}, {"b", "2"}};
    request.signal = "KILL";
    sd_bus_message* call = new_call(bus.bus);
    REQUIRE(bus::append(call, request) >= 0);
    seal(call);
    const auto read = bus::read_request(call);
    REQUIRE(read);
    CHECK(read->name == "web");
    CHECK(read->json);
    CHECK_FALSE(read->legend);
    CHECK(read->allow_delete);
    CHECK_FALSE(read->check);
    CHECK(read->generation == 12);
    CHECK(read->confirm == std::chrono::minutes(1));
    REQUIRE(read->extra);
    CHECK(read->extra->text == "[partition.x]\n");
    REQUIRE(read->files.size() == 2);
    CHECK(read->files[1].path == "b");
    CHECK(read->signal == "KILL");
    sd_bus_message_unref(call);
}

TEST_CASE("An option that there is not, or of another type, is an error that names it") {
    const Bus bus;
    sd_bus_message* call = new_call(bus.bus);
    SECTION("unknown") {
        REQUIRE(sd_bus_message_append(call, "a{sv}", 1, "nonsense", "b", 1) >= 0);
    }
    SECTION("of another type") {
        REQUIRE(sd_bus_message_append(call, "a{sv}", 2, "json", "b", 1, "nonsense", "s", "x") >= 0);
    }
    seal(call);
    const auto read = bus::read_request(call);
    REQUIRE_FALSE(read);
    CHECK(read.error().message.find("nonsense") != std::string::npos);
    sd_bus_message_unref(call);
}
