#include "daemon/concerns.h"

#include "kinds/kinds.h"

#include <algorithm>

namespace partd::daemon {

namespace {

const std::string kDirectory = kernel::directory_topic("");

}  // namespace

void Concerns::forget(const std::string& owner) {
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

void Concerns::ask(const Resource& wanted, kernel::Host& host) {
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
        const Asker asker{wanted.key.kind, wanted.owner};
        if (std::ranges::find(askers, asker) == askers.end()) {
            askers.push_back(asker);
            topics_[wanted.owner].push_back(std::move(topic));
        }
    }
}

void Concerns::renew(const State& desired, const Parts& parts, const Scope& scope, kernel::Host& host) {
    if (scope.all) {
        *this = {};
        for (const Resource& wanted : desired.all()) {
            ask(wanted, host);
        }
        return;
    }
    for (const std::string& owner : scope.owners) {
        forget(owner);
        for (const Key& key : parts.of(owner)) {
            ask(*desired.find(key), host);
        }
    }
}

void Concerns::add(const std::string& topic, Scope& scope) const {
    scope.all |= topic == kernel::kEverything;
    if (const auto askers = askers_.find(topic); askers != askers_.end()) {
        for (const Asker& asker : askers->second) {
            scope.add(*asker.kind, asker.owner);
        }
    }
}

}  // namespace partd::daemon
