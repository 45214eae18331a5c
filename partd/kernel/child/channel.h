// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

namespace partd::kernel {

// One end of a connection between two of our processes (unix(7), SOCK_SEQPACKET): carries how something went,
// and descriptors.
class Channel {
public:
    static Result<std::pair<Channel, Channel>> open();
    // The end that is open under this number.
    static Channel adopt(int fd) { return Channel(fd); }

    struct Message {
        Result<> result = {};
        Fd fd = {};
    };
    // A peer that is gone hears nothing.
    void send(const Result<>& result, int fd = -1);
    // How long receive() waits; for ever without it. Meanwhile `lost` is asked now and then whether the other
    // end will never answer.
    void set_patience(std::chrono::seconds patience, std::function<bool()> lost = {});
    // Waits; nullopt when the other end is closed, or silent for too long.
    std::optional<Message> receive();
    // receive() for one who counts on an answer.
    Result<Fd> expect();
    [[nodiscard]] int fd() const { return fd_.get(); }
    void close() { fd_.reset(); }

private:
    explicit Channel(int fd) : fd_(fd) {}
    bool comes();

    Fd fd_;
    std::chrono::seconds patience_{0};  // 0: for ever
    std::function<bool()> lost_ = {};
    bool is_lost_ = false;
};

}  // namespace partd::kernel
