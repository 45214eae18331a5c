// SPDX-License-Identifier: Apache-2.0
#include "daemon/backoff.h"

#include <algorithm>

namespace partd::daemon {

namespace {
constexpr std::chrono::milliseconds kFirst{250};
constexpr std::chrono::milliseconds kMost{60'000};
// So many repairs within that time are not an accident.
constexpr std::size_t kFight = 5;
constexpr std::chrono::seconds kWindow{10};
}  // namespace

void Backoff::hold(Object& object, Clock::time_point now) {
    object.delay = object.delay.count() == 0 ? kFirst : std::min(object.delay * 2, kMost);
    object.until = now + object.delay;
    object.waits = true;
}

void Backoff::failed(const std::string& object, Scope scope, Clock::time_point now) {
    Object& held = objects_[object];
    held.scope = std::move(scope);
    held.fights = false;
    hold(held, now);
}

bool Backoff::repaired(const std::string& name, Scope scope, Clock::time_point now, bool by_itself) {
    Object& object = objects_[name];
    object.by_itself = by_itself;
    object.scope = std::move(scope);
    std::erase_if(object.repairs,
                  [&](Clock::time_point at) { return now - at > kWindow + object.delay * 2; });
    object.repairs.push_back(now);
    if (object.repairs.size() < kFight) {
        object.delay = {};
        return false;
    }
    object.fights = true;
    hold(object, now);
    return true;
}

std::size_t Backoff::repairs(const std::string& name) const {
    const auto found = objects_.find(name);
    return found == objects_.end() ? 0 : found->second.repairs.size();
}

std::chrono::milliseconds Backoff::delay(const std::string& name) const {
    const auto found = objects_.find(name);
    return found == objects_.end() ? std::chrono::milliseconds(0) : found->second.delay;
}

Scope Backoff::forget() {
    Scope scope = Scope::nothing();
    for (const auto& [name, object] : objects_) {
        if (object.waits) {
            scope.add(object.scope);
        }
    }
    objects_.clear();
    return scope;
}

std::set<std::string> Backoff::held(Clock::time_point now) const {
    std::set<std::string> all;
    for (const auto& [name, object] : objects_) {
        if (now < object.until) {
            all.insert(name);
        }
    }
    return all;
}

Scope Backoff::due(Clock::time_point now, bool& fights) {
    Scope scope = Scope::nothing();
    for (auto& [name, object] : objects_) {
        if (object.waits && now >= object.until) {
            object.waits = false;
            fights |= object.fights;
            scope.add(object.scope);
        }
    }
    return scope;
}

Clock::time_point Backoff::next() const {
    auto soonest = Clock::time_point::max();
    for (const auto& [name, object] : objects_) {
        if (object.waits) {
            soonest = std::min(soonest, object.until);
        }
    }
    return soonest;
}

std::set<std::string> Backoff::contested(Clock::time_point now) const {
    std::set<std::string> owners;
    for (const auto& [name, object] : objects_) {
        if (!object.by_itself && object.repairs.size() >= kFight &&
            now - object.repairs.back() < kWindow + object.delay * 2) {
            owners.insert(object.scope.owners.begin(), object.scope.owners.end());
        }
    }
    return owners;
}

}  // namespace partd::daemon
