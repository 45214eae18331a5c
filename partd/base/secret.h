// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace partd {

inline constexpr std::size_t kKeySize = 32;
using KeyBytes = std::array<std::uint8_t, kKeySize>;

// A key of 32 bytes that nobody may see. It has no text, no JSON and no operator for a stream: whoever
// formats one does not compile. Its bytes are overwritten when it goes.
class Secret {
public:
    // As `wg genkey` prints it: 44 characters of base64. nullopt for anything else.
    static std::optional<Secret> parse_base64(std::string_view text);
    static std::optional<Secret> from(std::span<const std::uint8_t> bytes);
    Secret() = default;
    Secret(const Secret&) = default;
    Secret& operator=(const Secret&) = default;
    ~Secret();

    // Sets the bits that each private key of Curve25519 has (RFC 7748, section 5), as the kernel does.
    void clamp();
    // Takes the same time whatever differs.
    [[nodiscard]] bool equals(const Secret& other) const;
    [[nodiscard]] bool is_zero() const { return equals(Secret()); }
    // Lends the bytes to what sends them to the kernel.
    template <class Use>
    void lend(const Use& use) const {
        use(std::span<const std::uint8_t>(bytes_));
    }

private:
    KeyBytes bytes_{};
};

// Overwrites a text that had a secret in it.
void wipe(std::string& text);

// A public key of WireGuard, as `wg pubkey` prints it.
struct PublicKey {
    KeyBytes bytes{};

    static std::optional<PublicKey> parse(std::string_view text);
    static std::optional<PublicKey> from(std::span<const std::uint8_t> bytes);
    [[nodiscard]] std::string text() const;
    auto operator<=>(const PublicKey&) const = default;
};

}  // namespace partd
