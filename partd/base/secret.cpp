// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <string.h>

#include <algorithm>

namespace partd {

namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kTextSize = 44;  // 43 digits and a '='
constexpr unsigned kDigitBits = 6;

// 32 bytes are 42 digits of six bits, and one whose last two bits are 0.
std::optional<KeyBytes> decode(std::string_view text) {
    if (text.size() != kTextSize || text.back() != '=') {
        return std::nullopt;
    }
    KeyBytes bytes{};
    std::size_t at = 0;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char digit : text.substr(0, kTextSize - 1)) {
        const std::size_t value = kDigits.find(digit);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = (bits << kDigitBits | static_cast<std::uint32_t>(value)) & 0xffff;
        count += kDigitBits;
        if (count >= 8) {
            count -= 8;
            bytes[at++] = static_cast<std::uint8_t>(bits >> count);
        }
    }
    return (bits & 3U) == 0 ? std::optional(bytes) : std::nullopt;
}

std::string encode(const KeyBytes& bytes) {
    std::string text;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const std::uint8_t byte : bytes) {
        bits = (bits << 8 | byte) & 0xffff;
        count += 8;
        while (count >= kDigitBits) {
            count -= kDigitBits;
            text += kDigits[bits >> count & 63];
        }
    }
    text += kDigits[bits << (kDigitBits - count) & 63];
    return text + "=";
}

std::optional<KeyBytes> copied(std::span<const std::uint8_t> bytes) {
    KeyBytes copy{};
    if (bytes.size() != copy.size()) {
        return std::nullopt;
    }
    std::ranges::copy(bytes, copy.begin());
    return copy;
}

}  // namespace

std::optional<Secret> Secret::parse_base64(std::string_view text) {
    auto bytes = decode(text);
    auto secret = bytes ? from(*bytes) : std::nullopt;
    if (bytes) {
        explicit_bzero(bytes->data(), bytes->size());
    }
    return secret;
}

std::optional<Secret> Secret::from(std::span<const std::uint8_t> bytes) {
    Secret secret;
    if (bytes.size() != secret.bytes_.size()) {
        return std::nullopt;
    }
    std::ranges::copy(bytes, secret.bytes_.begin());
    return secret;
}

Secret::~Secret() {
    explicit_bzero(bytes_.data(), bytes_.size());
}

void Secret::clamp() {
    bytes_.front() &= 0xf8;
    bytes_.back() = static_cast<std::uint8_t>((bytes_.back() & 0x7f) | 0x40);
}

bool Secret::equals(const Secret& other) const {
    unsigned difference = 0;
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
        difference |= static_cast<unsigned>(bytes_[i] ^ other.bytes_[i]);
    }
    return difference == 0;
}

void wipe(std::string& text) {
    explicit_bzero(text.data(), text.size());
    text.clear();
}

std::optional<PublicKey> PublicKey::parse(std::string_view text) {
    const auto bytes = decode(text);
    return bytes ? std::optional(PublicKey{*bytes}) : std::nullopt;
}

std::optional<PublicKey> PublicKey::from(std::span<const std::uint8_t> bytes) {
    const auto copy = copied(bytes);
    return copy ? std::optional(PublicKey{*copy}) : std::nullopt;
}

std::string PublicKey::text() const {
    return encode(bytes);
}

}  // namespace partd
