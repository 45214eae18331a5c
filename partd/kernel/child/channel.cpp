// SPDX-License-Identifier: Apache-2.0
#include "kernel/child/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace partd::kernel {

namespace {

// Header of a message. The text after it begins with the name of the file at fault.
struct Head {
    int code = 0;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::uint32_t file_size = 0;
};

Error read_error(const Head& head, std::string_view text) {
    const std::size_t name = std::min<std::size_t>(head.file_size, text.size());
    Error error{.code = head.code, .message = std::string(text.substr(name))};
    if (name > 0) {
        error.at = {std::make_shared<const std::string>(text.substr(0, name)), head.line, head.column};
    }
    return error;
}

// Room for one descriptor beside a message (cmsg(3)).
struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
};

}  // namespace

Result<std::pair<Channel, Channel>> Channel::open() {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return fail_errno("make a pair of sockets");
    }
    return std::pair(Channel(ends[0]), Channel(ends[1]));
}

void Channel::send(const Result<>& result, int fd) {
    Head head;
    std::string text;
    if (!result) {
        const Error& error = result.error();
        const std::string file = error.at ? *error.at.file : "";
        head = {error.code, error.at.line, error.at.column, static_cast<std::uint32_t>(file.size())};
        text = file + error.message;
    }
    std::array<iovec, 2> parts = {iovec{&head, sizeof head}, iovec{text.data(), text.size()}};
    Control control;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    if (fd >= 0) {
        message.msg_control = control.bytes.data();
        message.msg_controllen = control.bytes.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    (void)sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
}

void Channel::set_patience(std::chrono::seconds patience, std::function<bool()> lost) {
    patience_ = patience;
    lost_ = std::move(lost);
}

// True when there is something to receive in time.
bool Channel::comes() {
    using std::chrono::milliseconds;
    constexpr milliseconds kGlance{100};
    const auto until = std::chrono::steady_clock::now() + patience_;
    while (!is_lost_) {
        auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return false;
        }
        pollfd polled{.fd = fd_.get(), .events = POLLIN, .revents = 0};
        left = lost_ ? std::min(left, kGlance) : left;
        const int ready = poll(&polled, 1, static_cast<int>(left.count()));
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            return true;
        }
        is_lost_ = ready == 0 && lost_ && lost_();
    }
    return false;
}

std::optional<Channel::Message> Channel::receive() {
    if (patience_.count() != 0 && !comes()) {
        return std::nullopt;
    }
    Head head;
    std::array<char, 8192> text;
    std::array<iovec, 2> parts = {iovec{&head, sizeof head}, iovec{text.data(), text.size()}};
    Control control;
    msghdr header{};
    header.msg_iov = parts.data();
    header.msg_iovlen = parts.size();
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    ssize_t size = 0;
    do {
        size = recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < static_cast<ssize_t>(sizeof head)) {
        return std::nullopt;
    }
    Message message;
    const std::string_view words(text.data(), static_cast<std::size_t>(size) - sizeof head);
    if (head.code != 0 || !words.empty()) {
        message.result = std::unexpected(read_error(head, words));
    }
    const cmsghdr* control_header = CMSG_FIRSTHDR(&header);
    if (control_header != nullptr && control_header->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(control_header), sizeof fd);
        message.fd = Fd(fd);
    }
    return message;
}

Result<Fd> Channel::expect() {
    auto message = receive();
    if (!message && is_lost_) {
        return fail("a helper process was stopped from inside the partition, and ended by partd");
    }
    if (!message) {
        return std::unexpected(Error{.code = ECHILD, .message = "a helper process gave no answer"});
    }
    PARTD_TRY(message->result);
    return std::move(message->fd);
}

}  // namespace partd::kernel
