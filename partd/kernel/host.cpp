// SPDX-License-Identifier: Apache-2.0
#include "kernel/host.h"

#include "kernel/clock.h"
#include "kernel/file/files.h"
#include "kernel/file/lock.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace partd::kernel {

Result<Host> Host::open(Paths paths) {
    PARTD_TRY(learn_boot_id());
    auto self = Netns::current();
    PARTD_TRY(self);
    auto cgroups = Cgroups::find(paths.root);
    PARTD_TRY(cgroups);
    const auto user_namespace = owner_of(self->fd());
    PARTD_TRY(user_namespace);
    return Host(std::move(paths), std::move(*self), std::move(*cgroups), *user_namespace);
}

Netns* Host::find_open(const std::string& name) {
    const auto found = open_.find(name);
    if (found == open_.end()) {
        return nullptr;
    }
    if (found->second.doubtful && !directory_.stands_for(name, *found->second.netns)) {
        open_.erase(found);
        return nullptr;
    }
    found->second.doubtful = false;
    return found->second.netns.get();
}

NetnsDirectory::Entry Host::netns_entry(const std::string& name) {
    return find_open(name) != nullptr ? NetnsDirectory::Entry::Namespace : directory_.look(name);
}

Result<Netns*> Host::netns(const std::string& name) {
    if (name.empty()) {
        return &self_;
    }
    if (Netns* open = find_open(name)) {
        return open;
    }
    auto netns = directory_.open(name);
    PARTD_TRY(netns);
    keep(name, std::move(*netns));
    return open_.at(name).netns.get();
}

std::string Host::group_of(std::string_view owner) {
    const auto known = groups_.find(owner);
    if (known != groups_.end() && cgroups_.owner(known->second) == owner) {
        return known->second;
    }
    groups_.clear();
    auto all = cgroups_.marked();
    if (!all) {
        groups_listed_ = std::unexpected(std::move(all).error());
        return "";
    }
    for (MarkedGroup& group : *all) {
        groups_.emplace(std::move(group.owner), std::move(group.path));
    }
    const auto found = groups_.find(owner);
    return found == groups_.end() ? std::string() : found->second;
}

void Host::keep(const std::string& name, Netns netns) {
    open_[name] = {.netns = std::make_unique<Netns>(std::move(netns))};
}

Result<const std::vector<Link>*> Host::links(const std::string& name) {
    if (const auto found = links_.find(name); found != links_.end()) {
        return &found->second;
    }
    auto where = netns(name);
    PARTD_TRY(where);
    auto listed = list_links((*where)->route());
    PARTD_TRY(listed);
    return &links_.emplace(name, std::move(*listed)).first->second;
}

Result<const std::vector<Link>*> Host::links_in_view(const std::string& name) {
    return name.empty() && view_ ? Result<const std::vector<Link>*>(&*view_) : links(name);
}

Result<> Host::view_only(const std::set<std::string>& names, const std::set<int>& indexes) {
    std::vector<Link> found;
    const auto take = [&](const Result<std::optional<Link>>& link) {
        if (link && *link && std::ranges::find(found, (*link)->index, &Link::index) == found.end()) {
            found.push_back(**link);
        }
        return link ? Result<>() : std::unexpected(link.error());
    };
    for (const std::string& name : names) {
        PARTD_TRY(take(get_link(self_.route(), name)));
    }
    for (const int index : indexes) {
        PARTD_TRY(take(get_link(self_.route(), index)));
    }
    view_ = std::move(found);
    return {};
}

std::optional<int> Host::namespace_id(const std::string& name) {
    const auto where = netns(name);
    return where ? kernel::namespace_id(self_.route(), (*where)->fd()) : std::nullopt;
}

const Link* Host::find_link(const std::string& netns, const std::string& name) {
    const auto all = links_in_view(netns);
    if (!all) {
        return nullptr;
    }
    const auto is_called = [&](const Link& link) {
        return link.name == name || std::ranges::find(link.altnames, name) != link.altnames.end();
    };
    const auto found = std::ranges::find_if(**all, is_called);
    if (found != (*all)->end()) {
        return &*found;
    }
    if (!netns.empty() || !view_) {
        return nullptr;
    }
    const auto asked = get_link(self_.route(), name);
    return asked && *asked ? &asked_.emplace_back(**asked) : nullptr;
}

Result<nft::Nftables*> Host::nftables() {
    if (!nftables_) {
        auto opened = nft::Nftables::open();
        PARTD_TRY(opened);
        nftables_ = std::move(*opened);
    }
    return &*nftables_;
}

Result<NetlinkSocket*> Host::xfrm() {
    if (!xfrm_) {
        auto opened = NetlinkSocket::open(NETLINK_XFRM);
        PARTD_TRY(opened);
        xfrm_ = std::move(*opened);
    }
    return &*xfrm_;
}

const IngressFilter& Host::ingress_filter() {
    if (!ingress_filter_) {
        ingress_filter_ = IngressFilter::load();
    }
    return *ingress_filter_;
}

void Host::release(const std::string& name) {
    if (auto found = open_.extract(name)) {
        released_.push_back(std::move(found.mapped().netns));
    }
    links_.erase(name);
}

void Host::cache_link(const std::string& netns, const Link& link) {
    if (const auto found = links_.find(netns); found != links_.end()) {
        found->second.push_back(link);
    }
    if (netns.empty() && view_) {
        view_->push_back(link);
    }
}

void Host::drop_link(const std::string& netns, int index) {
    const auto is_it = [&](const Link& link) { return link.index == index; };
    if (const auto found = links_.find(netns); found != links_.end()) {
        std::erase_if(found->second, is_it);
    }
    if (netns.empty()) {
        std::erase_if(asked_, is_it);
        if (view_) {
            std::erase_if(*view_, is_it);
        }
    }
}

void Host::rename_link(const std::string& netns, int index, const std::string& name) {
    const auto rename = [&](auto& links) {
        for (Link& link : links) {
            link.name = link.index == index ? name : link.name;
        }
    };
    if (const auto found = links_.find(netns); found != links_.end()) {
        rename(found->second);
    }
    if (netns.empty()) {
        rename(asked_);
        if (view_) {
            rename(*view_);
        }
    }
}

Result<int> Host::draw_index(const std::string& netns) {
    constexpr int kMost = std::numeric_limits<int>::max();
    auto where = this->netns(netns);
    PARTD_TRY(where);
    while (true) {
        // From a random one on: another partd, in another namespace, moves its interfaces here with theirs.
        if (next_index_ == 0 || next_index_ == kMost) {
            unsigned random = 0;
            if (getrandom(&random, sizeof random, 0) != sizeof random) {
                return fail_errno("draw an interface index");
            }
            next_index_ = kFirstOwnIndex + static_cast<int>(random % (unsigned{kMost} - kFirstOwnIndex));
        }
        const int index = next_index_++;
        const auto holder = get_link((*where)->route(), index);
        PARTD_TRY(holder);
        if (!*holder) {
            return index;
        }
    }
}

void Host::wait_until_gone(const std::set<int>& indexes) {
    constexpr int kPatience = 300;  // pauses without progress
    constexpr useconds_t kPause = 1000;
    const auto is_there = [&](int index) {
        return get_link(self_.route(), index).value_or(std::nullopt).has_value();
    };
    int idle = 0;
    std::ptrdiff_t left = 0;
    for (auto next = indexes.begin(); next != indexes.end();) {
        if (!is_there(*next)) {
            ++next;
            idle = 0;
        } else if (++idle < kPatience) {
            usleep(kPause);
        } else {
            // The kernel may take the others first.
            const auto still = std::count_if(next, indexes.end(), is_there);
            if (still == left) {
                break;
            }
            left = still;
            idle = 0;
        }
    }
    forget_lists();
}

Result<Fd> Host::lock() const {
    PARTD_TRY(make_directories(paths_.state()));
    return lock_file(paths_.lock(), lock_patience_, on_waiting);
}

std::chrono::milliseconds Host::time_to_leave(const std::string& whose, std::chrono::milliseconds patience) {
    const auto now = std::chrono::steady_clock::now();
    const auto until = leaving_.try_emplace(whose, now + patience).first->second;
    return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(until - now));
}

void Host::forget_lists() {
    links_.clear();
    view_.reset();
    asked_.clear();
}

void Host::invalidate() {
    for (auto& [name, open] : open_) {
        open.doubtful = true;
    }
    directory_.forget();
    pins_.forget();
    users_.clear();
    groups_listed_ = {};
    if (Systemd* systemd = cgroups_.systemd()) {
        systemd->close();  // it tells everybody who listens of all units
    }
    forget_lists();
}

void Host::forget_all() {
    open_.clear();
    invalidate();
}

}  // namespace partd::kernel
