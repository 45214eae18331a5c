// SPDX-License-Identifier: Apache-2.0
#include "kernel/file/secret_file.h"
#include "kernel/tunnel/path_mtu.h"
#include "kernel/tunnel/wireguard.h"
#include "kinds/link/interfaces.h"
#include "kinds/link/messages.h"
#include "kinds/link/wireguard/tunnel_file.h"
#include "kinds/link/wireguard/wireguard.h"

#include <linux/if_link.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

// WireGuard's devices on the live host. Private keys are read here, compared with the kernel's here and
// handed to the kernel here; whoever plans and tells knows their files alone.
namespace partd::link {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = kernel::Waits::Clock;
using Answer = kernel::Resolver::Answer;

// A peer that answers makes a handshake every two minutes while there is traffic; one that is older says that
// the other end is not there any more (REJECT_AFTER_TIME), or that there is none.
constexpr seconds kStale{180};
constexpr seconds kAgain{30};       // a name is asked for again
constexpr milliseconds kSoon{200};  // an answer is looked for again
constexpr milliseconds kPatience{3000};

Result<kernel::TunnelSocket> open_socket(const kernel::Netns& netns) {
    Result<kernel::TunnelSocket> socket = fail("");
    PARTD_TRY(netns.inside([&]() -> Result<> {
        socket = kernel::TunnelSocket::open();
        return {};
    }));
    return socket;
}

kernel::Resolver::Place place_of(const kernel::Host& host, const std::string& netns) {
    return netns.empty() ? kernel::Resolver::Place()
                         : kernel::Resolver::Place{.netns = host.paths().netns() + "/" + netns,
                                                   .etc = host.paths().etc_netns() + "/" + netns};
}

// The addresses of an endpoint's host.
Answer resolve(kernel::Host& host, const std::string& birth, const PeerEndpoint& endpoint) {
    if (const auto ip = endpoint.ip()) {
        return {.addresses = {*ip}};
    }
    return host.resolver().ask(place_of(host, birth), endpoint.host,
                               std::min(host.patience().value_or(kPatience), kPatience));
}

bool is_fresh(const kernel::TunnelPeer& peer) {
    const auto now = std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch());
    return peer.last_handshake.count() != 0 && now - peer.last_handshake < kStale;
}

// Findings of a look about the endpoints that are names.
struct Names {
    std::vector<std::string> missing = {};  // that do not resolve, and why
    std::optional<milliseconds> again = {};

    void look_again(milliseconds when) { again = std::min(again.value_or(when), when); }
};

// The endpoint as the file has it, where the kernel's may stay: it fits; one with a name answers, from
// wherever; or there is no other one yet.
std::string judged_endpoint(kernel::Host& host, const std::string& birth, const std::string& wanted,
                            const kernel::TunnelPeer& peer, Names& names) {
    const auto endpoint = PeerEndpoint::parse(wanted);
    if (!endpoint) {
        return "";  // it is told by its calls
    }
    const bool is_name = !endpoint->ip();
    if (is_name) {
        names.look_again(is_fresh(peer) ? kStale : kAgain);
    }
    if (is_name && peer.endpoint && is_fresh(peer)) {
        return wanted;
    }
    const Answer answer = resolve(host, birth, *endpoint);
    if (answer.pending) {
        names.look_again(kSoon);
    }
    if (answer.addresses.empty()) {
        if (!answer.pending || !peer.endpoint) {
            names.missing.push_back(fmt::format("{} ({})", endpoint->host, answer.why));
        }
        return wanted;
    }
    const bool fits = peer.endpoint && peer.endpoint->port == endpoint->port &&
                      std::ranges::find(answer.addresses, peer.endpoint->ip) != answer.addresses.end();
    return fits ? wanted : peer.endpoint ? peer.endpoint->text() : "none";
}

// A key by itself, or out of a file of wg-quick.
template <class Find>
Result<Secret> read_key(const std::string& path, const Find& find) {
    auto text = kernel::read_private_file(path);
    PARTD_TRY(text);
    if (!is_tunnel_file(*text)) {
        wipe(*text);
        return kernel::read_key_file(path);
    }
    const std::optional<Secret> key = find(*text);
    wipe(*text);
    return key ? Result<Secret>(*key) : fail(path + " does not have a key for this any more");
}

Result<Secret> read_preshared_key(const std::string& path, const PublicKey& peer) {
    return read_key(path, [&](std::string_view text) { return preshared_key_in(text, peer); });
}

std::string judged_preshared(const std::string& wanted, const kernel::TunnelPeer& peer) {
    if (peer.preshared_key.is_zero()) {
        return "";
    }
    const auto key = wanted.empty() ? fail("") : read_preshared_key(wanted, peer.public_key);
    return key && key->equals(peer.preshared_key) ? wanted : "another key";
}

Result<Secret> read_private_key(const std::string& path) {
    auto key = read_key(path, private_key_in);
    if (key) {
        key->clamp();
    }
    return key;
}

std::string judged_key(const std::string& wanted, const kernel::TunnelDevice& device) {
    if (device.private_key.is_zero()) {
        return "no key";
    }
    const auto key = wanted.empty() ? fail("") : read_private_key(wanted);
    return key && key->equals(device.private_key)
               ? wanted
               : "the key of " + (device.public_key ? device.public_key->text() : "?");
}

// The birth as the file has it, unless the ledger knows of another one: the kernel does not tell.
Name judged_birth(const Look& look, const std::string& identity, const Wireguard* wanted) {
    const LedgerEntry* entry = look.observation.ledger.find({look.key.kind->name, look.key.name});
    if (wanted == nullptr || entry == nullptr) {
        return wanted == nullptr ? Name("?") : wanted->birth;
    }
    const auto netns = look.observation.host.netns(wanted->birth_netns());
    const auto known = known_birth(entry->identity, identity);
    const auto is = [&](const std::string& other) {
        const auto its = look.observation.host.netns(other);
        return its && *known == (*its)->cookie();
    };
    return !known || (netns && *known == (*netns)->cookie()) ? wanted->birth
           : is("")                                          ? Name("host")
           : is(look.netns)                                  ? Name(look.netns.c_str())
                                                             : Name("elsewhere");
}

void note_names(const Look& look, const Names& names) {
    kernel::Waits& waits = look.observation.host.waits();
    const std::string name = look.key.text();
    if (!names.again || look.wanted == nullptr) {
        waits.drop(name);
        return;
    }
    const auto text = names.missing.empty() ? std::string()
                                            : fmt::format("{} waits for an address of {}", name,
                                                          fmt::join(names.missing, ", "));
    waits.note(name, {.owner = look.wanted->owner,
                      .at = look.wanted->source,
                      .text = text,
                      .again = Clock::now() + *names.again});
}

void take_peers(const Look& look, const Wireguard* wanted, const kernel::TunnelDevice& device,
                Wireguard& found) {
    Names names;
    for (const kernel::TunnelPeer& peer : device.peers) {
        ComparedPeer one{
            .public_key = peer.public_key, .allowed_ips = peer.allowed_ips, .keepalive = peer.keepalive};
        const auto none = std::vector<ComparedPeer>();
        const auto& all = wanted == nullptr ? none : wanted->peers;
        const auto as = std::ranges::find(all, peer.public_key, &ComparedPeer::public_key);
        if (as != all.end()) {
            one.endpoint =
                judged_endpoint(look.observation.host, wanted->birth_netns(), as->endpoint, peer, names);
        }
        one.preshared = judged_preshared(as == all.end() ? "" : as->preshared, peer);
        std::ranges::sort(one.allowed_ips);
        found.peers.push_back(std::move(one));
    }
    std::ranges::sort(found.peers, {}, &ComparedPeer::public_key);
    note_names(look, names);
}

// The attributes in which the peer differs; nullptr for one that is new.
Result<kernel::PeerChange> change_of(kernel::Host& host, const std::string& birth, const ComparedPeer& wanted,
                                     const ComparedPeer* found) {
    kernel::PeerChange change{.public_key = wanted.public_key, .only_existing = found != nullptr};
    if (found == nullptr || found->allowed_ips != wanted.allowed_ips) {
        change.allowed_ips = wanted.allowed_ips;
    }
    if (found == nullptr || found->keepalive != wanted.keepalive) {
        change.keepalive = static_cast<std::uint16_t>(wanted.keepalive);
    }
    if (found == nullptr ? !wanted.preshared.empty() : found->preshared != wanted.preshared) {
        auto key = wanted.preshared.empty() ? Result<Secret>(Secret())
                                            : read_preshared_key(wanted.preshared, wanted.public_key);
        PARTD_TRY(key);
        change.preshared_key = *key;
    }
    const auto endpoint = PeerEndpoint::parse(wanted.endpoint);
    if (endpoint && (found == nullptr || found->endpoint != wanted.endpoint)) {
        const Answer answer = resolve(host, birth, *endpoint);
        if (!answer.addresses.empty()) {
            change.endpoint = Endpoint{answer.addresses.front(), endpoint->port};
        }
    }
    return change;
}

Result<kernel::DeviceChange> difference(kernel::Host& host, const Wireguard& wanted, const Wireguard* found) {
    kernel::DeviceChange change;
    if (found == nullptr || found->private_key_file != wanted.private_key_file) {
        auto key = read_private_key(*wanted.private_key_file);
        PARTD_TRY(key);
        change.private_key = *key;
    }
    if (wanted.listen_port && (found == nullptr || found->listen_port != wanted.listen_port)) {
        change.listen_port = static_cast<std::uint16_t>(*wanted.listen_port);
    }
    if (wanted.fwmark != (found == nullptr ? 0 : found->fwmark)) {
        change.fwmark = static_cast<std::uint32_t>(wanted.fwmark);
    }
    const auto there = found == nullptr ? std::vector<ComparedPeer>() : found->peers;
    for (const ComparedPeer& peer : there) {
        if (std::ranges::find(wanted.peers, peer.public_key, &ComparedPeer::public_key) ==
            wanted.peers.end()) {
            change.peers.push_back({.public_key = peer.public_key, .remove = true, .only_existing = true});
        }
    }
    for (const ComparedPeer& peer : wanted.peers) {
        const auto as = std::ranges::find(there, peer.public_key, &ComparedPeer::public_key);
        if (as != there.end() && *as == peer) {
            continue;
        }
        auto one = change_of(host, wanted.birth_netns(), peer, as == there.end() ? nullptr : &*as);
        PARTD_TRY(one);
        change.peers.push_back(std::move(*one));
    }
    return change;
}

// The largest packet that still fits the way to each endpoint (wg-quick(8)): 80 bytes are WireGuard's own,
// and those of IPv6 and UDP.
std::optional<std::int64_t> fitting_mtu(kernel::NetlinkSocket& routes, const kernel::DeviceChange& change,
                                        std::int64_t fwmark) {
    constexpr std::int64_t kOwn = 80;
    constexpr std::int64_t kLeast = 1280;  // IPv6's
    std::optional<std::int64_t> least;
    for (const kernel::PeerChange& peer : change.peers) {
        const auto way = peer.endpoint
                             ? kernel::path_mtu(routes, peer.endpoint->ip, static_cast<std::uint32_t>(fwmark))
                             : std::nullopt;
        if (way) {
            const std::int64_t fits = std::clamp<std::int64_t>(*way - kOwn, kLeast, 65535 - kOwn);
            least = std::min(least.value_or(fits), fits);
        }
    }
    return least;
}

Result<> set_mtu(kernel::Host& host, kernel::Netns& netns, int index, const Wireguard& wanted,
                 const kernel::DeviceChange& change) {
    const auto birth = host.netns(wanted.birth_netns());
    PARTD_TRY(birth);
    const auto mtu = fitting_mtu((*birth)->route(), change, wanted.fwmark);
    if (!mtu || wanted.self.mtu) {
        return {};
    }
    kernel::Message message(RTM_SETLINK, 0);
    message.head(header(index, false, false))
        .number<std::uint32_t>(IFLA_MTU, static_cast<std::uint32_t>(*mtu));
    return netns.route().request(std::move(message), [](const kernel::Reply&) {});
}

}  // namespace

Spec look_at_wireguard(const Look& look, const Spec& found) {
    Wireguard now = found.as<Wireguard>();
    const bool is_wanted = look.wanted != nullptr && look.wanted->spec.is<Wireguard>();
    const Wireguard* wanted = is_wanted ? &look.wanted->spec.as<Wireguard>() : nullptr;
    const auto netns = look.observation.host.netns(look.netns);
    auto socket = netns ? open_socket(**netns) : std::unexpected(netns.error());
    const auto device = socket ? socket->get(look.link.index) : std::unexpected(socket.error());
    now.birth = netns ? judged_birth(look, end_identity(**netns, look.link.index), wanted) : Name("?");
    // Where the device cannot be seen, everything differs, and the change says why.
    now.private_key_file = AbsolutePath("?");
    if (device) {
        const std::string file =
            wanted == nullptr ? std::string() : wanted->private_key_file.value_or(AbsolutePath());
        now.private_key_file = AbsolutePath(judged_key(file, *device).c_str());
        now.listen_port = device->listen_port;
        now.fwmark = device->fwmark;
        take_peers(look, wanted, *device, now);
    }
    return Spec(std::move(now));
}

Result<> configure_wireguard(kernel::Host& host, kernel::Netns& netns, int index, const Spec& wanted,
                             const Spec& found) {
    const Wireguard& as = wanted.as<Wireguard>();
    const bool is_there = found && found.is<Wireguard>();
    const auto change = difference(host, as, is_there ? &found.as<Wireguard>() : nullptr);
    PARTD_TRY(change);
    if (change->empty()) {
        return {};
    }
    auto socket = open_socket(netns);
    PARTD_TRY(socket);
    PARTD_TRY(socket->set(index, *change));
    return set_mtu(host, netns, index, as, *change);
}

Result<> prepare_wireguard(const Spec& wanted) {
    const Wireguard& as = wanted.as<Wireguard>();
    PARTD_TRY(read_private_key(*as.private_key_file));
    for (const ComparedPeer& peer : as.peers) {
        if (!peer.preshared.empty()) {
            PARTD_TRY(read_preshared_key(peer.preshared, peer.public_key));
        }
    }
    return {};
}

}  // namespace partd::link
