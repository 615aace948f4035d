"""What py-rattler does for the same jobs.

  peer.py install LOCK PREFIX CACHE       an environment of a lock
  peer.py solve CHANNEL CACHE SPEC...     what a set of packages comes to
"""

import asyncio
import os
import sys

import rattler


async def install(lock, prefix, cache):
    environment = rattler.LockFile.from_path(lock).default_environment()
    platform = next(one for one in environment.platforms() if str(one.name) == "linux-64")
    records = environment.conda_repodata_records_for_platform(platform)
    await rattler.install(records, target_prefix=prefix, cache_dir=cache, show_progress=False)


async def solve(channel, cache, *specs):
    gateway = rattler.Gateway(cache_dir=cache)
    virtual = [
        rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.BuildString("0"))
        for name, version in [("__unix", "0"), ("__linux", "5.10"), ("__glibc", "2.36")]
    ]
    found = await rattler.solve(
        [channel], list(specs), gateway=gateway, platforms=["linux-64", "noarch"], virtual_packages=virtual, channel_priority=rattler.ChannelPriority.Strict
    )
    print(len(found))


asyncio.run({"install": install, "solve": solve}[sys.argv[1]](*sys.argv[2:]))
# It sometimes crashes while the interpreter ends, after all is done.
sys.stdout.flush()
os._exit(0)
