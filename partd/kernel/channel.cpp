#include "kernel/channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace partd::kernel {

namespace {

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
    int code = result ? 0 : result.error().code;
    std::string text = result ? "" : result.error().message;
    std::array<iovec, 2> parts = {iovec{&code, sizeof code}, iovec{text.data(), text.size()}};
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

void Channel::set_patience(std::chrono::seconds patience) {
    const timeval time{.tv_sec = patience.count(), .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

std::optional<Channel::Message> Channel::receive() {
    int code = 0;
    std::array<char, 8192> text;
    std::array<iovec, 2> parts = {iovec{&code, sizeof code}, iovec{text.data(), text.size()}};
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
    if (size < static_cast<ssize_t>(sizeof code)) {
        return std::nullopt;
    }
    Message message;
    const std::string words(text.data(), static_cast<std::size_t>(size) - sizeof code);
    if (code != 0 || !words.empty()) {
        message.result = std::unexpected(Error{.code = code, .message = words});
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
    if (!message) {
        return fail("a helper process gave no answer");
    }
    PARTD_TRY(message->result);
    return std::move(message->fd);
}

}  // namespace partd::kernel
