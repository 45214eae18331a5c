// SPDX-License-Identifier: Apache-2.0
#include "daemon/daemon.h"

#include <algorithm>

// The daemon hears events of the host here, and decides when to look because of them.
namespace partd::daemon {

namespace {

using std::chrono::milliseconds;

// Processes come and go in a control group; its limits are another matter.
bool is_no_traffic(std::string_view name) {
    return name != "cgroup.procs" && name != "cgroup.threads" && name != "tasks";
}

// Takes out of the first scope everything that the other one covers.
Scope without(Scope scope, const Scope& covered) {
    if (covered.all) {
        return Scope::nothing();
    }
    std::erase_if(scope.owners, [&](const std::string& owner) { return covered.owners.contains(owner); });
    std::erase_if(scope.channels,
                  [&](std::string_view channel) { return covered.channels.contains(channel); });
    return scope;
}

}  // namespace

void Daemon::take(kernel::Topics topics, const Scope& looked_at) {
    topics.merge(places_.drain(is_no_traffic));
    Scope heard = Scope::nothing();
    for (const std::string& topic : topics) {
        Scope concerned = Scope::nothing();
        concerns_.add(topic, concerned);
        concerned = without(std::move(concerned), looked_at);
        if (!concerned.empty()) {
            culprit_ = host_.culprit(topic);
        }
        heard.add(concerned);
    }
    if (Scope loud = loud_.part(heard, Clock::now()); !loud.empty()) {
        noise_.add(loud);
        calm_->arm_once(Loud::kPause);
    }
    if (!heard.empty()) {
        drift_ = true;
        pending_.add(heard);
        look_soon();
    }
}

void Daemon::look_at_loud() {
    drift_ = true;
    pending_.add(std::exchange(noise_, Scope::nothing()));
    look_soon();
}

// A flood of events is read for a part of the time. The rest is dropped unread, and everything is looked at
// instead, because events of others are among it.
void Daemon::host_changed() {
    constexpr std::size_t kMost = 500;
    const auto before = processor_time();
    take(host_.drain_some(engine_->host().nftables_port(), kMost), Scope::nothing());
    const auto now = Clock::now();
    if (const auto rest = listening_.spend(processor_time() - before, now); rest > Clock::duration(0)) {
        constexpr std::chrono::seconds kStorm{2};
        storm_until_ = now + kStorm;
        loop_->turn(host_.links(), false);
        listen_->arm(std::chrono::ceil<milliseconds>(rest));
    }
}

void Daemon::listen_again() {
    host_.skip();
    loop_->turn(host_.links(), true);
    drift_ = true;
    pending_.all = true;
    look_soon();
}

// A storm of foreign events leaves most of the time to others: reading them takes a twentieth of it, and
// looks take a seventh.
void Daemon::look_soon() {
    constexpr Clock::duration kLongest = std::chrono::seconds(1);
    const auto due = looked_ + std::min(last_look_ * (Clock::now() < storm_until_ ? 6 : 4), kLongest);
    const auto rest = std::chrono::duration_cast<milliseconds>(due - Clock::now());
    soon_->arm_once(std::max(milliseconds(0), rest));
}

}  // namespace partd::daemon
