// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace partd::kernel {

// Takes the messages of a client of the bus from its socket, and hands them on by a pipe, one at a time, once
// each is whole: the reader of the pipe meets no announcement of 100 MB and no half of anything. Descriptors
// that come along are dropped.
class Inlet {
public:
    // `socket` is duplicated; a message has at most `most` bytes.
    static Result<Inlet> open(int socket, std::size_t most);

    // Where the client is read from (EPOLLIN), and where it is handed on to (EPOLLOUT).
    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] int pipe() const { return in_.get(); }
    // The end to read from, for whom it is meant: it becomes the caller's.
    Result<int> take_outlet();

    // Takes what the client has sent. False at its end; an error if it is malformed or too long.
    Result<bool> read();
    // A message is whole, or a line of the handshake.
    [[nodiscard]] bool has_next() const;
    // Begins to hand it on.
    void next();
    // Hands on what the pipe takes. An error when nobody reads it any more.
    Result<> write();

    // Something is being handed on.
    [[nodiscard]] bool writes() const { return !handed_.empty(); }
    // The client has not come to the end of its handshake, or of a message.
    [[nodiscard]] bool unfinished() const { return handshake_ || (!taken_.empty() && !whole()); }
    [[nodiscard]] bool in_handshake() const { return handshake_; }
    // The messages, as against the handshake, that were handed on.
    [[nodiscard]] std::uint64_t messages() const { return messages_; }
    // Bytes that are kept for it.
    [[nodiscard]] std::size_t held() const { return taken_.size() + handed_.size(); }

private:
    Inlet(Fd socket, Fd out, Fd in, std::size_t most)
        : socket_(std::move(socket)), out_(std::move(out)), in_(std::move(in)), most_(most) {}
    // The size of the message that `taken_` begins with; 0: its header is not there yet.
    [[nodiscard]] std::uint64_t announced() const;
    [[nodiscard]] bool whole() const { return announced() != 0 && taken_.size() >= announced(); }

    Fd socket_;
    Fd out_;
    Fd in_;
    std::size_t most_;
    std::string taken_;
    std::string handed_;
    bool handshake_ = true;
    std::size_t greeting_ = 0;  // bytes of it
    std::uint64_t messages_ = 0;
};

}  // namespace partd::kernel
