// SPDX-License-Identifier: Apache-2.0
#include "kernel/nft/packet_registers.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

namespace partd::kernel::nft {

namespace {

template <class T>
std::array<std::uint8_t, sizeof(T)> native(T value) {
    std::array<std::uint8_t, sizeof(T)> raw{};
    std::memcpy(raw.data(), &value, sizeof value);
    return raw;
}

}  // namespace

std::uint16_t port_at(Bytes bytes) {
    return bytes.size() < 2 ? std::uint16_t{0} : static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
}

bool Registers::asks_port(unsigned reg, std::size_t size) {
    bool asks = false;
    for (std::size_t at = 0; at < size && reg < words_.size(); at += 4, ++reg) {
        asks |= words_[reg].port;
    }
    asked_port |= asks;
    return asks;
}

std::optional<PortPair> Registers::ports_at(unsigned reg, std::size_t size) {
    if (!has_ports(reg, size)) {
        return std::nullopt;
    }
    asked_port = true;
    return packet_.to_ports;
}

Match in_ports(const PortPair& ports, std::uint16_t first, std::uint16_t last) {
    if (ports.second < first || ports.first > last) {
        return Match::No;
    }
    return first <= ports.first && ports.second <= last ? Match::Yes : Match::Some;
}

void Registers::put(unsigned reg, Bytes bytes, Match known, bool port) {
    for (std::size_t at = 0; at < bytes.size() && reg < words_.size(); at += 4, ++reg) {
        Word word{.bytes = {}, .known = known, .port = port};
        std::memcpy(word.bytes.data(), &bytes[at], std::min<std::size_t>(4, bytes.size() - at));
        words_[reg] = word;
    }
}

void Registers::put_network(const Load& load) {
    std::array<std::uint8_t, 40> header{};
    std::array<bool, 40> known{};
    const auto place = [&](const std::optional<Ip>& ip, std::size_t at) {
        if (ip && ip->v6() == packet_.v6) {
            std::ranges::copy(ip->bytes(), header.begin() + static_cast<std::ptrdiff_t>(at));
            std::fill_n(known.begin() + static_cast<std::ptrdiff_t>(at), ip->bytes().size(), true);
        }
    };
    place(packet_.from, packet_.v6 ? 8 : 12);
    place(packet_.to, packet_.v6 ? 24 : 16);
    header[packet_.v6 ? 6 : 9] = packet_.protocol;
    known[packet_.v6 ? 6 : 9] = true;
    if (load.offset + load.size > header.size()) {
        put(load.reg, std::array<std::uint8_t, 16>{}, Match::Some);
        return;
    }
    const bool all = std::all_of(known.begin() + load.offset, known.begin() + load.offset + load.size,
                                 [](bool each) { return each; });
    put(load.reg, Bytes(header).subspan(load.offset, load.size), all ? Match::Yes : Match::Some);
}

void Registers::put_transport(const Load& load) {
    constexpr std::uint32_t kToPort = 2;
    const std::array<std::uint8_t, 16> unknown{};
    if (load.offset != kToPort || load.size != 2) {
        put(load.reg, unknown, Match::Some);
        return;
    }
    const PortPair ports = packet_.to_ports.value_or(PortPair(0, 0));
    const std::array<std::uint8_t, 2> raw = {static_cast<std::uint8_t>(ports.first >> 8),
                                             static_cast<std::uint8_t>(ports.first & 0xff)};
    const bool one = packet_.to_ports && ports.first == ports.second;
    put(load.reg, raw, one ? Match::Yes : Match::Some, true);
}

void Registers::load(const Load& load) {
    const auto name = [&](const std::string& text) {
        std::array<std::uint8_t, 16> raw{};
        std::memcpy(raw.data(), text.data(), std::min(raw.size() - 1, text.size()));
        put(load.reg, raw, text.empty() ? Match::Some : Match::Yes);
    };
    const auto index = [&](const std::string& text) {
        const std::uint32_t number = text.empty() ? 0 : if_nametoindex(text.c_str());
        put(load.reg, native(number), text.empty() ? Match::Some : Match::Yes);
    };
    switch (load.what) {
        case Holds::InName:
            return name(packet_.in);
        case Holds::OutName:
            return name(packet_.out);
        case Holds::InIndex:
            return index(packet_.in);
        case Holds::OutIndex:
            return index(packet_.out);
        case Holds::Family:
            return put(load.reg, native<std::uint8_t>(packet_.v6 ? NFPROTO_IPV6 : NFPROTO_IPV4), Match::Yes);
        case Holds::Protocol:
            return put(load.reg, native(packet_.protocol), Match::Yes);
        case Holds::State:
            // NF_CT_STATE_BIT: 1 << IP_CT_NEW + 1, 1 << IP_CT_ESTABLISHED + 1.
            return put(load.reg, native<std::uint32_t>(packet_.stage == Stage::New ? 8 : 2), Match::Yes);
        case Holds::Status:
            return put(load.reg, native<std::uint32_t>(packet_.translated ? IPS_DST_NAT : 0), Match::Yes);
        case Holds::Network:
            return put_network(load);
        case Holds::Transport:
            return put_transport(load);
        case Holds::ToType:
            return put(load.reg, native<std::uint32_t>(packet_.to_host ? RTN_LOCAL : RTN_UNICAST),
                       Match::Yes);
        case Holds::Other:
            break;
    }
    put(load.reg, std::array<std::uint8_t, 16>{}, Match::Unclear);
}

void Registers::mask(const Masked& masked) {
    for (std::size_t at = 0; at < masked.mask.size(); at += 4) {
        const std::size_t from = masked.from + at / 4;
        const std::size_t to = masked.to + at / 4;
        if (from >= words_.size() || to >= words_.size()) {
            return;
        }
        Word word = words_[from];
        word.port = false;
        for (std::size_t i = 0; i < 4 && at + i < masked.mask.size(); ++i) {
            const std::uint8_t flip = at + i < masked.flip.size() ? masked.flip[at + i] : 0;
            word.bytes.at(i) = static_cast<std::uint8_t>((word.bytes.at(i) & masked.mask[at + i]) ^ flip);
        }
        words_[to] = word;
    }
}

Match Registers::known(unsigned reg, std::size_t size) const {
    Match all = Match::Yes;
    for (std::size_t at = 0; at < size; at += 4, ++reg) {
        all = both(all, reg < words_.size() ? words_[reg].known : Match::Unclear);
    }
    return all;
}

std::vector<std::uint8_t> Registers::bytes(unsigned reg, std::size_t size) const {
    std::vector<std::uint8_t> all;
    for (; all.size() < size && reg < words_.size(); ++reg) {
        all.insert(all.end(), words_[reg].bytes.begin(), words_[reg].bytes.end());
    }
    all.resize(size);
    return all;
}

Match Registers::is(unsigned reg, Bytes key) {
    Match all = Match::Yes;
    for (std::size_t at = 0; at < key.size() && all != Match::No; at += 4, ++reg) {
        const Bytes part = key.subspan(at, std::min<std::size_t>(4, key.size() - at));
        if (reg >= words_.size()) {
            return Match::Unclear;
        }
        const Word& word = words_[reg];
        asked_port |= word.port;
        if (word.port && packet_.to_ports && part.size() >= 2) {
            all = both(all, in_ports(*packet_.to_ports, port_at(part), port_at(part)));
        } else if (word.known != Match::Yes) {
            all = both(all, word.known);
        } else {
            all = both(all, match_if(std::equal(part.begin(), part.end(), word.bytes.begin())));
        }
    }
    return all;
}

Match Registers::compare(const Compared& compared) {
    const Bytes with(compared.with);
    if (compared.op == NFT_CMP_EQ || compared.op == NFT_CMP_NEQ) {
        const Match equal = is(compared.reg, with);
        return compared.op == NFT_CMP_EQ ? equal : inverted(equal);
    }
    if (has_ports(compared.reg, with.size())) {
        asked_port = true;
        constexpr int kLast = 65535;
        const int port = port_at(with);
        const auto limited = [&](int first, int last) {
            return first > last ? Match::No
                                : in_ports(*packet_.to_ports, static_cast<std::uint16_t>(std::max(first, 0)),
                                           static_cast<std::uint16_t>(std::min(last, kLast)));
        };
        return compared.op == NFT_CMP_LT    ? limited(0, port - 1)
               : compared.op == NFT_CMP_LTE ? limited(0, port)
               : compared.op == NFT_CMP_GT  ? limited(port + 1, kLast)
                                            : limited(port, kLast);
    }
    if (const Match all = known(compared.reg, with.size()); all != Match::Yes) {
        return all;
    }
    const auto have = bytes(compared.reg, with.size());
    const int order = std::memcmp(have.data(), with.data(), with.size());
    return match_if(compared.op == NFT_CMP_LT    ? order < 0
                    : compared.op == NFT_CMP_LTE ? order <= 0
                    : compared.op == NFT_CMP_GT  ? order > 0
                                                 : order >= 0);
}

Match Registers::between(const Between& between) {
    const auto limit = [&](std::uint32_t op, const std::vector<std::uint8_t>& with) {
        return compare({.reg = between.reg, .op = op, .with = with});
    };
    const Match inside = both(limit(NFT_CMP_GTE, between.from), limit(NFT_CMP_LTE, between.to));
    return between.inverted ? inverted(inside) : inside;
}

}  // namespace partd::kernel::nft
