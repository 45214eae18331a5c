// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/wireguard/tunnel_file.h"

#include "base/text.h"
#include "base/values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include <fmt/format.h>

namespace partd::link {

namespace {

std::string lower(std::string_view text) {
    std::string all(text);
    std::ranges::transform(all, all.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return all;
}

// One line of the file: a section's name, or a key and its value.
struct Line {
    std::uint32_t number = 0;
    bool begins = false;         // a section
    std::string section = {};    // in small letters
    std::string key = {};        // in small letters
    std::string_view word = {};  // the key as it is written
    std::string_view value = {};
};

// Calls `each(line)`; lines without a '=' have an empty value.
template <class Each>
void for_lines(std::string_view text, const Each& each) {
    std::string section;
    std::uint32_t number = 0;
    for (std::string_view line : split(text, '\n')) {
        ++number;
        line = trim(line.substr(0, line.find('#')));
        while (line.ends_with('\r')) {
            line = trim(line.substr(0, line.size() - 1));
        }
        if (line.empty()) {
            continue;
        }
        if (line.starts_with('[')) {
            section = lower(line);
            each(Line{.number = number, .begins = true, .section = section, .word = line});
            continue;
        }
        const std::size_t equals = line.find('=');
        const std::string_view word = trim(line.substr(0, equals));
        each(Line{
            .number = number,
            .section = section,
            .key = lower(word),
            .word = word,
            .value = equals == std::string_view::npos ? std::string_view() : trim(line.substr(equals + 1))});
    }
}

constexpr std::string_view kInterface = "[interface]";
constexpr std::string_view kPeer = "[peer]";
// Keys of wg-quick that have programs run, or the file written.
constexpr std::array<std::string_view, 5> kPrograms = {"preup", "postup", "predown", "postdown",
                                                       "saveconfig"};

class Reader {
public:
    Reader(const std::string& name, Diagnostics& problems)
        : name_(std::make_shared<const std::string>(name)), problems_(problems) {}

    std::optional<TunnelFile> run(std::string_view text) {
        for_lines(text, [&](const Line& line) { take(line); });
        if (!has_key_) {
            error(1, "it has no PrivateKey");
        }
        for (const auto& peer : file_.peers) {
            if (peer.value.public_key == PublicKey()) {
                error(peer.at.line, "this peer has no PublicKey");
            }
        }
        return good_ ? std::optional(std::move(file_)) : std::nullopt;
    }

private:
    [[nodiscard]] Source at(std::uint32_t line) const { return {name_, line, 1}; }
    void error(std::uint32_t line, std::string message) {
        problems_.error(at(line), std::move(message));
        good_ = false;
    }
    // Never with the value where that may be a key.
    void expect(const Line& line, std::string_view what) {
        error(line.number, fmt::format("{} is {}, not \"{}\"", line.word, what, printable(line.value)));
    }

    void take(const Line& line) {
        if (line.begins) {
            if (line.section == kPeer) {
                file_.peers.push_back({{}, at(line.number)});
            } else if (line.section != kInterface) {
                error(line.number, fmt::format("unknown section {}", printable(line.word)));
            }
        } else if (std::ranges::find(kPrograms, line.key) != kPrograms.end()) {
            error(line.number,
                  fmt::format(
                      "{} has programs run as root or the file written, which partd does not do: take the "
                      "line out, and declare in the .toml file what it is for",
                      line.word));
        } else if (line.section == kInterface) {
            take_of_interface(line);
        } else if (line.section == kPeer) {
            take_of_peer(line, file_.peers.back().value);
        } else {
            error(line.number, "a key stands before the first section");
        }
    }

    // An unknown word may be a secret in the wrong place.
    static std::string shown(std::string_view word) {
        constexpr std::size_t kMost = 24;
        const bool plain = !word.empty() && word.size() <= kMost &&
                           std::ranges::all_of(word, [](unsigned char c) { return std::isalpha(c) != 0; });
        return plain ? std::string(word) : "(hidden)";
    }

    // A comma separates the elements of a list.
    template <class Each>
    void for_elements(const Line& line, const Each& each) {
        for (const std::string_view part : split(line.value, ',')) {
            if (!trim(part).empty()) {
                each(trim(part));
            }
        }
    }

    std::optional<std::int64_t> number(const Line& line, std::int64_t most, std::string_view what) {
        const bool hexadecimal = line.value.starts_with("0x");
        const auto value = hexadecimal ? parse_number(line.value.substr(2), 16) : parse_number(line.value);
        if (!value || *value > static_cast<std::uint64_t>(most)) {
            expect(line, what);
            return std::nullopt;
        }
        return static_cast<std::int64_t>(*value);
    }

    void take_addresses(const Line& line) {
        for_elements(line, [&](std::string_view text) {
            const auto alone = Ip::parse(text);
            const auto address = alone ? std::optional(Address{*alone, alone->bits()}) : Address::parse(text);
            if (address) {
                file_.address.push_back({*address, at(line.number)});
            } else {
                expect(line, "a list of addresses like \"10.2.0.2/32\"");
            }
        });
    }

    void take_names(const Line& line) {
        for_elements(line, [&](std::string_view text) {
            if (const auto ip = Ip::parse(text)) {
                file_.dns.servers.push_back(*ip);
            } else if (words(text).size() == 1) {
                file_.dns.search.emplace_back(text);
            } else {
                expect(line, "a list of name servers and domains");
            }
        });
    }

    void take_table(const Line& line) {
        if (line.value == "off" || line.value == "auto") {
            file_.routes = line.value == "auto";
        } else {
            error(
                line.number,
                fmt::format("{} is \"auto\" or \"off\" here: for routes in another table write \"off\", and "
                            "[[partition.NAME.route]] in the .toml file",
                            line.word));
        }
    }

    void take_of_interface(const Line& line) {
        constexpr std::int64_t kMostPort = 65535;
        constexpr std::int64_t kMostMark = 0xffffffffLL;
        if (line.key == "privatekey") {
            has_key_ = true;
            if (!Secret::parse_base64(line.value)) {
                error(line.number, "PrivateKey is not a key of 32 bytes: 44 characters of base64");
            }
        } else if (line.key == "address") {
            take_addresses(line);
        } else if (line.key == "dns") {
            take_names(line);
        } else if (line.key == "mtu") {
            file_.mtu = number(line, kMostPort, "a number of bytes");
        } else if (line.key == "listenport") {
            file_.listen_port = number(line, kMostPort, "a UDP port");
        } else if (line.key == "fwmark") {
            file_.fwmark =
                line.value == "off" ? 0 : number(line, kMostMark, "a mark, or \"off\"").value_or(0);
        } else if (line.key == "table") {
            take_table(line);
        } else {
            error(line.number, fmt::format("unknown key {} in [Interface]", shown(line.word)));
        }
    }

    void take_allowed(const Line& line, WireguardPeer& peer) {
        for_elements(line, [&](std::string_view text) {
            const auto alone = Ip::parse(text);
            const auto address = alone ? std::optional(Address{*alone, alone->bits()}) : Address::parse(text);
            if (address) {  // wg(8) takes bits of a host, too
                peer.allowed_ips.push_back({address->prefix(), at(line.number)});
            } else {
                expect(line, "a list of prefixes like \"10.0.0.0/8\"");
            }
        });
    }

    void take_of_peer(const Line& line, WireguardPeer& peer) {
        constexpr std::int64_t kMostSeconds = 65535;
        if (line.key == "publickey") {
            if (const auto key = PublicKey::parse(line.value)) {
                peer.public_key = *key;
            } else {
                error(line.number, "PublicKey is not a key of 32 bytes: 44 characters of base64");
            }
        } else if (line.key == "presharedkey") {
            peer.preshared_key_file = AbsolutePath(name_->c_str());
            if (!Secret::parse_base64(line.value)) {
                error(line.number, "PresharedKey is not a key of 32 bytes: 44 characters of base64");
            }
        } else if (line.key == "allowedips") {
            take_allowed(line, peer);
        } else if (line.key == "endpoint") {
            peer.endpoint = PeerEndpoint::parse(line.value);
            if (!peer.endpoint) {
                expect(line, TextFormat<PeerEndpoint>::kExpected);
            }
        } else if (line.key == "persistentkeepalive") {
            const auto seconds =
                line.value == "off" ? 0 : number(line, kMostSeconds, "a number of seconds, or \"off\"");
            peer.persistent_keepalive = std::chrono::seconds(seconds.value_or(0));
        } else {
            error(line.number, fmt::format("unknown key {} in [Peer]", shown(line.word)));
        }
    }

    std::shared_ptr<const std::string> name_;
    Diagnostics& problems_;
    TunnelFile file_;
    bool has_key_ = false;
    bool good_ = true;
};

}  // namespace

bool is_tunnel_file(std::string_view text) {
    bool has_section = false;
    for_lines(text, [&](const Line& line) { has_section |= line.begins && line.section == kInterface; });
    return has_section;
}

std::optional<TunnelFile> parse_tunnel_file(std::string_view text, const std::string& name,
                                            Diagnostics& problems) {
    return Reader(name, problems).run(text);
}

std::optional<Secret> private_key_in(std::string_view text) {
    std::optional<Secret> key;
    for_lines(text, [&](const Line& line) {
        if (line.section == kInterface && line.key == "privatekey") {
            key = Secret::parse_base64(line.value);
        }
    });
    return key;
}

std::optional<Secret> preshared_key_in(std::string_view text, const PublicKey& peer) {
    std::optional<Secret> found;
    std::optional<Secret> key;  // of the section
    std::optional<PublicKey> whose;
    const auto finish = [&] {
        if (whose == peer && key) {
            found = key;
        }
    };
    for_lines(text, [&](const Line& line) {
        if (line.begins) {
            finish();
            key.reset();
            whose.reset();
        } else if (line.section == kPeer && line.key == "publickey") {
            whose = PublicKey::parse(line.value);
        } else if (line.section == kPeer && line.key == "presharedkey") {
            key = Secret::parse_base64(line.value);
        }
    });
    finish();
    return found;
}

}  // namespace partd::link
