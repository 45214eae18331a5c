// SPDX-License-Identifier: Apache-2.0
// Keys that cannot be shown, and files of wg-quick.

#include "base/diagnostics.h"
#include "base/secret.h"
#include "kinds/link/wireguard/tunnel_file.h"

#include <ostream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace partd;

namespace {

template <class T>
concept Streamed = requires(std::ostream& out, const T& value) { out << value; };
template <class T>
concept Encoded = requires(const T& value) { Codec<T>::text(value); };

// Nothing makes a text of a key.
static_assert(!fmt::is_formattable<Secret>::value);
static_assert(!Streamed<Secret>);
static_assert(!Textual<Secret>);
static_assert(!Encoded<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(Textual<PublicKey>);

const std::string kPrivate = "KDVAS1ZhbHeCjZijrrnEz9rl8PsGERwnMj1IU15pdH8=";
const std::string kShared = "T1plcHuGkZynsr3I097p9P8KFSArNkFMV2JteIOOmaQ=";
const std::string kPeer = "BRAbJjE8R1JdaHN+iZSfqrXAy9bh7PcCDRgjLjlET1o=";
const std::string kOther = "dH+KlaCrtsHM1+Lt+AMOGSQvOkVQW2ZxfIeSnaizvsk=";

// As providers hand it out.
const std::string kFile =
    "[Interface]\r\n# Device: Polite Mole\r\nPrivateKey = " + kPrivate +
    "\r\nAddress = 10.2.0.2/32,fc00::2/128\r\nDNS = 10.2.0.1, vpn.example\r\nMTU=1380\r\n"
    "FwMark = 0xca6c\r\n\r\n[Peer]\r\npublickey = " +
    kPeer + "\r\nPresharedKey = " + kShared +
    "\r\nAllowedIPs = 0.0.0.0/0, ::0/0\r\nAllowedIPs = 10.9.8.7/16\r\n"
    "Endpoint = vpn.example.org:51820\r\nPersistentKeepalive = 25\r\n[Peer]\nPublicKey=" +
    kOther + "\nPersistentKeepalive = off\nAllowedIPs =\n";

std::vector<std::string> problems_of(const std::string& text) {
    Diagnostics problems;
    const auto file = link::parse_tunnel_file(text, "vpn.conf", problems);
    CHECK(file.has_value() == problems.empty());
    std::vector<std::string> all;
    for (const Problem& problem : problems.problems()) {
        all.push_back(problem.at.prefix() + problem.message);
    }
    return all;
}

}  // namespace

TEST_CASE("A key is 44 characters of base64", "[wireguard]") {
    CHECK(Secret::parse_base64(kPrivate));
    CHECK(PublicKey::parse(kPeer)->text() == kPeer);
    CHECK(PublicKey::parse(kShared)->text() == kShared);
    for (const std::string& text :
         {std::string(), kPeer.substr(1), kPeer + "=", kPeer.substr(0, 43), " " + kPeer.substr(1),
          std::string(44, 'A'), kPeer.substr(0, 42) + "p=", kPeer.substr(0, 42) + "=="}) {
        INFO(text);
        CHECK(!Secret::parse_base64(text));
        CHECK(!PublicKey::parse(text));
    }
    const std::vector<std::uint8_t> short_key(31);
    CHECK(!Secret::from(short_key));
    CHECK(Secret().is_zero());
    CHECK(!Secret::parse_base64(kPrivate)->is_zero());
    auto clamped = *Secret::parse_base64("//////////////////////////////////////////8=");
    clamped.clamp();
    CHECK(clamped.equals(*Secret::parse_base64("+P///////////////////////////////////////38=")));
}

TEST_CASE("A file of wg-quick is read without its keys", "[wireguard]") {
    Diagnostics problems;
    const auto file = link::parse_tunnel_file(kFile, "vpn.conf", problems);
    REQUIRE(problems.empty());
    REQUIRE(file);
    REQUIRE(file->address.size() == 2);
    CHECK(file->address[0].value.text() == "10.2.0.2/32");
    CHECK(file->address[1].value.text() == "fc00::2/128");
    CHECK(file->address[1].at.place() == "vpn.conf:4");
    CHECK(file->dns.servers == std::vector{*Ip::parse("10.2.0.1")});
    CHECK(file->dns.search == std::vector<std::string>{"vpn.example"});
    CHECK(file->mtu == 1380);
    CHECK(file->fwmark == 51820);
    CHECK(file->routes);
    const auto peers = link::compared(file->peers);
    REQUIRE(peers.size() == 2);
    CHECK(peers[0].public_key.text() == kPeer);
    CHECK(peers[0].endpoint == "vpn.example.org:51820");
    CHECK(peers[0].preshared == "vpn.conf");
    CHECK(peers[0].keepalive == 25);
    REQUIRE(peers[0].allowed_ips.size() == 3);
    CHECK(peers[0].allowed_ips[1].text() == "10.9.0.0/16");
    CHECK(peers[1].preshared.empty());
    CHECK(peers[1].allowed_ips.empty());
}

TEST_CASE("Its keys are found, each with its peer", "[wireguard]") {
    CHECK(link::is_tunnel_file(kFile));
    CHECK(!link::is_tunnel_file(kPrivate + "\n"));
    const auto is = [](const std::optional<Secret>& key, const std::string& text) {
        return key && key->equals(*Secret::parse_base64(text));
    };
    CHECK(is(link::private_key_in(kFile), kPrivate));
    CHECK(is(link::preshared_key_in(kFile, *PublicKey::parse(kPeer)), kShared));
    CHECK(!link::preshared_key_in(kFile, *PublicKey::parse(kOther)));
    CHECK(!link::private_key_in(kPrivate));
}

TEST_CASE("What a file of wg-quick may not have is told by line, and without secrets", "[wireguard]") {
    using Lines = std::vector<std::string>;
    const std::string good = "[Interface]\nPrivateKey = " + kPrivate + "\n";
    CHECK(problems_of(good).empty());
    const std::string programs =
        " has programs run as root or the file written, which partd does not do: take the line out, and "
        "declare in the .toml file what it is for";
    for (const std::string key : {"PreUp", "PostUp", "PreDown", "PostDown", "SaveConfig"}) {
        CHECK(problems_of(good + key + " = iptables -A OUTPUT -j DROP\n") ==
              Lines{"vpn.conf:3:1: " + key + programs});
    }
    CHECK(problems_of("[Interface]\n") == Lines{"vpn.conf:1:1: it has no PrivateKey"});
    CHECK(problems_of("[Interface]\nPrivateKey = " + kPrivate.substr(1) + "\n") ==
          Lines{"vpn.conf:2:1: PrivateKey is not a key of 32 bytes: 44 characters of base64"});
    CHECK(problems_of("[Interface]\n" + kPrivate + "\n") ==
          Lines{"vpn.conf:2:1: unknown key (hidden) in [Interface]", "vpn.conf:1:1: it has no PrivateKey"});
    CHECK(problems_of(kPrivate + "\n") ==
          Lines{"vpn.conf:1:1: a key stands before the first section", "vpn.conf:1:1: it has no PrivateKey"});
    CHECK(
        problems_of(good +
                    "Adress = 10.0.0.1\nAddress = 10.0.0.300\nMTU = big\nTable = 1234\nListenPort = 0x10000\n"
                    "[Pear]\n[Peer]\nPublicKey = x\nPresharedKey = y\nAllowedIPs = 10.0.0.0/33\n"
                    "Endpoint = example.org\nPersistentKeepalive = 25s\nColour = red\n") ==
        Lines{
            "vpn.conf:3:1: unknown key Adress in [Interface]",
            "vpn.conf:4:1: Address is a list of addresses like \"10.2.0.2/32\", not \"10.0.0.300\"",
            "vpn.conf:5:1: MTU is a number of bytes, not \"big\"",
            "vpn.conf:6:1: Table is \"auto\" or \"off\" here: for routes in another table write \"off\", and "
            "[[partition.NAME.route]] in the .toml file",
            "vpn.conf:7:1: ListenPort is a UDP port, not \"0x10000\"", "vpn.conf:8:1: unknown section [Pear]",
            "vpn.conf:10:1: PublicKey is not a key of 32 bytes: 44 characters of base64",
            "vpn.conf:11:1: PresharedKey is not a key of 32 bytes: 44 characters of base64",
            "vpn.conf:12:1: AllowedIPs is a list of prefixes like \"10.0.0.0/8\", not \"10.0.0.0/33\"",
            "vpn.conf:13:1: Endpoint is a host and a port like \"vpn.example.org:51820\", "
            "\"192.0.2.1:51820\" or \"[2001:db8::1]:51820\", not \"example.org\"",
            "vpn.conf:14:1: PersistentKeepalive is a number of seconds, or \"off\", not \"25s\"",
            "vpn.conf:15:1: unknown key Colour in [Peer]", "vpn.conf:9:1: this peer has no PublicKey"});
}
