"""Speed and memory as ratios inside one run; `tools/benchmark.py` prints them."""
