// SPDX-License-Identifier: Apache-2.0
#include "kinds/net/dns.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kinds/link/interfaces.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kDnsFields[] = {
    field<&Dns::nameserver>("nameserver", "addresses of name servers", {.role = Role::Declared}),
    field<&Dns::search>("search", "domains that complete short names", {.role = Role::Declared}),
    field<&Dns::options>("options", "options of resolv.conf(5)", {.role = Role::Declared}),
    field<&Dns::hosts>("hosts", "names with their addresses", {.role = Role::Declared}),
};

constexpr Field kFileFields[] = {
    field<&DnsFile::partition>("partition", "its partition", {.role = Role::Identity, .live = true}),
    field<&DnsFile::name>("name", "its name below /etc/netns/NAME", {.role = Role::Identity, .live = true}),
    field<&DnsFile::content>("content", "its text", {.live = true}),
};

constexpr Declaration kLanguage[] = {declaration<Dns>("partition.*.dns")};

std::string mark_line(const std::string& partition) {
    return fmt::format("# Made by partd for partition {}; changes are put back.\n", partition);
}

std::string resolv_conf(const Dns& dns) {
    std::string text;
    for (const Ip& server : dns.nameserver) {
        text += fmt::format("nameserver {}\n", server.text());
    }
    if (!dns.search.empty()) {
        text += fmt::format("search {}\n", join(dns.search, " "));
    }
    if (!dns.options.empty()) {
        text += fmt::format("options {}\n", join(dns.options, " "));
    }
    return text;
}

std::string hosts_file(const Dns& dns) {
    // It stands in the place of the host's file, and programs expect localhost to be a name.
    std::string text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
    for (const auto& [name, addresses] : dns.hosts) {
        for (const Ip& address : addresses) {
            text += fmt::format("{} {}\n", address.text(), name);
        }
    }
    return text;
}

void check_words(const DeclaredObject& object, Diagnostics& problems) {
    const Dns& dns = object.spec.as<Dns>();
    const auto check = [&](const std::string& word, std::string_view key) {
        if (words(word).size() != 1 || words(word)[0] != word || word.contains('#')) {
            problems.error(object.place(key), fmt::format("\"{}\" is not one word", word));
        }
    };
    std::ranges::for_each(dns.search, [&](const std::string& word) { check(word, "search"); });
    std::ranges::for_each(dns.options, [&](const std::string& word) { check(word, "options"); });
    for (const auto& [name, addresses] : dns.hosts) {
        check(name, "hosts");
    }
}

// Name servers of a partition's links, where no file declares any.
NameServers servers_of_links(const Declared& declared, const std::string& partition) {
    NameServers all;
    for (const DeclaredObject* link : declared_links(declared, partition)) {
        const auto name_servers = type_of(link->spec)->ops.name_servers;
        if (name_servers != nullptr) {
            const NameServers& some = name_servers(link->spec.data());
            std::ranges::copy(some.servers, std::back_inserter(all.servers));
            std::ranges::copy(some.search, std::back_inserter(all.search));
        }
    }
    return all;
}

// As it is declared, with those.
Dns dns_of(const Declared& declared, const std::string& partition) {
    Dns dns;
    for (const DeclaredObject* object : declared.all<Dns>(partition)) {
        dns = object->spec.as<Dns>();
    }
    NameServers of_links = dns.nameserver.empty() ? servers_of_links(declared, partition) : NameServers();
    if (!of_links.servers.empty()) {
        dns.nameserver = std::move(of_links.servers);
        dns.search = dns.search.empty() ? std::move(of_links.search) : dns.search;
    }
    return dns;
}

// The declaration of each partition's names: its own, else the first link that brings some.
std::map<std::string, const DeclaredObject*> declarations(const Declared& declared) {
    std::map<std::string, const DeclaredObject*> all;
    for (const DeclaredObject* object : declared.all<Dns>()) {
        all[object->owner] = object;
    }
    for (const DeclaredObject* link : declared_links(declared)) {
        const auto name_servers = type_of(link->spec)->ops.name_servers;
        if (name_servers != nullptr && !name_servers(link->spec.data()).servers.empty()) {
            all.emplace(link->owner, link);
        }
    }
    return all;
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Dns>()) {
        check_words(*object, problems);
    }
    for (const auto& entry : declarations(declared)) {
        const DeclaredObject& object = *entry.second;
        const Dns dns = dns_of(declared, object.owner);
        const auto add = [&](const std::string& name, const std::string& text) {
            desired.add({.key = dns_file_key(object.owner, name),
                         .spec = Spec(DnsFile{object.owner, name, mark_line(object.owner) + text}),
                         .owner = object.owner,
                         .source = object.source});
        };
        for (const std::string& name : dns_files(declared, object.owner)) {
            add(name, name == "hosts" ? hosts_file(dns) : resolv_conf(dns));
        }
    }
}

std::string path_of(const kernel::Host& host, const Key& key) {
    return host.paths().etc_netns() + "/" + key.name;
}

// An editor that empties the file first takes the mark off for a moment: it is the same file all the same.
std::string identity_of(const std::string& path) {
    const auto stamp = kernel::file_stamp(path);
    const auto parts = words(stamp);
    return parts.size() > 1 ? std::string(parts[1]) : "";
}

// The file is gone, and nobody wants it any more: so does its directory go, if that is all that is left.
bool left_a_directory(const Observation& observation, const Key& key, const std::string& path) {
    const auto directory = kernel::list_directory(path.substr(0, path.rfind('/')));
    return observation.desired.find(key) == nullptr &&
           observation.ledger.find({kDnsFile.kind.name, key.name}) != nullptr && directory &&
           directory->empty();
}

void observe_one(Observation& observation, const Key& key) {
    const std::string path = path_of(observation.host, key);
    const auto text = kernel::read_file(path);
    const std::size_t slash = key.name.find('/');
    const std::string partition = key.name.substr(0, slash);
    if (!text) {
        const bool gone = text.error().code == ENOENT || text.error().code == ENOTDIR;
        const Spec unknown(DnsFile{partition, key.name.substr(slash + 1), ""});
        if (!gone) {
            // Not made anew: a partition's mount of it would stay the old one.
            observation.add_unreadable(key, unknown, partition, text.error());
        } else if (left_a_directory(observation, key, path)) {
            observation.add({.key = key, .spec = unknown, .owner = partition, .marked = true});
        }
        return;
    }
    observation.add({.key = key,
                     .spec = Spec(DnsFile{partition, key.name.substr(slash + 1), *text}),
                     .owner = partition,
                     .marked = text->starts_with(mark_line(partition)),
                     .holder = path + " was made by somebody else",
                     .identity = identity_of(path)});
}

// Without a ledger only the files themselves tell which are ours.
void observe_all(Observation& observation) {
    const std::string root = observation.host.paths().etc_netns();
    for (const std::string& partition : kernel::list_directory(root).value_or(std::vector<std::string>())) {
        for (const char* name : {"resolv.conf", "hosts"}) {
            const Key key = dns_file_key(partition, name);
            const bool marked = kernel::read_file(path_of(observation.host, key))
                                    .value_or("")
                                    .starts_with(mark_line(partition));
            if (marked && observation.desired.find(key) == nullptr) {
                observe_one(observation, key);
            }
        }
    }
}

Result<> observe(Observation& observation) {
    if (observation.ledger.lost) {
        observe_all(observation);
    }
    for (const std::string& name : observation.names_of(kDnsFile.kind)) {
        observe_one(observation, {&kDnsFile.kind, name});
    }
    return {};
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t) {
    const std::string path = path_of(context.host, change.key);
    const std::string directory = path.substr(0, path.rfind('/'));
    context.batch.count_write();
    if (change.action == Action::Update) {
        return kernel::rewrite(path, change.wanted.as<DnsFile>().content);
    }
    if (change.action == Action::Create) {
        PARTD_TRY(kernel::make_directories(directory));
        PARTD_TRY(kernel::write_atomically(path, change.wanted.as<DnsFile>().content));
        context.learnt.emplace_back(change.key, identity_of(path));
        return {};
    }
    PARTD_TRY(kernel::remove_file(path));
    kernel::remove_empty_directory(directory);  // it stays when somebody else has a file in it
    return {};
}

}  // namespace

std::vector<std::string> dns_files(const Declared& declared, const std::string& partition) {
    std::vector<std::string> names;
    const Dns dns = dns_of(declared, partition);
    if (!resolv_conf(dns).empty()) {
        names.emplace_back("resolv.conf");
    }
    if (!dns.hosts.empty()) {
        names.emplace_back("hosts");
    }
    return names;
}

Key dns_file_key(const std::string& partition, const std::string& name) {
    return {&kDnsFile.kind, partition + "/" + name};
}

constinit const Table Dns::table = {"dns", "Names: /etc/netns/NAME/resolv.conf and hosts.", kDnsFields};
constinit const Table DnsFile::table = {"file", "A file of /etc/netns.", kFileFields};

constinit const LiveKind kDnsFile = {
    .kind = {.name = "file",
             .language = kLanguage,
             .phase = Phase::Network,
             .expand = expand,
             .independent = true},
    .observe = observe,
    .apply = apply,
    .watch =
        [](const Resource& wanted, kernel::Host& host, std::vector<std::string>& topics) {
            const std::string path = path_of(host, wanted.key);
            topics.push_back(kernel::directory_topic(path.substr(0, path.rfind('/'))));
        },
};

}  // namespace partd
