// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/ip.h"
#include "kernel/child/bounded.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace partd::kernel {

// Addresses of names, as programs of a network namespace learn them (getaddrinfo(3)). Each is asked for by a
// process of its own: nobody waits longer than he wants for a server that does not answer.
class Resolver {
public:
    // Where it is asked for: "" for the host, else a network namespace's file, and the directory of its files
    // of /etc (ip-netns(8)).
    struct Place {
        std::string netns = {};
        std::string etc = {};
        auto operator<=>(const Place&) const = default;
    };
    struct Answer {
        std::vector<Ip> addresses = {};  // the best first
        std::string why = {};            // there are none
        bool pending = false;            // the answer is not there yet; the addresses are those of before
    };
    // An answer is asked for again after a while.
    Answer ask(const Place& place, const std::string& name, std::chrono::milliseconds patience);

private:
    using Clock = std::chrono::steady_clock;
    struct Question {
        std::optional<BoundedWork> work = {};
        Clock::time_point since = {};  // of the work, or of the answer
        std::optional<Answer> answer = {};
    };
    void look_for_answer(Question& question, std::chrono::milliseconds patience);

    std::map<std::pair<Place, std::string>, Question> questions_;
};

}  // namespace partd::kernel
