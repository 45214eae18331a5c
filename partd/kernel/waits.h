// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/source.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace partd::kernel {

// Objects that wait for something that partd does not make and that no event tells of: a name that does not
// resolve yet. That is not a failure. The daemon looks at them again when it is time.
class Waits {
public:
    using Clock = std::chrono::steady_clock;
    struct One {
        std::string owner;
        Source at = {};
        std::string text = {};  // a sentence; "": nothing is missing, and it is looked at again all the same
        Clock::time_point again = {};
    };

    // Notes what waits under that name, until it is noted anew or dropped.
    void note(const std::string& name, One one) { all_[name] = std::move(one); }
    void drop(const std::string& name) { all_.erase(name); }
    // Drops those for whom `gone(name, one)` is true.
    template <class Gone>
    void drop_if(const Gone& gone) {
        std::erase_if(all_, [&](const auto& entry) { return gone(entry.first, entry.second); });
    }
    [[nodiscard]] const std::map<std::string, One>& all() const { return all_; }
    // When somebody is to be looked at again; nullopt where nobody is.
    [[nodiscard]] std::optional<Clock::time_point> next() const;
    // The owners whose time has come; each is told once for a note.
    std::vector<std::string> take_due(Clock::time_point now);

private:
    std::map<std::string, One> all_;
};

}  // namespace partd::kernel
