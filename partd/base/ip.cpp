// SPDX-License-Identifier: Apache-2.0
#include "base/ip.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>

#include <fmt/format.h>

namespace partd {

Ip::Ip(std::span<const std::uint8_t> bytes) : v6_(bytes.size() == 16) {
    if (bytes.size() == 4 || bytes.size() == 16) {
        std::ranges::copy(bytes, bytes_.begin());
    }
}

std::optional<Ip> Ip::parse(std::string_view text) {
    const std::string copy(text);
    Ip ip;
    ip.v6_ = text.contains(':');
    if (copy.find('\0') != std::string::npos || inet_pton(ip.family(), copy.c_str(), ip.bytes_.data()) != 1) {
        return std::nullopt;
    }
    return ip;
}

Ip Ip::any(bool v6) {
    Ip ip;
    ip.v6_ = v6;
    return ip;
}

std::uint8_t Ip::family() const {
    return v6_ ? AF_INET6 : AF_INET;
}

std::string Ip::text() const {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    return inet_ntop(family(), bytes_.data(), buffer.data(), buffer.size());
}

Ip Ip::masked(unsigned length) const {
    Ip result = *this;
    const std::size_t whole = length / 8;
    if (whole < result.bytes_.size()) {
        result.bytes_[whole] = static_cast<std::uint8_t>(bytes_[whole] & (0xff00U >> (length % 8)));
        std::fill(result.bytes_.begin() + static_cast<std::ptrdiff_t>(whole) + 1, result.bytes_.end(), 0);
    }
    return result;
}

bool Ip::is_link_local() const {
    return v6_ ? bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80 : bytes_[0] == 169 && bytes_[1] == 254;
}

bool Ip::is_loopback() const {
    return v6_ ? std::ranges::all_of(std::span(bytes_).first(15), [](auto b) { return b == 0; }) &&
                     bytes_[15] == 1
               : bytes_[0] == 127;
}

bool Ip::is_multicast() const {
    return v6_ ? bytes_[0] == 0xff : (bytes_[0] & 0xf0) == 0xe0;
}

namespace {

struct Slashed {
    Ip ip;
    std::uint8_t length = 0;
};

std::optional<Slashed> parse_slashed(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto ip = Ip::parse(text.substr(0, slash));
    const auto length = parse_number(text.substr(slash + 1));
    if (!ip || !length || *length > ip->bits()) {
        return std::nullopt;
    }
    return Slashed{*ip, static_cast<std::uint8_t>(*length)};
}

}  // namespace

std::optional<Prefix> Prefix::parse(std::string_view text) {
    if (const auto bare = Ip::parse(text)) {
        return Prefix{*bare, bare->bits()};
    }
    const auto slashed = parse_slashed(text);
    if (!slashed || slashed->ip.masked(slashed->length) != slashed->ip) {
        return std::nullopt;
    }
    return Prefix{slashed->ip, slashed->length};
}

std::string Prefix::text() const {
    return fmt::format("{}/{}", ip.text(), length);
}

bool Prefix::contains(const Ip& address) const {
    return address.v6() == ip.v6() && address.masked(length) == ip;
}

bool Prefix::overlaps(const Prefix& other) const {
    return length <= other.length ? contains(other.ip) : other.contains(ip);
}

std::optional<Address> Address::parse(std::string_view text) {
    const auto slashed = parse_slashed(text);
    if (!slashed) {
        return std::nullopt;
    }
    return Address{slashed->ip, slashed->length};
}

std::string Address::text() const {
    return fmt::format("{}/{}", ip.text(), length);
}

std::optional<Mac> Mac::parse(std::string_view text) {
    const auto parts = split(text, ':');
    Mac mac;
    if (parts.size() != mac.bytes.size()) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto byte = parse_number(parts[i], 16);
        if (!byte || parts[i].size() != 2) {
            return std::nullopt;
        }
        mac.bytes.at(i) = static_cast<std::uint8_t>(*byte);
    }
    return mac;
}

std::string Mac::text() const {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3],
                       bytes[4], bytes[5]);
}

}  // namespace partd
