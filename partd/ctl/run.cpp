// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/text.h"
#include "config/toml.h"
#include "ctl/caller.h"
#include "kernel/file/config_files.h"
#include "kernel/rights.h"
#include "verbs/context.h"
#include "verbs/summary.h"

#include <cstdio>
#include <iostream>
#include <string>

#include <fmt/format.h>

namespace partd::ctl {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// For a verb that has nothing to print.
int done(const Request& request) {
    return tell(VerbContext({}, request).done());
}

// Reads the named files here: the daemon has other directories and other rights than the caller. A file that
// cannot be read becomes a problem of the request.
void read_files(const Options& options, Request& request) {
    for (const std::string& path : options.files) {
        auto file = kernel::read_named_file(path, config::kMaxFileSize);
        if (file) {
            request.files.push_back(std::move(*file));
        } else {
            const Source at{std::make_shared<const std::string>(path), 1, 1};
            request.unreadable.push_back({at, file.error().message, {}, {}});
        }
    }
}

// True if the host is as declared, or as its wrong file said when it was last good.
bool stands(const Answer& answer, const std::string& name) {
    const auto all = answer.code == kDifferences && !name.empty() ? from_json(answer.out) : std::nullopt;
    const auto members = [&](const char* key) {
        const Value* list = all ? all->find(key) : nullptr;
        return list == nullptr ? nullptr : list->get_if<Array>();
    };
    const auto* partitions = members("partitions");
    const Value* state =
        partitions == nullptr || partitions->empty() ? nullptr : partitions->front().find("state");
    const auto* word = state == nullptr ? nullptr : state->get_if<std::string>();
    const auto is_empty = [&](const char* key) { return members(key) != nullptr && members(key)->empty(); };
    return answer.code == kDone || (word != nullptr && *word == "invalid" && is_empty("changes") &&
                                    is_empty("conflicts") && is_empty("blocked"));
}

// Waiting until the partition, or everything, is as declared. After an answer of another verb, which stands
// on stdout already, it prints no JSON.
class Waiting {
public:
    Waiting(Caller& caller, const Options& options, milliseconds patience, bool answered)
        : caller_(caller), options_(options), name_(options.request.name), patience_(patience) {
        told_.name = name_;
        told_.json = options.request.json && !answered;
    }

    int run() {
        const int code = wait();
        return code == kDone ? done(told_) : code;
    }

private:
    int wait() {
        const Request request{.name = name_, .json = true, .check = true};
        const auto end = steady_clock::now() + patience_;
        if (caller_.remote() != nullptr) {
            if (auto subscribed = caller_.remote()->subscribe(); !subscribed) {
                return stop(told_, Reason::OutOfReach, subscribed.error());
            }
        }
        while (true) {
            const Answer answer = caller_.ask(verb("status"), request);
            if (stands(answer, name_)) {
                return kDone;
            }
            const bool passing = answer.code == kDifferences || answer.code == kUsage ||
                                 (options_.give_up && answer.code == kOutOfReach);
            const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
            if (!passing || left.count() <= 0 || is_hopeless(answer)) {
                return give_up(answer, passing, left);
            }
            if (int code = kDone; !look_who_is_there(answer, code)) {
                return code;
            }
            caller_.pause(std::min(left, milliseconds(1000)));
        }
    }

    [[nodiscard]] std::string whose() const { return name_.empty() ? "the host" : name_; }

    // True if for too long no daemon has run that could make the host converge; a busy one could.
    bool is_hopeless(const Answer& answer) {
        if (!options_.give_up) {
            return false;
        }
        runs_ = Remote::runs(options_.paths());
        const auto now = steady_clock::now();
        if (runs_ && answer.code != kUsage) {
            hopeless_since_.reset();
            return false;
        }
        hopeless_since_ = hopeless_since_.value_or(now);
        return now - *hopeless_since_ >= *options_.give_up;
    }

    int give_up(const Answer& answer, bool passing, milliseconds left) const {
        if (!passing) {
            return tell({.out = told_.json ? answer.out : "", .err = answer.err, .code = answer.code});
        }
        fmt::print(stderr, "{}", answer.err);
        return stop(
            told_, Reason::NotConverged,
            left.count() <= 0 ? fmt::format("{} is not as declared after {} s: partctl status{}{}", whose(),
                                            std::chrono::ceil<std::chrono::seconds>(patience_).count(),
                                            name_.empty() ? "" : " ", name_)
            : !runs_ ? fmt::format("partd does not run, and nobody else makes {} as declared: systemctl "
                                   "status partd.service, journalctl -u partd.service",
                                   whose())
                     : fmt::format("no file that is valid declares {}: partctl check", whose()));
    }

    // One that went may be back, one that was not there may have come.
    bool look_who_is_there(const Answer& answer, int& code) {
        constexpr milliseconds kAnswersWithin{1000};
        const bool alone = caller_.remote() == nullptr || answer.code == kOutOfReach;
        return !options_.give_up || !alone || caller_.open(verb("status"), code, kAnswersWithin);
    }

    Caller& caller_;
    const Options& options_;
    const std::string& name_;
    milliseconds patience_;
    Request told_;  // how
    bool runs_ = true;
    std::optional<steady_clock::time_point> hopeless_since_ = {};
};

// Again whenever something happens, until the user has seen enough.
int watch(Caller& caller, const Options& options) {
    if (caller.remote() == nullptr) {
        return stop(options.request, Reason::OutOfReach,
                    "--watch needs partd to tell what happens, and it is out of reach: is it running?");
    }
    if (auto subscribed = caller.remote()->subscribe(); !subscribed) {
        return stop(options.request, Reason::OutOfReach, subscribed.error());
    }
    constexpr milliseconds kRefresh{10'000};
    while (true) {
        if (options.request.color) {
            fmt::print("\033[H\033[2J");
        }
        if (const int code = tell(caller.ask(verb("status"), options.request)); code > kDifferences) {
            return code;
        }
        auto event = caller.remote()->next_event(kRefresh);
        if (!event) {
            return stop(options.request, Reason::OutOfReach, event.error());
        }
    }
}

}  // namespace

namespace {

// Callers with enough rights look at the disk here: it can take long, and would block the daemon for others.
Options in_own_process(Options options) {
    options.own_process = options.own_process || kernel::may_manage();
    return options;
}

// False when it is not meant.
bool is_meant(Caller& caller, const Request& request, int& code) {
    Request question = request;
    question.check = true;
    question.json = false;
    const Answer answer = caller.ask(verb("purge"), question);
    if (answer.code != kDone) {
        question.json = request.json;  // once more, for its reason in that form
        code = tell(request.json ? caller.ask(verb("purge"), question) : answer);
        return false;
    }
    fmt::print(stderr, "{}{}", answer.out, answer.err);
    fmt::print(stderr, "It cannot be brought back. Delete it? [y/N] ");
    std::string reply;
    std::getline(std::cin, reply);
    if (reply == "y" || reply == "Y" || reply == "yes") {
        return true;
    }
    code = stop(request, Reason::Declined, "nothing was deleted");
    return false;
}

}  // namespace

int run_purge(const Options& options) {
    const Options own = in_own_process(options);
    Request request = options.request;
    request.origin = "partctl purge";
    if (!request.yes && !request.check && !options.at_terminal) {
        return stop(request, Reason::Usage,
                    "purge asks before it deletes, and standard input is not a terminal: --yes is needed");
    }
    int code = kDone;
    Caller caller(own);
    if (!caller.open(verb("purge"), code)) {
        return code;
    }
    if (!request.yes && !request.check) {
        if (!is_meant(caller, request, code)) {
            return code;
        }
        request.yes = true;
    }
    Answer answer = caller.ask(verb("purge"), request);
    while (answer.code == kNotConverged) {  // partd does a little at a time
        Answer next = caller.ask(verb("purge"), request);
        next.out = std::move(answer.out);  // which has the size
        answer = std::move(next);
    }
    return tell(answer);
}

int run_restart(const Options& options) {
    int code = kDone;
    Caller caller(options);
    if (!caller.open(verb("stop"), code)) {
        return code;
    }
    Request request = options.request;
    request.origin = "partctl restart";
    code = tell(caller.ask(verb("stop"), request));
    if (code == kNotConverged) {  // its processes have some time left
        constexpr milliseconds kMost{600'000};
        code = Waiting(caller, options, kMost, true).run();
    }
    return code == kDone || code == kInvalid ? tell(caller.ask(verb("start"), request)) : code;
}

int run_verb(const Options& given, const Verb& verb) {
    const Options options = given.request.layers ? in_own_process(given) : given;
    Request request = options.request;
    read_files(options, request);
    if (!options.extra.empty()) {
        auto file = kernel::read_named_file(options.extra, config::kMaxFileSize);
        if (!file) {
            complain(file.error().message);
            const Source at{std::make_shared<const std::string>(options.extra), 1, 1};
            return tell(VerbContext(options.paths(), request).invalid({{at, file.error().message, {}, {}}}));
        }
        request.extra = std::move(*file);
    }
    int code = kDone;
    Caller caller(options);
    if (!caller.open(verb, code)) {
        return code;
    }
    if (options.watch) {
        return watch(caller, options);
    }
    if (request.confirm && caller.remote() == nullptr) {
        return stop(
            request, Reason::OutOfReach,
            "--confirm needs partd, which goes back when nobody confirms: start it, or leave --confirm out");
    }
    request.origin = "partctl " + std::string(verb.name);
    const Answer answer = caller.ask(verb, request);
    code = tell(answer);
    if (caller.remote() != nullptr && answer.generation > 0 && request.legend) {
        fmt::print(stderr, "done by partd, generation {}\n", answer.generation);
    }
    return options.wait && (code == kDone || code == kNotConverged)
               ? Waiting(caller, options, *options.wait, true).run()
               : code;
}

int run_wait(const Options& options) {
    constexpr milliseconds kDefaultWait{90'000};
    int code = kDone;
    Caller caller(options);
    return caller.open(verb("status"), code, options.give_up)
               ? Waiting(caller, options, options.wait.value_or(kDefaultWait), false).run()
               : code;
}

namespace {

// A line, as each event is one.
int end_events(const Request& request, const Error& error) {
    constexpr Reason kWhy = Reason::OutOfReach;
    const std::string line = request.json ? error_json(kWhy, error, {}, true) : std::string();
    return tell({.out = line,
                 .err = fmt::format("partctl: {}\n", printable(error.message)),
                 .code = exit_code(kWhy)});
}

}  // namespace

int run_events(const Options& options) {
    const auto remote = Remote::connect(options);
    if (remote == nullptr) {
        return end_events(options.request, {.message = "partd is out of reach: is it running?"});
    }
    auto going = remote->subscribe();
    while (going) {
        auto event = remote->next_event(milliseconds(60'000));
        if (!event) {
            going = std::unexpected(event.error());
        } else if (*event && options.request.json) {
            Value value;
            value.set("schema", 1);
            value.set(
                "time",
                time_text(std::chrono::system_clock::time_point(std::chrono::microseconds((*event)->time)),
                          true));
            value.set("event", (*event)->what);
            value.set("partition", (*event)->partition);
            value.set("object", (*event)->object);
            value.set("message", (*event)->message);
            fmt::print("{}\n", to_json(value));
        } else if (*event) {
            fmt::print("{} {}\n", (*event)->what, printable((*event)->message));
        }
        std::fflush(stdout);
    }
    return end_events(options.request, going.error());
}

}  // namespace partd::ctl
