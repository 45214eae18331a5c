// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/cgroup/cgroups.h"
#include "kernel/events/topics.h"
#include "kernel/namespace/netns.h"
#include "kernel/netlink/ingress.h"
#include "kernel/netlink/links.h"
#include "kernel/nft/foreign_rules.h"
#include "kernel/nft/nftables.h"
#include "kernel/process/endings.h"
#include "kernel/resolver.h"
#include "kernel/waits.h"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd::kernel {

// Where things are; all below `root`, which is "" but in tests.
struct Paths {
    std::string root;

    [[nodiscard]] std::vector<std::string> config() const {
        return {root + "/usr/lib/partd", root + "/run/partd", root + "/etc/partd"};
    }
    [[nodiscard]] std::string state() const { return root + "/run/partd"; }
    [[nodiscard]] std::string ledger() const { return state() + "/ledger"; }
    [[nodiscard]] std::string accepted() const { return state() + "/accepted"; }
    [[nodiscard]] std::string lock() const { return state() + "/lock"; }
    [[nodiscard]] std::string paused() const { return state() + "/paused"; }
    [[nodiscard]] std::string bus() const { return state() + "/bus"; }
    [[nodiscard]] std::string pins() const { return state() + "/ns"; }
    // Directories that outlive a reboot.
    [[nodiscard]] std::string library() const { return root + "/var/lib/partd"; }
    [[nodiscard]] std::string history() const { return library() + "/history"; }
    [[nodiscard]] std::string way_back() const { return history() + "/way-back"; }
    [[nodiscard]] std::string confirmation() const { return library() + "/confirm"; }
    [[nodiscard]] std::string rolled_back() const { return library() + "/rolled-back"; }
    [[nodiscard]] std::string layers() const { return library() + "/layers"; }
    [[nodiscard]] std::string netns() const { return root + "/run/netns"; }
    [[nodiscard]] std::string etc_netns() const { return root + "/etc/netns"; }
    // Units of systemd until the next boot.
    [[nodiscard]] std::string units() const { return root + "/run/systemd/system"; }
};

// The live host, as far as partd looks at it: what is open stays open, and what was listed is remembered
// until forget().
class Host {
public:
    static Result<Host> open(Paths paths);

    [[nodiscard]] const Paths& paths() const { return paths_; }
    NetnsDirectory& directory() { return directory_; }
    // The namespaces of other types than net.
    PinDirectory& pins() { return pins_; }
    // The inode of a partition's user namespace, as last seen; nullopt when it has none.
    [[nodiscard]] std::optional<ino_t> user_of(const std::string& partition) const {
        const auto found = users_.find(partition);
        return found == users_.end() ? std::nullopt : std::optional(found->second);
    }
    void note_user(const std::string& partition, ino_t inode) { users_[partition] = inode; }
    // The inode of the user namespace that is the host's.
    [[nodiscard]] std::optional<ino_t> user_namespace() const { return user_namespace_; }
    [[nodiscard]] const Cgroups& cgroups() const { return cgroups_; }
    // The cgroup that carries that owner's mark; "" when none does, or when they cannot be listed.
    std::string group_of(std::string_view owner);
    // Success if the groups could be listed at each attempt since doubt_all().
    [[nodiscard]] const Result<>& groups_listed() const { return groups_listed_; }
    // Remembers one that was just made.
    void note_group(const std::string& owner, const std::string& group) { groups_[owner] = group; }
    // The state of that name below /run/netns.
    NetnsDirectory::Entry netns_entry(const std::string& name);
    // The named namespace, or the host's own for "". An error when it cannot be opened.
    Result<Netns*> netns(const std::string& name);
    // Keeps a namespace that was just made.
    void keep(const std::string& name, Netns netns);
    // The name is gone. The namespace stays open until close_released(): closing many one after the other,
    // when all names are gone, lets the kernel clean up after all of them at once.
    void release(const std::string& name);
    void close_released() { released_.clear(); }
    // All interfaces of that namespace.
    Result<const std::vector<Link>*> links(const std::string& name);
    // Limits links_in_view("") to these interfaces of the host, by name, alternative name or index, until
    // forget_lists(): a host may have thousands that a look is not about.
    Result<> view_only(const std::set<std::string>& names, const std::set<int>& indexes);
    // The interfaces of that namespace that the look is about: all of them, but for view_only().
    Result<const std::vector<Link>*> links_in_view(const std::string& name);
    // The host's id of that namespace, which its events bear; a namespace without one gets one.
    std::optional<int> namespace_id(const std::string& name);
    // The interface with that name or alternative name; nullptr when there is none. One of the host's that is
    // not in view is asked for.
    const Link* find_link(const std::string& netns, const std::string& name);
    // Remembers an interface that was just made, as list_links() would tell it.
    void cache_link(const std::string& netns, const Link& link);
    // Forgets one that is removed; remembers the new name of one that was renamed.
    void drop_link(const std::string& netns, int index);
    void rename_link(const std::string& netns, int index, const std::string& name);
    // An interface index for an interface that is to be made in that namespace, from kFirstOwnIndex on: one
    // that nobody has there, nor gets before the request arrives.
    Result<int> draw_index(const std::string& netns);
    // Waits until no interface of the host has one of these indexes, or none of them goes any more.
    void wait_until_gone(const std::set<int>& indexes);
    // The nftables of the host's own namespace, or why there are none.
    Result<nft::Nftables*> nftables();
    // A socket of the host's own namespace for IPsec's policies; EPROTONOSUPPORT where the kernel has none.
    Result<NetlinkSocket*> xfrm();
    // The filter of the host's ends of links.
    const IngressFilter& ingress_filter();
    Resolver& resolver() { return resolver_; }
    // Objects that the last looks found waiting.
    Waits& waits() { return waits_; }
    // How processes inside partitions ended, as far as this process saw them alive.
    Terminations& terminations() { return terminations_; }
    // The tables of others in the host's own namespace.
    nft::ForeignTables& foreign_tables() { return foreign_tables_; }
    // The port of the socket by which this changes them; 0 before it does.
    [[nodiscard]] std::uint32_t nftables_port() const { return nftables_ ? nftables_->port() : 0; }

    // How long a run waits for another one's lock, and who hears that it waits.
    void set_lock_patience(std::chrono::milliseconds patience) { lock_patience_ = patience; }
    std::function<void(const std::string&)> on_waiting = {};
    // Keeps all other runs away from this host until it is closed; EWOULDBLOCK when that takes too long.
    [[nodiscard]] Result<Fd> lock() const;

    // How long one apply may wait for processes that are to end; nullopt: as long as they have.
    void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }
    [[nodiscard]] std::optional<std::chrono::milliseconds> patience() const { return patience_; }
    // The rest of the time that these processes have to end, counted from the first call.
    std::chrono::milliseconds time_to_leave(const std::string& whose, std::chrono::milliseconds patience);
    void forget_leaving(const std::string& whose) { leaving_.erase(whose); }

    // Drops cached lists: they may be out of date.
    void forget_lists();
    // Names may stand for other namespaces now: what is open is used again only where its name still stands
    // for it.
    void invalidate();
    // As invalidate(), and closes all namespaces.
    void forget_all();

private:
    Host(Paths paths, Netns self, Cgroups cgroups, std::optional<ino_t> user_namespace)
        : paths_(std::move(paths)),
          directory_(paths_.netns()),
          pins_(paths_.pins()),
          cgroups_(std::move(cgroups)),
          self_(std::move(self)),
          user_namespace_(user_namespace) {}

    Paths paths_;
    NetnsDirectory directory_;
    PinDirectory pins_;
    Cgroups cgroups_;
    Netns self_;
    std::optional<ino_t> user_namespace_;
    std::map<std::string, ino_t> users_;
    struct Open {
        std::unique_ptr<Netns> netns;
        bool doubtful = false;
    };
    // The open namespace of that name; nullptr when there is none, or the name stands for another one now.
    Netns* find_open(const std::string& name);

    std::map<std::string, Open> open_;
    std::vector<std::unique_ptr<Netns>> released_;
    std::map<std::string, std::vector<Link>> links_;
    std::optional<std::vector<Link>> view_;  // of the host's interfaces: those of view_only()
    std::deque<Link> asked_;                 // links of the host asked for beyond the view
    int next_index_ = 0;                     // 0: none was drawn yet
    std::map<std::string, std::string, std::less<>> groups_;  // by owner, as last seen
    Result<> groups_listed_;
    std::optional<nft::Nftables> nftables_;
    std::optional<NetlinkSocket> xfrm_;
    std::optional<IngressFilter> ingress_filter_;
    Terminations terminations_;
    nft::ForeignTables foreign_tables_;
    Resolver resolver_;
    Waits waits_;
    std::chrono::milliseconds lock_patience_{30'000};
    std::optional<std::chrono::milliseconds> patience_;
    std::map<std::string, std::chrono::steady_clock::time_point> leaving_;  // until when
};

}  // namespace partd::kernel
