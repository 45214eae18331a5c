// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/events/topics.h"
#include "kernel/host.h"
#include "model/scope.h"
#include "reconcile/desired_index.h"

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace partd::daemon {

// Whom an event concerns: the topics that the wanted resources asked for.
class Subscriptions {
public:
    // Asks the resources of the scope again; those of a scope of all replace everything.
    void renew(const State& desired, const DesiredIndex& parts, const Scope& scope, kernel::Host& host);
    // Adds to the scope who has to be looked at.
    void add(const std::string& topic, Scope& scope) const;
    // The directories that somebody asked for.
    [[nodiscard]] const std::set<std::string>& directories() const { return directories_; }

private:
    struct Asker {
        const Kind* kind;
        std::string owner;
        bool operator==(const Asker&) const = default;
    };
    void forget(const std::string& owner);
    void ask(const Resource& wanted, kernel::Host& host);

    std::unordered_map<std::string, std::vector<Asker>> askers_;
    std::unordered_map<std::string, std::vector<std::string>> topics_;  // by owner
    std::set<std::string> directories_;
};

}  // namespace partd::daemon
