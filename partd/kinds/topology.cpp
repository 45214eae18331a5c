#include "kinds/topology.h"

#include "base/names.h"
#include "base/text.h"
#include "kinds/marks.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace partd {

std::string place_text(std::string_view netns, std::string_view interface) {
    return netns.empty() ? "host:" + std::string(interface)
                         : std::string(netns) + "/" + std::string(interface);
}

LinkEnd self_end(const DeclaredObject& object) {
    LinkEnd end = object.spec.as<Veth>().self;
    end.netns = object.owner;
    end.name = IfName(object.name.c_str());
    end.mark = LinkMark{object.owner, object.name, false}.text();
    return end;
}

namespace {

// "eth2" before "eth10".
bool named_before(const DeclaredObject& one, const DeclaredObject& other) {
    return strverscmp(one.name.c_str(), other.name.c_str()) < 0;
}

// Whether another link of the partition, with its other end in the same namespace, has the default name.
bool has_default_name_elsewhere(const Declared& declared, const DeclaredObject& object,
                                std::string_view default_name) {
    const auto& place = object.spec.as<Veth>().peer_partition;
    return std::ranges::any_of(declared.all<Veth>(object.owner), [&](const DeclaredObject* each) {
        const Veth& veth = each->spec.as<Veth>();
        return each != &object && veth.peer_partition == place &&
               (veth.peer.name.empty() ? named_before(*each, object) : veth.peer.name == default_name);
    });
}

void give_name(LinkEnd& end, const Declared& declared, const DeclaredObject& object) {
    std::string full = "pv-" + object.owner;
    if (has_default_name_elsewhere(declared, object, shortened(full, kMaxIfName))) {
        full = named_end_altname(object.owner, object.name);
    }
    end.name = IfName(shortened(full, kMaxIfName).c_str());
    end.altname = end.name == full ? "" : full;
}

}  // namespace

LinkEnd peer_end(const Declared& declared, const DeclaredObject& object) {
    const Veth& veth = object.spec.as<Veth>();
    LinkEnd end = veth.peer;
    end.netns = veth.peer_partition.value_or(Name());
    end.mark = LinkMark{object.owner, object.name, true}.text();
    if (!end.mtu) {
        end.mtu = veth.self.mtu;  // a pair with two sizes drops what does not fit
    }
    end.up = veth.self.up;
    if (end.name.empty()) {
        give_name(end, declared, object);
    } else if (end.netns.empty() && !end.name.starts_with("pv-")) {
        end.altname = named_end_altname(object.owner, object.name);
    }
    return end;
}

std::string named_end_altname(std::string_view partition, std::string_view link) {
    return fmt::format("pv-{}.{}", partition, link);
}

namespace {

// A router asks for its neighbours from a link-local address; without one the host passes no IPv6 packet on
// to the partition. A fixed one needs no probing, as a generated one would, and is a gateway that every
// partition can name.
std::vector<Sourced<Address>> with_link_local(std::vector<Sourced<Address>> addresses) {
    const auto is_v6 = [](const auto& address) { return address.value.ip.v6(); };
    const auto is_link_local = [&](const auto& address) {
        return is_v6(address) && address.value.ip.is_link_local();
    };
    const auto first = std::ranges::find_if(addresses, is_v6);
    if (first != addresses.end() && std::ranges::none_of(addresses, is_link_local)) {
        addresses.push_back({*Address::parse("fe80::1/64"), first->at});
    }
    return addresses;
}

}  // namespace

std::vector<Interface> all_interfaces(const Declared& declared) {
    std::vector<Interface> all;
    for (const DeclaredObject* object : declared.all<Veth>()) {
        const Veth& veth = object->spec.as<Veth>();
        const LinkEnd self = self_end(*object);
        const LinkEnd peer = peer_end(declared, *object);
        const Key key = veth_key(object->owner, object->name);
        all.push_back(
            {self.netns, self.name, object->owner, key, veth.address, object->source, peer.netns.empty()});
        auto addresses = peer.netns.empty() ? with_link_local(veth.peer_address) : veth.peer_address;
        all.push_back(
            {peer.netns, peer.name, object->owner, key, std::move(addresses), object->source, false});
    }
    for (const DeclaredObject* object : declared.all<Loopback>()) {
        all.push_back({object->owner, "lo", object->owner, std::nullopt, object->spec.as<Loopback>().address,
                       object->source, false});
    }
    return all;
}

std::map<std::string, std::vector<Interface>> interfaces_by_netns(const Declared& declared) {
    std::map<std::string, std::vector<Interface>> by_netns;
    for (Interface& interface : all_interfaces(declared)) {
        by_netns[interface.netns].push_back(std::move(interface));
    }
    return by_netns;
}

Result<const kernel::Link*> find_for_request(Doing& doing, const std::string& netns,
                                             const std::string& name) {
    const kernel::Link* link = doing.host.find_link(netns, name);
    if (link != nullptr && link->index < kernel::kFirstOwnIndex) {
        auto where = doing.host.netns(netns);
        PARTD_TRY(where);
        const auto now = kernel::get_link((*where)->route(), link->index);
        PARTD_TRY(now);
        if (!*now || (*now)->name != link->name || (*now)->alias != link->alias) {
            link = nullptr;
        }
    }
    return link == nullptr ? fail(ENODEV, "find " + place_text(netns, name))
                           : Result<const kernel::Link*>(link);
}

std::string wanted_name(const Look& look, const kernel::Link& link) {
    const auto mark = parse_link_mark(link.alias);
    const Resource* wanted = mark ? look.desired.find(veth_key(mark->partition, mark->link)) : nullptr;
    if (wanted == nullptr) {
        return link.name;
    }
    const Veth& veth = wanted->spec.as<Veth>();
    return mark->peer ? veth.peer.name : veth.self.name;
}

}  // namespace partd
