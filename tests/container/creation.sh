# Leaves a line for each run, so that a second one shows.
echo "$1 for $CI_LOCAL_UBUNTU_USER" >>/var/log/creation.log
