"""Uses JupyterLab as its owner: begins a kernel that computes and a terminal, interrupts the kernel, counts both."""

import json
import pathlib
import sys
import urllib.request

import jupyter_client

HOME = pathlib.Path.home()
TOKEN = (HOME / ".jupyter/token").read_text().strip()


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request("http://127.0.0.1:8888/api/" + path, data, {"Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.loads(answer.read() or "null")


match sys.argv[1]:
    case "begin":
        kernel = ask("kernels", {"name": "quick"})["id"]
        ask("terminals", {})
        client = jupyter_client.BlockingKernelClient(connection_file=str(HOME / f".local/share/jupyter/runtime/kernel-{kernel}.json"))
        client.load_connection_file()
        # Without its heartbeat, which takes a machine that is slow for a dead kernel.
        client.start_channels(hb=False)
        client.wait_for_ready(timeout=60)
        client.execute("import time; time.sleep(1000)")
        client.get_iopub_msg(timeout=60)
        print(kernel[:8])
    case "interrupt":
        ask("kernels/" + ask("kernels")[0]["id"] + "/interrupt", {})
    case "count":
        print(len(ask("kernels")), len(ask("terminals")))
