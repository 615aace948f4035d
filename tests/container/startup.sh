# Leaves a line for each run, and fails where it is asked to.
if [ -e /etc/fail-at-start ]; then
    echo "token=CANARY-OF-A-SECRET"
    exit 3
fi
echo started >>/var/log/startup.log
