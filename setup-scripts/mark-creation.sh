#!/bin/bash
# Makes: a line in /var/lib/fitout-marks/creation for each run, which must stay one.
# Checked by: `wc -l < /var/lib/fitout-marks/creation` on the machine; tests/vm.rs does so.
set -euo pipefail
mkdir -p /var/lib/fitout-marks
echo "${CI_NAME:-} ${ADMIN_USERNAME:-}" | tee -a /var/lib/fitout-marks/creation > /dev/null
echo "created ${CI_NAME:-this machine} for ${ADMIN_USERNAME:-nobody}"
