#include "kinds/topology.h"

#include "base/names.h"
#include "base/text.h"
#include "kinds/marks.h"

#include <algorithm>

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

LinkEnd peer_end(const DeclaredObject& object) {
    const Veth& veth = object.spec.as<Veth>();
    LinkEnd end = veth.peer;
    end.netns = veth.peer_partition.value_or(Name());
    end.mark = LinkMark{object.owner, object.name, true}.text();
    if (!end.mtu) {
        end.mtu = veth.self.mtu;  // a pair with two sizes drops what does not fit
    }
    end.up = veth.self.up;
    if (end.name.empty()) {
        const std::string full = "pv-" + object.owner;
        end.name = IfName(shortened(full, kMaxIfName).c_str());
        end.altname = end.name == full ? "" : full;
    }
    return end;
}

std::vector<Interface> all_interfaces(const Declared& declared) {
    std::vector<Interface> all;
    for (const DeclaredObject* object : declared.all<Veth>()) {
        const Veth& veth = object->spec.as<Veth>();
        const LinkEnd self = self_end(*object);
        const LinkEnd peer = peer_end(*object);
        const Key key = veth_key(object->owner, object->name);
        all.push_back(
            {self.netns, self.name, object->owner, key, veth.address, object->source, peer.netns.empty()});
        all.push_back({peer.netns, peer.name, object->owner, key, veth.peer_address, object->source, false});
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
