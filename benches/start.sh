#!/bin/sh
# How soon a binary answers: its size, `--help`, and the first page of the quickstart after everything is fitted.
# Prints lines for benches/RESULTS.md. Called by `make start`.
set -eu
binary="$1"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo "size: $(wc -c < "$binary") bytes"
python3 - "$binary" <<'PYTHON'
import subprocess, sys, time

times = []
for _ in range(101):
    start = time.perf_counter()
    subprocess.run([sys.argv[1], "--help"], stdout=subprocess.DEVNULL, check=True)
    times.append(1000 * (time.perf_counter() - start))
times.sort()
print(f"--help: median {times[50]:.1f} ms, worst of 101 {times[-1]:.1f} ms")
PYTHON
for _ in 1 2 3; do
    "$binary" run scenarios/quickstart.toml --out "$folder/run" --force --quiet > /dev/null
    python3 - "$folder/run/manifest.json" <<'PYTHON'
import json, sys

manifest = json.load(open(sys.argv[1]))
seconds = {timing["phase"]: timing["seconds"] for timing in manifest["timings"]}
fits = sum(s for phase, s in seconds.items() if phase.startswith("fit "))
# The first page is shown somewhere in the first arm's simulation; its end is later than that.
first = seconds[f"simulate {manifest['arms'][0]['name']}"]
print(f"quickstart: prepare {seconds['prepare']:.3f} s, all fits {fits:.3f} s, then the first page in less than {first:.3f} s "
      f"(every page of the first arm); all of it {sum(seconds.values()):.3f} s")
PYTHON
done
