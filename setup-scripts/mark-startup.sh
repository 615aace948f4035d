#!/bin/bash
# Makes: a line in /var/lib/fitout-marks/startup, the boot ID, at each start.
# Checked by: the last line is /proc/sys/kernel/random/boot_id, and no line is there twice; tests/vm.rs does so.
set -euo pipefail
mkdir -p /var/lib/fitout-marks
tee -a /var/lib/fitout-marks/startup < /proc/sys/kernel/random/boot_id > /dev/null
echo "started in boot $(cat /proc/sys/kernel/random/boot_id)"
