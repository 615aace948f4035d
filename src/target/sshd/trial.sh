# What sshd does with a configuration that is not on the machine yet. Runs in a view of the machine where /etc/ssh and the owner's .ssh
# can be written and nothing is kept, in a network where nobody else is: all that is made here, the throw-away key too, ends with it.
# Arguments: what to try, a file that holds the new text if there is to be one, its place or nothing, and what the trial takes.
set -eu
act=$1 candidate=$2 place=$3
shift 3
mkdir -p /run/sshd
if [ -e "$candidate" ]; then
    mkdir -p "${place%/*}"
    cat "$candidate" >"$place"
    # As it will be: the keys of an owner are the owner's, and no mode of an older file keeps sshd from them.
    chown --reference="${place%/*}" "$place"
    chmod go-w "$place"
elif [ -n "$place" ]; then
    rm -f "$place"
fi
# An image has none: each machine makes its own.
ls /etc/ssh/ssh_host_*_key >/dev/null 2>&1 || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
case $act in
test)
    exec /usr/sbin/sshd -t
    ;;
policy)
    for visit; do
        /usr/sbin/sshd -T -C "$visit"
        echo
    done
    ;;
login)
    user=$1 keys=$2 port=$3
    key=/run/fitout-throw-away
    ssh-keygen -q -t ed25519 -N '' -C throw-away -f "$key"
    # The last line of the owner's keys may lack its end.
    { echo && cat "$key.pub"; } >>"$keys"
    : >/run/fitout-sshd.log
    /usr/sbin/sshd -D -e -o AddressFamily=any -o "ListenAddress=127.0.0.1:$port" -o PidFile=none -o LogLevel=VERBOSE 2>/run/fitout-sshd.log &
    for _ in $(seq 100); do
        grep -q 'Server listening on 127.0.0.1' /run/fitout-sshd.log && break
        kill -0 $! 2>/dev/null || break
        sleep 0.05
    done
    status=0
    ssh -F none -i "$key" -p "$port" -l "$user" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
        -o PreferredAuthentications=publickey -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=10 127.0.0.1 true </dev/null >&2 || status=$?
    if [ "$status" != 0 ]; then
        cat /run/fitout-sshd.log >&2
        exit 1
    fi
    ;;
esac
