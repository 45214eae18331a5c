# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# The journal: entries with fields, and a catalog that explains them.
# timeout: 120

with_daemon
entries() { journalctl --boot --unit=partd.service --since="$since" --output=json --no-pager "$@"; }
since=$(date '+%F %T')
sleep 1
example workshop
eventually "the partition is made" 15 ping -c 1 -W 1 10.1.1.1
ip link set veth0 mtu 1400
config broken <<<'[partition'
eventually "the daemon tells of a wrong file" 15 bash -c "journalctl --unit=partd.service --since='$since' --no-pager | grep broken.toml"
rm /etc/partd/broken.toml
journalctl --sync
expect "the partition of the changes" workshop "$(entries | jq -r '.PARTD_PARTITION // empty' | sort -u)"
expect_match "their kinds" "link" "$(entries | jq -r '.PARTD_KIND // empty' | sort -u)"
expect_match "the changes" "link workshop/veth1" "$(entries | jq -r '.PARTD_CHANGE // empty')"
expect "a message for each change that was made" true \
    "$(entries MESSAGE_ID=1395cb6d3c5a4854882063d158b4c304 | jq -s 'length > 3')"
expect "one for the wrong file" true "$(entries MESSAGE_ID=4ce800dfa0314edab97ce760c19fe8f7 | jq -s 'length > 0')"
expect_match "explained by the catalog" "stays as it is" "$(journalctl --boot --catalog --no-pager MESSAGE_ID=4ce800dfa0314edab97ce760c19fe8f7)"
expect "nothing has the priority of a failure of partd's" "" "$(entries --priority=crit | jq -r .MESSAGE)"
