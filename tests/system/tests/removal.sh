# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# Removal while processes live in it, and of things of all kinds at once.

example workshop
example pod
example limits
apply
inside shop-web sleep 300 &
inside workshop sleep 300 &
partctl exec crunch -- sh -c 'trap "" TERM; sleep 301' &
at_end 'wait'
eventually "they run" 20 bash -c '[[ $(pgrep --count --full "^sleep 30[01]") == 3 ]]'
rm /etc/partd/*.toml
check_fails "the delete limit refuses" 7 partctl apply
check "partctl apply --allow-delete" timeout 60 partctl apply --allow-delete --no-legend
eventually "their processes have ended" 20 bash -c '! pgrep --full "^sleep 30[01]"'
eventually "nothing is left" 10 nothing_left
