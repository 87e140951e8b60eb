"""The same in Python with requests, as scripts have it. The clock starts behind the imports."""

import os
import resource
import time
import zlib

import requests

begun = resource.getrusage(resource.RUSAGE_SELF)
started = time.perf_counter()
url = os.environ["BENCH_URL"]
session = requests.Session()
session.trust_env = False
if "BENCH_CA" in os.environ:
    session.verify = os.environ["BENCH_CA"]

token = session.post(
    url + "/5a1c0c1e-0000-4000-8000-000000000001/oauth2/v2.0/token",
    data={
        "grant_type": "client_credentials",
        "client_id": "5a1c0c1e-0000-4000-8000-000000000002",
        "client_secret": "bench-secret",
        "scope": "https://api.securitycenter.microsoft.com/.default",
    },
).json()["access_token"]
session.headers["Authorization"] = "Bearer " + token

rows, checksum, first = 0, 0, None
link = url + "/api/machines"
while link:
    response = session.get(link)
    response.raise_for_status()
    page = response.json()
    for machine in page["value"]:
        if first is None:
            first = time.perf_counter()
        rows += 1
        keys = ("id", "computerDnsName", "agentVersion")
        texts = "".join(machine[key] or "" for key in keys).encode()
        lengths = bytes((len(machine["machineTags"]), len(machine["ipAddresses"])))
        checksum = zlib.crc32(texts + lengths, checksum)
    link = page.get("@odata.nextLink")

ended = time.perf_counter()
usage = resource.getrusage(resource.RUSAGE_SELF)
with open("/proc/self/status") as status:
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
print(
    f"rows={rows} checksum={checksum} wall={round((ended - started) * 1e6)}"
    f" first={round((first - started) * 1e6)}"
    f" cpu={round((usage.ru_utime + usage.ru_stime - begun.ru_utime - begun.ru_stime) * 1e6)}"
    f" peak={peak}"
)
