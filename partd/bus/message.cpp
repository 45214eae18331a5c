// SPDX-License-Identifier: Apache-2.0
#include "bus/message.h"

#include "bus/names.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>

#include <fmt/format.h>

namespace partd::bus {

namespace {

using verbs::Request;

// The longest time that a confirmation is waited for.
constexpr std::uint64_t kMostMilliseconds = 366ULL * 24 * 3600 * 1000;

std::string take_text(sd_bus_message* message) {
    const char* text = nullptr;
    return sd_bus_message_read_basic(message, 's', static_cast<void*>(&text)) > 0 ? text : "";
}

bool take_flag(sd_bus_message* message) {
    int flag = 0;
    return sd_bus_message_read_basic(message, 'b', &flag) > 0 && flag != 0;
}

std::uint64_t take_number(sd_bus_message* message) {
    std::uint64_t number = 0;
    (void)sd_bus_message_read_basic(message, 't', &number);
    return number;
}

TextFile take_file(sd_bus_message* message) {
    const char* path = nullptr;
    const char* text = nullptr;
    return sd_bus_message_read(message, "(ss)", &path, &text) > 0 ? TextFile{path, text} : TextFile();
}

std::vector<TextFile> take_files(sd_bus_message* message) {
    std::vector<TextFile> files;
    if (sd_bus_message_enter_container(message, 'a', "(ss)") > 0) {
        while (sd_bus_message_at_end(message, 0) == 0) {
            files.push_back(take_file(message));
        }
        sd_bus_message_exit_container(message);
    }
    return files;
}

struct Option {
    std::string_view name;
    const char* type;
    void (*take)(sd_bus_message* message, Request& request);
    // Appends the value; false when the request leaves it as it is by default.
    bool (*is_set)(const Request& request);
    int (*append)(sd_bus_message* message, const Request& request);
};

template <bool Request::* Flag, bool Default>
constexpr Option flag(std::string_view name) {
    return {name, "b", [](sd_bus_message* message, Request& request) { request.*Flag = take_flag(message); },
            [](const Request& request) { return request.*Flag != Default; },
            [](sd_bus_message* message, const Request& request) {
                return sd_bus_message_append(message, "v", "b", request.*Flag ? 1 : 0);
            }};
}

template <std::string Request::* Text>
constexpr Option text(std::string_view name) {
    return {name, "s", [](sd_bus_message* message, Request& request) { request.*Text = take_text(message); },
            [](const Request& request) { return !(request.*Text).empty(); },
            [](sd_bus_message* message, const Request& request) {
                return sd_bus_message_append(message, "v", "s", (request.*Text).c_str());
            }};
}

int append_files(sd_bus_message* message, const std::vector<TextFile>& files) {
    int result = sd_bus_message_open_container(message, 'v', "a(ss)");
    result = result < 0 ? result : sd_bus_message_open_container(message, 'a', "(ss)");
    for (const TextFile& file : files) {
        result = result < 0 ? result
                            : sd_bus_message_append(message, "(ss)", file.path.c_str(), file.text.c_str());
    }
    result = result < 0 ? result : sd_bus_message_close_container(message);
    return result < 0 ? result : sd_bus_message_close_container(message);
}

constexpr std::string_view kExtra = "extra";

constexpr Option kOptions[] = {
    text<&Request::name>("name"),
    text<&Request::signal>("signal"),
    flag<&Request::json, false>("json"),
    flag<&Request::legend, true>("legend"),
    flag<&Request::color, false>("color"),
    flag<&Request::check, false>("check"),
    flag<&Request::layers, false>("layers"),
    flag<&Request::full, false>("full"),
    flag<&Request::yes, false>("yes"),
    flag<&Request::hold, false>("hold"),
    flag<&Request::keep_going, false>("keep_going"),
    flag<&Request::allow_delete, false>("allow_delete"),
    {"generation", "t",
     [](sd_bus_message* message, Request& request) { request.generation = take_number(message); },
     [](const Request& request) { return request.generation.has_value(); },
     [](sd_bus_message* message, const Request& request) {
         return sd_bus_message_append(message, "v", "t", *request.generation);
     }},
    {"confirm", "t",
     [](sd_bus_message* message, Request& request) {
         request.confirm = std::chrono::milliseconds(std::min(take_number(message), kMostMilliseconds));
     },
     [](const Request& request) { return request.confirm.has_value(); },
     [](sd_bus_message* message, const Request& request) {
         return sd_bus_message_append(message, "v", "t",
                                      static_cast<std::uint64_t>(request.confirm->count()));
     }},
    {kExtra, "(ss)", [](sd_bus_message* message, Request& request) { request.extra = take_file(message); },
     [](const Request& request) { return request.extra.has_value(); },
     [](sd_bus_message* message, const Request& request) {
         return sd_bus_message_append(message, "v", "(ss)", request.extra->path.c_str(),
                                      request.extra->text.c_str());
     }},
    {"files", "a(ss)", [](sd_bus_message* message, Request& request) { request.files = take_files(message); },
     [](const Request& request) { return !request.files.empty(); },
     [](sd_bus_message* message, const Request& request) { return append_files(message, request.files); }},
};

Result<> take_option(sd_bus_message* message, Request& request) {
    const std::string name = take_text(message);
    const char* type = nullptr;
    if (sd_bus_message_peek_type(message, nullptr, &type) <= 0) {
        return fail("option \"" + name + "\" has no value");
    }
    for (const Option& option : kOptions) {
        if (option.name == name && type != nullptr && std::string_view(type) == option.type) {
            sd_bus_message_enter_container(message, 'v', option.type);
            option.take(message, request);
            sd_bus_message_exit_container(message);
            return {};
        }
    }
    // Where the message is not well-formed there may be no type.
    return fail(fmt::format("there is no option \"{}\" of type {}", name, type == nullptr ? "none" : type));
}

std::unexpected<Error> malformed(int result) {
    return fail(-result, "read the message");
}

}  // namespace

int append(sd_bus_message* message, const Request& request) {
    int result = sd_bus_message_open_container(message, 'a', "{sv}");
    for (const Option& option : kOptions) {
        if (result < 0 || !option.is_set(request)) {
            continue;
        }
        result = sd_bus_message_open_container(message, 'e', "sv");
        result = result < 0 ? result : sd_bus_message_append(message, "s", std::string(option.name).c_str());
        result = result < 0 ? result : option.append(message, request);
        result = result < 0 ? result : sd_bus_message_close_container(message);
    }
    return result < 0 ? result : sd_bus_message_close_container(message);
}

Result<Request> read_request(sd_bus_message* message) {
    Request request;
    int result = sd_bus_message_enter_container(message, 'a', "{sv}");
    while (result >= 0 && (result = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        PARTD_TRY(take_option(message, request));
        result = sd_bus_message_exit_container(message);
    }
    if (result < 0) {
        return malformed(result);
    }
    return request;
}

bool brings_text(sd_bus_message* message) {
    bool found = false;
    bool whole = sd_bus_message_enter_container(message, 'a', "{sv}") > 0;
    while (whole && !found && sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        found = take_text(message) == kExtra;
        whole = sd_bus_message_skip(message, "v") >= 0 && sd_bus_message_exit_container(message) >= 0;
    }
    (void)sd_bus_message_rewind(message, 1);
    return found;
}

int append(sd_bus_message* message, const verbs::Answer& answer) {
    return sd_bus_message_append(message, kAnswered, answer.out.c_str(), answer.err.c_str(), answer.code,
                                 answer.generation);
}

Result<verbs::Answer> read_answer(sd_bus_message* message) {
    const char* out = nullptr;
    const char* err = nullptr;
    verbs::Answer answer;
    if (const int result =
            sd_bus_message_read(message, kAnswered, &out, &err, &answer.code, &answer.generation);
        result < 0) {
        return malformed(result);
    }
    answer.out = out;
    answer.err = err;
    return answer;
}

int append(sd_bus_message* message, const Event& event) {
    return sd_bus_message_append(message, kEvent, event.time, event.what.c_str(), event.partition.c_str(),
                                 event.object.c_str(), event.message.c_str());
}

Result<Event> read_event(sd_bus_message* message) {
    const char* what = nullptr;
    const char* partition = nullptr;
    const char* object = nullptr;
    const char* text = nullptr;
    Event event;
    if (const int result =
            sd_bus_message_read(message, kEvent, &event.time, &what, &partition, &object, &text);
        result < 0) {
        return malformed(result);
    }
    event.what = what;
    event.partition = partition;
    event.object = object;
    event.message = text;
    return event;
}

}  // namespace partd::bus
