#!/bin/bash
# Notes each start of the machine, one line a boot.
# Makes:   /var/log/fitout-starts.log
# Checked: it has one line for each boot
set -euo pipefail

echo "boot $(cat /proc/sys/kernel/random/boot_id)" >> /var/log/fitout-starts.log
