// SPDX-License-Identifier: Apache-2.0
#include "kernel/namespace/netns_supply.h"

#include <system_error>

namespace partd::kernel {

NetnsSupply::NetnsSupply(std::size_t count) : left_(count) {
    try {
        thread_ = std::jthread([this] { work(); });
    } catch (const std::system_error&) {
        thread_ = {};  // no memory or no process for it: who takes one makes it
    }
}

NetnsSupply::~NetnsSupply() {
    const std::scoped_lock lock(mutex_);
    left_ = 0;
}

void NetnsSupply::work() {
    std::unique_lock lock(mutex_);
    while (left_ > 0) {
        --left_;
        making_ = true;
        lock.unlock();
        auto made = Netns::make();
        lock.lock();
        ready_.push_back(std::move(made));
        making_ = false;
        changed_.notify_one();
    }
}

Result<Netns> NetnsSupply::take() {
    std::unique_lock lock(mutex_);
    if (ready_.empty() && left_ > 0) {
        --left_;
        lock.unlock();
        return Netns::make();
    }
    changed_.wait(lock, [this] { return !ready_.empty() || !making_; });
    if (ready_.empty()) {
        return Netns::make();
    }
    auto taken = std::move(ready_.front());
    ready_.pop_front();
    return taken;
}

}  // namespace partd::kernel
