// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which system calls change the host or take something of it, and how each of them can fail.

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace partd::fault {

/// A system call that a stopped process is about to make.
struct Entry {
    pid_t pid = 0;
    std::uint64_t number = 0;
    std::array<std::uint64_t, 6> args{};
};

/// A netlink message that changes something, where it lies in the memory of its sender.
struct NetlinkMessage {
    std::string name;  ///< "newlink", "nft 12"
    std::uint64_t address = 0;
    std::uint16_t type = 0;
    std::uint32_t sequence = 0;
};

struct Call {
    std::string name;         ///< "mkdir", "sendto netlink"
    std::string object;       ///< what it is about: a path, the messages
    bool changes = true;      ///< false: it only takes a descriptor or memory, or waits
    std::vector<int> errors;  ///< the errnos with which it may fail, the likeliest first
    std::vector<NetlinkMessage> messages;
};

/// The call's effect on a host; nullopt if it is of no interest.
std::optional<Call> classify(const Entry& entry);

/// The messages about to be sent that change something; empty if it is not a netlink socket.
std::vector<NetlinkMessage> changing_messages(const Entry& entry);
bool is_netlink(const Entry& entry);
/// recvfrom, recvmsg, recvmmsg
bool is_receiving(std::uint64_t number);
/// With which errnos the kernel may answer a netlink message.
std::vector<int> refusals();

/// Makes the message one that the kernel does not know, or gives it its own type back.
void spoil(pid_t process, const NetlinkMessage& message);
void restore(pid_t process, const NetlinkMessage& message);
/// Replaces answers to this message by `error` in the data that the call received. True if there was one.
bool rewrite_answer(const Entry& received, std::int64_t size, const NetlinkMessage& message, int error);

/// Bytes of another process; shorter or empty where it has none.
std::string read_memory(pid_t process, std::uint64_t address, std::size_t size);
bool write_memory(pid_t process, std::uint64_t address, const void* data, std::size_t size);
/// A text that ends with NUL.
std::string read_text(pid_t process, std::uint64_t address);

}  // namespace partd::fault
