// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/scope.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <set>
#include <string>

namespace partd::daemon {

// CPU time that this process has used. Waiting for the kernel takes none.
inline std::chrono::steady_clock::duration processor_time() {
    return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::chrono::duration<double>(static_cast<double>(std::clock()) / CLOCKS_PER_SEC));
}

// Partitions about which something happens again and again, whoever does it: they are looked at once a
// second, and the others do not notice.
class Loud {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kPause{1};

    // These were looked at because of events.
    void looked(const std::set<std::string>& owners, Clock::time_point now) {
        for (const std::string& owner : owners) {
            Looks& looks = looks_[owner];
            looks = now - looks.since > kWindow ? Looks{now, 1} : Looks{looks.since, looks.count + 1};
        }
    }
    [[nodiscard]] bool is_loud(const std::string& owner, Clock::time_point now) const {
        const auto found = looks_.find(owner);
        return found != looks_.end() && found->second.count >= kMany && now - found->second.since <= kWindow;
    }
    [[nodiscard]] bool are_loud(const std::set<std::string>& owners, Clock::time_point now) const {
        return std::ranges::all_of(owners, [&](const std::string& owner) { return is_loud(owner, now); });
    }
    // Takes those out of the scope.
    Scope part(Scope& scope, Clock::time_point now) const {
        Scope loud = Scope::nothing();
        for (const std::string& owner : std::set<std::string>(scope.owners)) {
            if (!owner.empty() && is_loud(owner, now)) {
                scope.owners.erase(owner);
                loud.owners.insert(owner);
            }
        }
        return loud;
    }

private:
    static constexpr int kMany = 20;
    static constexpr std::chrono::seconds kWindow{10};
    struct Looks {
        Clock::time_point since = {};
        int count = 0;
    };
    std::map<std::string, Looks> looks_;
};

// A share of the time for what others can make much of: what is saved up serves a burst.
class Share {
public:
    using Clock = std::chrono::steady_clock;

    // So much was spent until now. Returns how long nothing may be spent.
    Clock::duration spend(Clock::duration spent, Clock::time_point now) {
        credit_ = std::min<Clock::duration>(kMost, credit_ + (now - last_) / kParts) - spent;
        last_ = now;
        return credit_ < Clock::duration(0) ? -credit_ * kParts : Clock::duration(0);
    }

private:
    static constexpr std::chrono::milliseconds kMost{50};
    static constexpr int kParts = 20;
    Clock::time_point last_ = Clock::now();
    Clock::duration credit_ = kMost;
};

}  // namespace partd::daemon
