// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace partd {

// An IPv4 or IPv6 address in network byte order.
class Ip {
public:
    Ip() = default;
    // 4 or 16 bytes; any other length gives 0.0.0.0.
    explicit Ip(std::span<const std::uint8_t> bytes);
    static std::optional<Ip> parse(std::string_view text);
    static Ip any(bool v6);

    [[nodiscard]] bool v6() const { return v6_; }
    // AF_INET or AF_INET6.
    [[nodiscard]] std::uint8_t family() const;
    // 32 or 128.
    [[nodiscard]] std::uint8_t bits() const { return v6_ ? 128 : 32; }
    [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {bytes_.data(), v6_ ? 16U : 4U}; }
    [[nodiscard]] std::string text() const;
    // The address with all but its first `length` bits zero.
    [[nodiscard]] Ip masked(unsigned length) const;
    // fe80::/10 or 169.254.0.0/16.
    [[nodiscard]] bool is_link_local() const;
    [[nodiscard]] bool is_loopback() const;
    [[nodiscard]] bool is_any() const { return *this == any(v6_); }
    // 224.0.0.0/4 or ff00::/8.
    [[nodiscard]] bool is_multicast() const;
    auto operator<=>(const Ip&) const = default;

private:
    bool v6_ = false;
    std::array<std::uint8_t, 16> bytes_{};
};

// A network: all bits behind `length` are zero.
struct Prefix {
    Ip ip;
    std::uint8_t length = 0;

    // An address alone is the prefix of all its bits.
    static std::optional<Prefix> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool contains(const Ip& address) const;
    [[nodiscard]] bool overlaps(const Prefix& other) const;
    auto operator<=>(const Prefix&) const = default;
};

// An address of an interface, with the length of the network it stands in.
struct Address {
    Ip ip;
    std::uint8_t length = 0;

    static std::optional<Address> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] Prefix prefix() const { return {ip.masked(length), length}; }
    auto operator<=>(const Address&) const = default;
};

// 48-bit hardware address.
struct Mac {
    std::array<std::uint8_t, 6> bytes{};

    static std::optional<Mac> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    auto operator<=>(const Mac&) const = default;
};

}  // namespace partd
