// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace bench {

// Netlink messages, one behind the other, ready for one sendmsg(2). See netlink(7).
class Messages {
public:
    Messages& begin(std::uint16_t type, std::uint16_t flags);
    // The family's own header: ifinfomsg, ifaddrmsg, rtmsg, nfgenmsg.
    template <class T>
    Messages& head(const T& value) {
        return raw(&value, sizeof value);
    }
    Messages& attribute(std::uint16_t type, std::span<const std::uint8_t> bytes);
    Messages& text(std::uint16_t type, std::string_view text);  // with its NUL
    template <class T>
    Messages& number(std::uint16_t type, T value) {
        return attribute(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
    }
    // nf_tables has its numbers in network byte order.
    Messages& big(std::uint16_t type, std::uint32_t value);
    Messages& open(std::uint16_t type, bool flagged = false);
    Messages& close();
    Messages& end();

    [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    void clear() { bytes_.clear(); }

private:
    Messages& raw(const void* data, std::size_t size);
    void pad();

    std::vector<std::uint8_t> bytes_ = {};
    std::vector<std::size_t> nests_ = {};
    std::size_t start_ = 0;
};

// A netlink socket in the namespace where it was made.
class Socket {
public:
    explicit Socket(int protocol);
    Socket(Socket&& other) noexcept;
    Socket& operator=(Socket&& other) noexcept;
    ~Socket();

    // Sends all at once and reads what the kernel refused; nothing comes back for what it did. Ends the
    // program with `what` and the kernel's words at a refusal.
    void send(Messages& messages, const char* what);
    // Asks for a dump and reads it to its end; returns its bytes.
    std::size_t dump(std::uint16_t type, std::span<const std::uint8_t> header,
                     Messages* attributes = nullptr);
    // Room in the kernel for one message of that many bytes.
    void room(int bytes) const;

private:
    int fd_ = -1;
};

// Ends the program: "PROGRAM: WHAT: the system's words".
[[noreturn]] void fail(const char* what, int error);
// Calls fail() with errno unless `done`.
void require(bool done, const char* what);

}  // namespace bench
