"""Asks JupyterLab on loopback, as its owner: its version, the page, the kernels it offers with the owner's token, and how it tells of stops."""

import json
import pathlib
import re
import urllib.error
import urllib.request

SERVER = "http://127.0.0.1:8888"


def ask(path, token=None):
    headers = {"Authorization": f"token {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(SERVER + path, headers=headers), timeout=30) as answer:
        return answer.read().decode()


token = (pathlib.Path.home() / ".jupyter/token").read_text().strip()
kernels = json.loads(ask("/api/kernelspecs", token))["kernelspecs"]
try:
    ask("/api/kernelspecs")
    stranger = 200
except urllib.error.HTTPError as error:
    stranger = error.code
lab = ask("/lab", token)
extensions = json.loads(re.search(r'"federated_extensions": (\[.*?\])', lab)[1])
notice = next((one["load"] for one in extensions if one["name"] == "fitout-notice"), None)
assert "_JUPYTERLAB" in ask(f"/lab/extensions/fitout-notice/{notice}", token)
print(json.dumps({"version": json.loads(ask("/api"))["version"], "lab": "<title>JupyterLab" in lab, "kernels": sorted(kernels),
                  "stranger": stranger, "notice": notice, "page": json.loads(ask("/static/status.json"))["name"]}))
