// SPDX-License-Identifier: Apache-2.0
#include "daemon/subscriptions.h"

#include "kinds/kinds.h"

#include <algorithm>

namespace partd::daemon {

namespace {

const std::string kDirectory = kernel::directory_topic("");

// Kinds with a channel ask for themselves: what their owners else want is renewed without them.
std::string channel_owner(std::string_view channel) {
    return "channel " + std::string(channel);
}

std::string asker_of(const Resource& wanted) {
    const std::string_view channel = wanted.key.kind->channel;
    return channel.empty() ? wanted.owner : channel_owner(channel);
}

}  // namespace

void Subscriptions::forget(const std::string& owner) {
    const auto topics = topics_.extract(owner);
    for (const std::string& topic : topics ? topics.mapped() : std::vector<std::string>()) {
        const auto askers = askers_.find(topic);
        if (askers == askers_.end()) {
            continue;
        }
        std::erase_if(askers->second, [&](const Asker& asker) { return asker.owner == owner; });
        if (askers->second.empty()) {
            askers_.erase(askers);
            directories_.erase(topic.starts_with(kDirectory) ? topic.substr(kDirectory.size()) : "");
        }
    }
}

void Subscriptions::ask(const Resource& wanted, kernel::Host& host) {
    auto* const watch = live_kind(*wanted.key.kind).watch;
    if (watch == nullptr) {
        return;
    }
    std::vector<std::string> topics;
    watch(wanted, host, topics);
    for (std::string& topic : topics) {
        if (topic.starts_with(kDirectory)) {
            directories_.insert(topic.substr(kDirectory.size()));
        }
        auto& askers = askers_[topic];
        const Asker asker{wanted.key.kind, asker_of(wanted)};
        if (std::ranges::find(askers, asker) == askers.end()) {
            askers.push_back(asker);
            topics_[asker.owner].push_back(std::move(topic));
        }
    }
}

void Subscriptions::renew(const State& desired, const DesiredIndex& parts, const Scope& scope,
                          kernel::Host& host) {
    if (scope.all) {
        *this = {};
        for (const Resource& wanted : desired.all()) {
            ask(wanted, host);
        }
        return;
    }
    const auto again = [&](const std::string& owner, const std::vector<Key>& keys) {
        forget(owner);
        for (const Key& key : keys) {
            ask(*desired.find(key), host);
        }
    };
    for (const std::string& owner : scope.owners) {
        again(owner, parts.of(owner));
    }
    for (const std::string_view channel : scope.channels) {
        again(channel_owner(channel), parts.of_channel(channel));
    }
}

void Subscriptions::add(const std::string& topic, Scope& scope) const {
    scope.all |= topic == kernel::kEverything;
    if (const auto askers = askers_.find(topic); askers != askers_.end()) {
        for (const Asker& asker : askers->second) {
            scope.add(*asker.kind, asker.owner);
        }
    }
}

}  // namespace partd::daemon
