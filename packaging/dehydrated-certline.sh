# shellcheck shell=bash disable=SC2034 # dehydrated reads it as a part of its configuration
HOOK=/usr/local/bin/certline-dehydrated
