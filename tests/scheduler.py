"""A Dask scheduler with one worker, for a test that kills it: it prints its address and waits."""

import time

from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as here:
        print(here.scheduler_address, flush=True)
        time.sleep(600)
