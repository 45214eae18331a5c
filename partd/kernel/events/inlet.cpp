// SPDX-License-Identifier: Apache-2.0
#include "kernel/events/inlet.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace partd::kernel {

namespace {

// The authentication protocol: lines, of which the last one is this (dbus-specification, "Authentication").
constexpr std::string_view kBegin = "BEGIN\r\n";
constexpr std::string_view kEndOfLine = "\r\n";
constexpr std::size_t kMostOfHandshake = 8192;

// "Message Format": byte order, type, flags, version; length of the body, serial, length of the fields.
constexpr std::size_t kHeader = 16;
constexpr std::size_t kBodyAt = 4;
constexpr std::size_t kFieldsAt = 12;

std::uint64_t number_at(std::string_view header, std::size_t at) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t from = header[0] == 'l' ? at + 3 - i : at + i;
        number = number << 8 | static_cast<unsigned char>(header[from]);
    }
    return number;
}

}  // namespace

Result<Inlet> Inlet::open(int socket, std::size_t most) {
    Fd own(fcntl(socket, F_DUPFD_CLOEXEC, 0));
    std::array<int, 2> ends{-1, -1};
    if (!own || pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
        return fail_errno("make a pipe");
    }
    return Inlet(std::move(own), Fd(ends[0]), Fd(ends[1]), most);
}

Result<int> Inlet::take_outlet() {
    const int fd = fcntl(out_.get(), F_DUPFD_CLOEXEC, 0);
    out_.reset();
    return fd < 0 ? Result<int>(fail_errno("make a pipe")) : fd;
}

std::uint64_t Inlet::announced() const {
    constexpr std::uint64_t kAligned = 8;
    if (taken_.size() < kHeader) {
        return 0;
    }
    const std::uint64_t fields = number_at(taken_, kFieldsAt);
    return kHeader + (fields + kAligned - 1) / kAligned * kAligned + number_at(taken_, kBodyAt);
}

Result<bool> Inlet::read() {
    std::array<char, 65536> buffer;
    const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) {
        return errno == EAGAIN || errno == EINTR ? Result<bool>(true) : fail_errno("read from a client");
    }
    taken_.append(buffer.data(), static_cast<std::size_t>(size));
    if (handshake_ ? greeting_ + taken_.size() > kMostOfHandshake && !taken_.contains(kBegin)
                   : announced() > most_) {
        return fail(EMSGSIZE, "read from a client");
    }
    return size > 0;
}

bool Inlet::has_next() const {
    return handshake_ ? taken_.contains(kEndOfLine) : whole();
}

void Inlet::next() {
    std::size_t size = 0;
    if (handshake_) {
        // Line by line: the last one may stand before a message.
        size = taken_.find(kEndOfLine) + kEndOfLine.size();
        greeting_ += size;
        handshake_ = !std::string_view(taken_).substr(0, size).ends_with(kBegin);
    } else {
        size = static_cast<std::size_t>(announced());
        ++messages_;
    }
    handed_ = taken_.substr(0, size);
    taken_.erase(0, size);
}

Result<> Inlet::write() {
    while (!handed_.empty()) {
        const ssize_t size = ::write(in_.get(), handed_.data(), handed_.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return errno == EAGAIN ? Result<>() : fail_errno("hand a message on");
        }
        handed_.erase(0, static_cast<std::size_t>(size));
    }
    return {};
}

}  // namespace partd::kernel
