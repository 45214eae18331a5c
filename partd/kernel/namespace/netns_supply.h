// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/namespace/netns.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>

namespace partd::kernel {

// New network namespaces, made by a thread of its own as well as by who takes them: the kernel makes two at
// the same time, and making them is what takes longest when there are many partitions to make.
class NetnsSupply {
public:
    // For so many takings.
    explicit NetnsSupply(std::size_t count);
    // Closes namespaces that nobody took.
    ~NetnsSupply();
    NetnsSupply(const NetnsSupply&) = delete;
    NetnsSupply& operator=(const NetnsSupply&) = delete;

    // One that is ready, or else one made now.
    Result<Netns> take();

private:
    void work();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t left_;     // that nobody has begun to make
    bool making_ = false;  // the thread is at one
    std::deque<Result<Netns>> ready_;
    std::jthread thread_;
};

}  // namespace partd::kernel
