"""What a seal and a signature cost a run, beside ssh-keygen's own time, and how long many runs take to be verified.

Goals: sealing and signing 60 ms a run at most, beyond what ssh-keygen takes for one signature; 1,000 runs verified
within 60 s of processor time, that of ssh-keygen with it. A run here is the sample of the tests: two hosts, four
records. `--runs N`: how many are made and verified.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parents[1])]

import tampering  # noqa: E402

from runbook_lib.records import chain, index, seal, signing, verification  # noqa: E402

TIMES = 9
SEAL_GOAL_MS = 60.0
VERIFY_GOAL_S = 60.0


def milliseconds(since: float) -> float:
    """Wall time since then."""
    return (time.perf_counter() - since) * 1000


def of_children_s() -> float:
    """Processor time of the processes that ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ssh_keygen_alone(site: tampering.Site, content: bytes) -> float:
    """What one signature takes without us."""
    command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(site.keys / "kanri"), "-n", "run@runbook"]
    begun = time.perf_counter()
    subprocess.run(command, input=content, capture_output=True, check=True)
    return milliseconds(begun)


def sealed_and_signed(site: tampering.Site, number: int) -> tuple[float, float]:
    """What seal and signature of a run take, whose records are there by then: in all, and of our processor time."""
    run = f"20261201T000000Z-{number:04x}"
    shutil.copytree(site.root / tampering.SAMPLE / "mail12", site.root / run / "mail12")
    with chain.locked(site.root):
        chain.append(site.root, {"kind": "begin", "run": run})
    for path in (site.root / run / "mail12").glob("*.json"):
        path.write_bytes(path.read_bytes().replace(tampering.SAMPLE.encode(), run.encode()))
    found = index.read_run(site.root / run)
    begun, worked = time.perf_counter(), time.process_time()
    key = signing.find_key(site.root)
    with chain.locked(site.root):
        seal.seal(found, key.principal)
    signing.sign(site.root, run, key)
    return milliseconds(begun), (time.process_time() - worked) * 1000


def main() -> None:
    """Measure in turns and print a table; exit status 1 when a goal is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=1000)
    runs = asked.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        site = tampering.make(Path(folder))
        with tampering.signing_with(site.keys / "kanri"):
            content = (site.root / tampering.PLAN / seal.SUMS).read_bytes()
            ours: list[tuple[float, float]] = []
            alone: list[float] = []
            for number in range(TIMES):
                alone.append(ssh_keygen_alone(site, content))
                ours.append(sealed_and_signed(site, number))
            for number in range(TIMES, runs):
                sealed_and_signed(site, number)
            late = [sealed_and_signed(site, runs + number)[1] for number in range(TIMES)]
        begun, own, theirs = time.perf_counter(), time.process_time(), of_children_s()
        found = verification.check_all(site.root, site.signers)
        verified_s, own_s = time.perf_counter() - begun, time.process_time() - own
        theirs_s = of_children_s() - theirs
        assert found.holds, site.told()
    beyond = statistics.median(wall for wall, _ in ours) - statistics.median(alone)
    worked, behind = statistics.median(own for _, own in ours), statistics.median(late)
    each = (own_s + theirs_s) * 1000 / len(found.runs)
    keygen = theirs_s * 1000 / len(found.runs)
    told = [
        f"ssh-keygen -Y sign, alone            {statistics.median(alone):.1f} ms",
        f"seal and sign, beyond that           {beyond:.1f} ms, which waits for disk and processor, too",
        f"of it our own processor time         {worked:.1f} ms (goal {SEAL_GOAL_MS:g} ms)",
        f"the same, behind {runs} runs          {behind:.1f} ms (goal {SEAL_GOAL_MS:g} ms)",
        f"{len(found.runs)} signed runs verified   {verified_s:.1f} s, with a process of ssh-keygen for each",
        f"of it processor time           {each:.1f} ms each (goal {VERIFY_GOAL_S:g} ms), {keygen:.1f} of ssh-keygen",
    ]
    sys.stdout.write("\n".join(told) + "\n")
    raise SystemExit(max(worked, behind) > SEAL_GOAL_MS or each > VERIFY_GOAL_S)


if __name__ == "__main__":
    main()
