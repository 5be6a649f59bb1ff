# shellcheck shell=bash disable=SC2034 # a part of dehydrated's configuration
HOOK=/usr/local/bin/certline-dehydrated
