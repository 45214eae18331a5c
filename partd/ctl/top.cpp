// SPDX-License-Identifier: Apache-2.0
#include "ctl/caller.h"
#include "kernel/session/terminal.h"
#include "verbs/rates.h"

#include <algorithm>
#include <cstdio>
#include <thread>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

constexpr int kOutput = 1;  // its descriptor

// The first lines of a text, as many as a screen has.
std::string first_lines(const std::string& text, std::size_t most) {
    std::size_t end = 0;
    for (; most > 0 && end < text.size(); --most) {
        end = std::min(text.find('\n', end), text.size() - 1) + 1;
    }
    return text.substr(0, end);
}

class Top {
public:
    Top(Caller& caller, const Options& options)
        : caller_(caller),
          options_(options),
          screen_(kernel::is_terminal(kOutput) && !options.request.json && !options.readings) {}

    int run() {
        unsigned left = options_.readings.value_or(screen_ ? 0 : 1);  // 0: until somebody ends it
        const bool forever = left == 0;
        auto before = read();
        while (before && (forever || left-- > 0)) {
            std::this_thread::sleep_for(options_.delay);
            auto after = read();
            if (after) {
                show(*before, *after);
            }
            before = std::move(after);
        }
        return code_;
    }

private:
    // One reading of all counters; nullopt after saying why there is none.
    std::optional<Value> read() {
        Request request{.name = options_.request.name, .json = true};
        const Answer answer = caller_.ask(verb("usage"), request);
        if (answer.code == kDone) {
            return from_json(answer.out);
        }
        code_ = options_.request.json ? tell(answer) : tell({.err = answer.err, .code = answer.code});
        return std::nullopt;
    }

    void show(const Value& before, const Value& after) const {
        auto all = verbs::rates_between(before, after);
        verbs::sort_rates(all, options_.sort);
        if (options_.request.json) {
            fmt::print("{}\n", to_json(verbs::to_value(all, verbs::seconds_between(before, after)), 2));
        } else if (screen_) {
            const std::size_t lines = kernel::lines_of_terminal(kOutput);
            fmt::print("\033[H\033[2J{}", first_lines(verbs::rates_table(all, options_.request.legend),
                                                      std::max<std::size_t>(lines, 2) - 1));
        } else {
            fmt::print("{}", verbs::rates_table(all, options_.request.legend));
        }
        std::fflush(stdout);
    }

    Caller& caller_;
    const Options& options_;
    bool screen_;
    int code_ = kDone;
};

}  // namespace

int run_top(const Options& options) {
    int code = kDone;
    Caller caller(options);
    return caller.open(verb("usage"), code) ? Top(caller, options).run() : code;
}

}  // namespace partd::ctl
