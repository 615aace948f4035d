#!/bin/bash
# Makes a folder of first notebooks for the owner.
#   welcome.sh FOLDER
# Makes:   ~/FOLDER/welcome.ipynb, the owner's
# Checked: the file exists, and is left alone when the script runs again
set -euo pipefail

folder=${1:?usage: welcome.sh FOLDER}
home=$(getent passwd "$CI_LOCAL_UBUNTU_USER" | cut -d: -f6)
notebook=$home/$folder/welcome.ipynb

if [ -e "$notebook" ]; then
    echo "$notebook is there already"
    exit 0
fi
install -d -o "$CI_LOCAL_UBUNTU_USER" -g "$CI_LOCAL_UBUNTU_USER" "$home/$folder"
cat > "$notebook" <<'JSON'
{
 "cells": [
  {"cell_type": "code", "execution_count": null, "id": "first", "metadata": {}, "outputs": [],
   "source": ["import sys\n", "print(sys.executable)"]}
 ],
 "metadata": {"kernelspec": {"name": "quick", "display_name": "Python 3.11 (quick)", "language": "python"}},
 "nbformat": 4, "nbformat_minor": 5
}
JSON
chown "$CI_LOCAL_UBUNTU_USER:" "$notebook"
echo "made $notebook on $CI_NAME"
