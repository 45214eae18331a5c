// SPDX-License-Identifier: Apache-2.0
// Arguments of method calls and answers on the bus, of any type that D-Bus has.

#include "bus/message.h"
#include "bus/names.h"
#include "fuzz.h"

#include <sys/socket.h>

#include <array>
#include <string>

using namespace partd;

namespace {

/// A connection to nobody: messages are only made of one that was begun.
sd_bus* begun() {
    static sd_bus* bus = [] {
        std::array<int, 2> ends = {};
        sd_bus* made = nullptr;
        const bool good = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0 &&
                          sd_bus_new(&made) >= 0 && sd_bus_set_fd(made, ends[0], ends[0]) >= 0 &&
                          sd_bus_start(made) >= 0;
        fuzz::require(good, "a connection can be begun");
        return made;
    }();
    return bus;
}

/// Puts values into a message as the bytes say; one that sd-bus refuses is left out.
class Writer {
public:
    Writer(sd_bus_message* message, fuzz::Bytes bytes) : message_(message), bytes_(bytes) {}

    void arguments() {
        while (!bytes_.empty()) {
            value(type(), 0);
        }
    }
    void options() {
        constexpr std::array kKnown = {"name",       "signal",  "json",       "legend",
                                       "color",      "check",   "keep_going", "allow_delete",
                                       "generation", "confirm", "extra",      "files"};
        sd_bus_message_open_container(message_, 'a', "{sv}");
        while (!bytes_.empty()) {
            sd_bus_message_open_container(message_, 'e', "sv");
            const unsigned which = bytes_.byte();
            text(which < kKnown.size() ? kKnown[which] : word());
            variant(0);
            sd_bus_message_close_container(message_);
        }
        sd_bus_message_close_container(message_);
    }

private:
    static constexpr std::array kTypes = {"s", "b", "t", "(ss)", "a(ss)", "u",     "i",
                                          "x", "d", "y", "as",   "v",     "a{sv}", "o"};
    const char* type() { return kTypes[bytes_.byte() % kTypes.size()]; }
    std::string word() { return std::string(fuzz::as_text(bytes_.counted())); }
    void text(const std::string& value) {
        // sd-bus takes no text that is none: something has to stand there
        if (sd_bus_message_append_basic(message_, 's', value.c_str()) < 0) {
            sd_bus_message_append_basic(message_, 's', "?");
        }
    }

    void variant(int depth) {
        const char* inner = depth > 3 ? "s" : type();
        sd_bus_message_open_container(message_, 'v', inner);
        value(inner, depth + 1);
        sd_bus_message_close_container(message_);
    }

    void list(const char* inner, int depth) {
        sd_bus_message_open_container(message_, 'a', inner);
        for (unsigned left = bytes_.byte() % 4; left > 0; --left) {
            value(inner, depth + 1);
        }
        sd_bus_message_close_container(message_);
    }

    void value(const std::string& type, int depth) {
        if (type == "v") {
            variant(depth);
        } else if (type == "(ss)") {
            sd_bus_message_open_container(message_, 'r', "ss");
            text(word());
            text(word());
            sd_bus_message_close_container(message_);
        } else if (type == "{sv}") {
            sd_bus_message_open_container(message_, 'e', "sv");
            text(word());
            variant(depth + 1);
            sd_bus_message_close_container(message_);
        } else if (type.starts_with('a')) {
            list(type.c_str() + 1, depth);
        } else if (type == "s") {
            text(word());
        } else if (type == "o") {
            sd_bus_message_append_basic(message_, 'o', "/org/partd1");
        } else {
            number(type[0]);
        }
    }

    void number(char type) {
        std::array<std::uint8_t, 8> raw{};
        const auto bytes = bytes_.take(raw.size());
        std::copy(bytes.begin(), bytes.end(), raw.begin());
        if (type == 'b') {
            const int flag = raw[0] & 1;
            sd_bus_message_append_basic(message_, type, &flag);
        } else {
            sd_bus_message_append_basic(message_, type, raw.data());
        }
    }

    sd_bus_message* message_;
    fuzz::Bytes bytes_;
};

template <typename T>
void come_back(const T& value, Result<T> (*read)(sd_bus_message*)) {
    sd_bus_message* message = nullptr;
    sd_bus_message_new_method_call(begun(), &message, bus::kService, bus::kPath, bus::kInterface, "Apply");
    fuzz::require(bus::append(message, value) >= 0 && sd_bus_message_seal(message, 1, 0) >= 0 &&
                      sd_bus_message_rewind(message, 1) >= 0 && read(message).has_value(),
                  "what was read can be said again");
    sd_bus_message_unref(message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Bytes bytes({data, size});
    const unsigned what = bytes.byte() % 4;
    sd_bus_message* message = nullptr;
    fuzz::require(sd_bus_message_new_method_call(begun(), &message, bus::kService, bus::kPath,
                                                 bus::kInterface, "Apply") >= 0,
                  "a call can be made");
    Writer writer(message, bytes);
    what == 0 ? writer.options() : writer.arguments();
    if (sd_bus_message_seal(message, 1, 0) >= 0 && sd_bus_message_rewind(message, 1) >= 0) {
        if (what < 2) {
            if (const auto request = bus::read_request(message)) {
                come_back(*request, &bus::read_request);
            }
        } else if (what == 2) {
            if (const auto answer = bus::read_answer(message)) {
                come_back(*answer, &bus::read_answer);
            }
        } else if (const auto event = bus::read_event(message)) {
            come_back(*event, &bus::read_event);
        }
    }
    sd_bus_message_unref(message);
    return 0;
}
