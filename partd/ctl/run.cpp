#include "base/log.h"
#include "base/text.h"
#include "config/toml.h"
#include "ctl/remote.h"
#include "kernel/config_files.h"
#include "kernel/rights.h"

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <string>
#include <thread>

#include <fmt/format.h>

namespace partd::ctl {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

void complain(std::string_view text) {
    log_error(text);
}

std::optional<int> refuse_without_rights(std::string_view verb) {
    if (kernel::may_manage()) {
        return std::nullopt;
    }
    complain(fmt::format("{} needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): run it with sudo", verb));
    return kNotPermitted;
}

namespace {

// Whoever answers: the daemon, or this process.
class Caller {
public:
    explicit Caller(const Options& options) : options_(options) {}

    // False after saying why there is nobody; `code` says what to exit with.
    bool open(const Verb& verb, int& code) {
        if (verb.read != nullptr) {
            return true;
        }
        remote_ = Remote::connect(options_);
        if (remote_ != nullptr) {
            log_detail("asking partd");
            return true;
        }
        if (const auto refused = refuse_without_rights(verb.name)) {
            code = *refused;
            return false;
        }
        auto engine = Engine::open(options_.paths());
        if (!engine) {
            complain(engine.error().message);
            code = kSomeFailed;
            return false;
        }
        engine_ = std::move(*engine);
        return true;
    }

    Answer ask(const Verb& verb, const Request& request) {
        if (verb.read != nullptr) {
            return verb.read(options_.paths(), request);
        }
        if (remote_ == nullptr) {
            return verb.run(*engine_, request);
        }
        auto answer = remote_->ask(verb, request);
        if (answer) {
            return std::move(*answer);
        }
        const bool refused = answer.error().code == EACCES;
        return {.err = fmt::format("partctl: {}\n", answer.error().message),
                .code = refused ? kNotPermitted : kOutOfReach};
    }

    // Until something happened, or that time is over.
    void pause(milliseconds patience) {
        if (remote_ == nullptr || !remote_->next_event(patience)) {
            std::this_thread::sleep_for(std::min(patience, milliseconds(200)));
        }
    }

    Remote* remote() { return remote_.get(); }

private:
    const Options& options_;
    std::unique_ptr<Remote> remote_;
    std::unique_ptr<Engine> engine_;
};

int tell(const Answer& answer) {
    fmt::print("{}", answer.out);
    std::fflush(stdout);
    fmt::print(stderr, "{}", answer.err);
    return answer.code;
}

// Files are read here: the daemon has other directories and other rights than the caller. What is wrong with
// one is a problem of it.
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

// Until the partition, or everything, is as declared.
int wait(Caller& caller, const std::string& name, milliseconds patience) {
    const Request request{.name = name, .json = true, .check = true};
    const auto end = steady_clock::now() + patience;
    if (caller.remote() != nullptr) {
        if (auto subscribed = caller.remote()->subscribe(); !subscribed) {
            complain(subscribed.error().message);
            return kOutOfReach;
        }
    }
    while (true) {
        const Answer answer = caller.ask(verb("status"), request);
        if (answer.code == kDone) {
            return kDone;
        }
        const bool passing = answer.code == kDifferences || answer.code == kUsage;
        const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
        if (!passing || left.count() <= 0) {
            fmt::print(stderr, "{}", answer.err);
            if (passing) {
                complain(fmt::format("{} is not as declared after {} s: partctl status{}{}",
                                     name.empty() ? "the host" : name,
                                     std::chrono::ceil<std::chrono::seconds>(patience).count(),
                                     name.empty() ? "" : " ", name));
            }
            return passing ? kNotConverged : answer.code;
        }
        caller.pause(std::min(left, milliseconds(1000)));
    }
}

// Again whenever something happens, until the user has seen enough.
int watch(Caller& caller, const Options& options) {
    if (caller.remote() == nullptr) {
        complain("--watch needs partd to tell what happens, and it is out of reach: is it running?");
        return kOutOfReach;
    }
    if (auto subscribed = caller.remote()->subscribe(); !subscribed) {
        complain(subscribed.error().message);
        return kOutOfReach;
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
            complain(event.error().message);
            return kOutOfReach;
        }
    }
}

}  // namespace

namespace {

// Whoever may look at the disk does so here: it can take long, and partd has others to serve.
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
    fmt::print(stderr, "{}{}", answer.out, answer.err);
    if (answer.code != kDone) {
        code = answer.code;
        return false;
    }
    fmt::print(stderr, "It cannot be brought back. Delete it? [y/N] ");
    std::string reply;
    std::getline(std::cin, reply);
    if (reply == "y" || reply == "Y" || reply == "yes") {
        return true;
    }
    complain("nothing was deleted");
    code = kRefused;
    return false;
}

}  // namespace

int run_purge(const Options& options) {
    const Options own = in_own_process(options);
    Request request = options.request;
    request.origin = "partctl purge";
    if (!request.yes && !request.check && !options.at_terminal) {
        complain("purge asks before it deletes, and here is no terminal to ask at: --yes is needed");
        return kUsage;
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
        next.out = answer.out + next.out;
        answer = std::move(next);
    }
    return tell(answer);
}

int run_verb(const Options& given, const Verb& verb) {
    const Options options = given.request.layers ? in_own_process(given) : given;
    Request request = options.request;
    read_files(options, request);
    if (!options.extra.empty()) {
        auto file = kernel::read_named_file(options.extra, config::kMaxFileSize);
        if (!file) {
            complain(file.error().message);
            return kInvalid;
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
        complain(
            "--confirm needs partd, which goes back when nobody confirms: start it, or leave --confirm out");
        return kOutOfReach;
    }
    request.origin = "partctl " + std::string(verb.name);
    const Answer answer = caller.ask(verb, request);
    code = tell(answer);
    if (caller.remote() != nullptr && answer.generation > 0 && request.legend) {
        fmt::print(stderr, "done by partd, generation {}\n", answer.generation);
    }
    return options.wait && (code == kDone || code == kNotConverged)
               ? wait(caller, request.name, *options.wait)
               : code;
}

int run_wait(const Options& options) {
    constexpr milliseconds kDefaultWait{90'000};
    int code = kDone;
    Caller caller(options);
    return caller.open(verb("status"), code)
               ? wait(caller, options.request.name, options.wait.value_or(kDefaultWait))
               : code;
}

int run_events(const Options& options) {
    const auto remote = Remote::connect(options);
    if (remote == nullptr) {
        complain("partd is out of reach: is it running?");
        return kOutOfReach;
    }
    auto going = remote->subscribe();
    while (going) {
        auto event = remote->next_event(milliseconds(60'000));
        if (!event) {
            going = std::unexpected(event.error());
        } else if (*event && options.request.json) {
            Value value;
            value.set("schema", 1);
            value.set("time", (*event)->time);
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
    complain(going.error().message);
    return kOutOfReach;
}

}  // namespace partd::ctl
