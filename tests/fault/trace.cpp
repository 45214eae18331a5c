// SPDX-License-Identifier: Apache-2.0
// The tracer as a process of its own, and what it reports.

#include "tracer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace partd::fault {

using test::Json;
using test::require_call;

test::Json as_json(const Seen& seen) {
    return {{"name", seen.name},       {"object", seen.object}, {"changes", seen.changes},
            {"by_main", seen.by_main}, {"errors", seen.errors}, {"messages", seen.messages}};
}

Seen seen_from(const test::Json& json) {
    return {.name = json.at("name"),
            .object = json.at("object"),
            .changes = json.at("changes"),
            .by_main = json.at("by_main"),
            .errors = json.at("errors"),
            .messages = json.at("messages")};
}

namespace {

/// The program, which begins when the pipe is closed.
pid_t start(const Command& command, int output, const std::array<int, 2>& go) {
    std::vector<char*> words;
    for (const auto& word : command.words) {
        words.push_back(const_cast<char*>(word.c_str()));
    }
    words.push_back(nullptr);
    const pid_t program = ::fork();
    require_call(program >= 0, "fork");
    if (program == 0) {
        char byte = 0;
        ::close(go[1]);
        (void)!::read(go[0], &byte, 1);
        ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
        ::dup2(output, STDOUT_FILENO);
        ::dup2(output, STDERR_FILENO);
        ::execv(words[0], words.data());
        ::_exit(127);
    }
    return program;
}

/// In the tracer, a process of its own: as it ends, the kernel lets go whom it still traces.
Json trace_here(const Command& command, const Injection& injection, int output) {
    std::array<int, 2> go{};
    require_call(::pipe2(go.data(), O_CLOEXEC) == 0, "pipe2");
    const pid_t program = start(command, output, go);
    pid_t beside = 0;
    if (command.beside) {
        beside = ::fork();
        if (beside == 0) {
            ::close(go[1]);
            command.beside(program);
            ::_exit(0);
        }
    }
    const auto begin = [&] {
        ::close(go[0]);
        ::close(go[1]);
    };
    const Traced result = follow(program, begin, beside, command.patience, injection);
    Json calls = Json::array();
    for (const Seen& each : result.calls) {
        calls.push_back(as_json(each));
    }
    return {{"code", result.code},
            {"timed_out", result.timed_out},
            {"hit", result.hit},
            {"at", as_json(result.at)},
            {"calls", calls}};
}

std::string content_of(int descriptor) {
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t size = 0;
    while ((size = ::pread(descriptor, buffer.data(), buffer.size(), static_cast<off_t>(text.size()))) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return text;
}

}  // namespace

const char* act_name(Act act) {
    static constexpr std::array kNames = {
        "none",      "kill",    "kill-after", "kill-main", "kill-main-after",
        "kill-init", "abandon", "fail",       "refuse"};
    return kNames[static_cast<std::size_t>(act)];
}

Traced trace(const Command& command, const Injection& injection) {
    const int output = ::memfd_create("output", MFD_CLOEXEC);
    const int report = ::memfd_create("report", MFD_CLOEXEC);
    require_call(output >= 0 && report >= 0, "memfd_create");
    ::fcntl(output, F_SETFL, O_APPEND);
    const pid_t tracer = ::fork();
    require_call(tracer >= 0, "fork");
    if (tracer == 0) {
        ::signal(SIGTERM, SIG_DFL);
        const std::string text =
            trace_here(command, injection, output).dump(-1, ' ', false, Json::error_handler_t::replace);
        ::_exit(::write(report, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
    }
    int status = 0;
    while (::waitpid(tracer, &status, 0) < 0 && errno == EINTR) {
    }
    const auto told = Json::parse(content_of(report));
    Traced result{.code = told.at("code"),
                  .timed_out = told.at("timed_out"),
                  .hit = told.at("hit"),
                  .at = seen_from(told.at("at")),
                  .calls = {},
                  .written = content_of(output)};
    for (const auto& each : told.at("calls")) {
        result.calls.push_back(seen_from(each));
    }
    ::close(output);
    ::close(report);
    return result;
}

}  // namespace partd::fault
