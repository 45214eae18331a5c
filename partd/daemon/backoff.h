// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/scope.h"

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace partd::daemon {

using Clock = std::chrono::steady_clock;

// Which objects are to be left alone for a while: those that cannot be made as declared, and those that
// somebody else keeps changing back. Each has a delay of its own, which doubles up to a minute.
class Backoff {
public:
    // It failed at that time; `scope` is what has to be looked at to try again.
    void failed(const std::string& object, Scope scope, Clock::time_point now);
    // It was repaired at that time. True if that happens so often that it is contested; `by_itself`: nothing
    // else changed it, it ends again and again.
    bool repaired(const std::string& name, Scope scope, Clock::time_point now, bool by_itself = false);
    // How often lately, and how long it is left alone now.
    [[nodiscard]] std::size_t repairs(const std::string& name) const;
    [[nodiscard]] std::chrono::milliseconds delay(const std::string& name) const;
    // The files changed: everything has a new chance.
    // Holds nothing any more; returns where what was waited for is.
    Scope forget();

    // The objects that are left alone now.
    [[nodiscard]] std::set<std::string> held(Clock::time_point now) const;
    // Releases the objects whose delay is over and returns the scope to observe. Sets `fights` if one of them
    // was repaired because something else had changed it.
    Scope due(Clock::time_point now, bool& fights);
    // When the next of them has its turn; max() when none waits.
    [[nodiscard]] Clock::time_point next() const;
    // Whose objects something else kept changing back a short while ago.
    [[nodiscard]] std::set<std::string> contested(Clock::time_point now) const;

private:
    struct Object {
        Scope scope = Scope::nothing();
        std::chrono::milliseconds delay{0};
        Clock::time_point until = {};
        std::vector<Clock::time_point> repairs = {};
        bool waits = false;
        bool fights = false;
        bool by_itself = false;
    };
    static void hold(Object& object, Clock::time_point now);

    std::map<std::string, Object> objects_;
};

}  // namespace partd::daemon
