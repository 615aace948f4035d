# Leaves a line for each run, and fails or takes its time where it is asked to.
if [ -e /etc/fail-at-start ]; then
    echo "token=CANARY-OF-A-SECRET"
    exit 3
fi
if [ -e /etc/slow-at-start ]; then
    sleep 100000
fi
echo started >>/var/log/startup.log
