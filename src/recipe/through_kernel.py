# Runs code in a kernel.
# Starts the kernel named in argv[1] through its kernelspec, runs argv[2] within argv[3] seconds, prints what it prints, fails where it fails.
import sys
import time
from queue import Empty

from jupyter_client.manager import KernelManager

name, code, limit = sys.argv[1], sys.argv[2], float(sys.argv[3])
end = time.monotonic() + limit
manager = KernelManager(kernel_name=name)


def message(get):
    # What the kernel says next, if it lives to say anything: one that died would be waited for in vain.
    while time.monotonic() < end:
        try:
            return get(timeout=1)
        except Empty:
            if not manager.is_alive():
                sys.exit(f"the kernel {name} died")
    sys.exit(f"the kernel {name} did not end within {limit:g} s")


def run(client):
    asked = client.execute(code)
    while True:
        said = message(client.get_iopub_msg)
        kind, content = said["msg_type"], said["content"]
        if said["parent_header"].get("msg_id") != asked:
            continue
        if kind == "stream":
            getattr(sys, content["name"]).write(content["text"])
        elif kind in ("display_data", "execute_result"):
            print(content["data"].get("text/plain", ""))
        elif kind == "error":
            print("\n".join(content["traceback"]), file=sys.stderr)
        elif kind == "status" and content["execution_state"] == "idle":
            break
    while True:
        reply = message(client.get_shell_msg)
        if reply["parent_header"].get("msg_id") == asked:
            return 0 if reply["content"]["status"] == "ok" else 1


manager.start_kernel()
client = manager.client()
client.start_channels()
try:
    client.wait_for_ready(timeout=limit)
    sys.exit(run(client))
except RuntimeError as error:
    sys.exit(f"the kernel {name}: {error}")
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
