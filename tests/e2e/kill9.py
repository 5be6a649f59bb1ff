#!/usr/bin/env python3
"""kill -9 at any moment: everything acknowledged is still there, and every backup is complete."""

import signal
import sys
import threading

sys.dont_write_bytecode = True
from harness import CERTLINED, Daemon, check, equal, main, run, wait_for

KILLS = 50
CLIENTS = 3
PIPELINE = 20
ACKNOWLEDGED_A_ROUND = 150
CONFIG = """
[limits]
names_per_key = 1000000
"""
KEY = "storm-{client:010}"


class Storm:
    """Clients that add names as fast as they are acknowledged, until the daemon is gone."""

    def __init__(self, daemon, turn):
        self.daemon, self.turn = daemon, turn
        self.acknowledged = [{} for _ in range(CLIENTS)]  # name → id
        self.threads = [threading.Thread(target=self._add, args=(n,)) for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _add(self, client):
        key, count = KEY.format(client=client), 0
        try:
            with self.daemon.line() as line:
                while True:
                    names = [f"n{count + i}.r{self.turn}.c{client}.example.org"
                             for i in range(PIPELINE)]
                    count += PIPELINE
                    line.send("".join(f"command add domain {name} apikey {key}\n"
                                      for name in names).encode())
                    for name in names:
                        reply = line.read_reply()
                        check(reply.code == 200, f"{name}: {reply}")
                        self.acknowledged[client][name] = reply.pairs["id"]
        except Exception:  # the daemon was killed: what came before counts
            return

    def count(self):
        return sum(len(names) for names in self.acknowledged)

    def wait(self):
        for thread in self.threads:
            thread.join()


def names_of(line, key):
    names, after = [], ""
    while True:
        reply = line.request(f"command domains apikey {key}{after}")
        if reply.code == 401:
            return names
        check(reply.code == 200, f"{reply}")
        names += (reply.data or "").split()
        if "no more follow" in reply.text:
            return names
        after = f" after {names[-1]}"


def consistent(daemon, line):
    """Every name that is listed can be asked for, and the counts are those of the lists."""
    everything = [names_of(line, KEY.format(client=client)) for client in range(CLIENTS)]
    for client, names in enumerate(everything):
        equal(names, sorted(set(names)), "a list is ascending, without doubles")
        for name in names[::17]:
            reply = line.request(f"command expiration domain {name} "
                                 f"apikey {KEY.format(client=client)}")
            equal(reply.code, 200, f"{name}: {reply}")
    equal(int(line.request("command status").pairs["names"]), sum(map(len, everything)),
          "the count of names")
    return [set(names) for names in everything]


def killed_fifty_times(directory):
    acknowledged = [{} for _ in range(CLIENTS)]
    for turn in range(KILLS):
        with Daemon(directory, CONFIG) as daemon:
            storm = Storm(daemon, turn)
            wait_for(lambda: storm.count() >= ACKNOWLEDGED_A_ROUND, "acknowledged names")
            daemon.signal(signal.SIGKILL)
            daemon.wait_exit()
            storm.wait()
            daemon.stop = lambda: None  # it has ended
        for client in range(CLIENTS):
            acknowledged[client].update(storm.acknowledged[client])
    with Daemon(directory, CONFIG) as daemon, daemon.line() as line:
        there = consistent(daemon, line)
        for client in range(CLIENTS):
            lost = set(acknowledged[client]) - there[client]
            equal(lost, set(), f"acknowledged names of client {client} that are lost")
            for name in list(acknowledged[client])[::37]:
                reply = line.request(f"command add domain {name} "
                                     f"apikey {KEY.format(client=client)}")
                equal(reply.pairs["id"], acknowledged[client][name], f"the id of {name}")
    print(f"      {sum(map(len, acknowledged))} acknowledged names survived {KILLS} kills")


def backup_in_the_storm(directory):
    backup = directory / "backup"
    with Daemon(directory, CONFIG) as daemon:
        storm = Storm(daemon, 0)
        wait_for(lambda: storm.count() >= ACKNOWLEDGED_A_ROUND, "acknowledged names")
        before = [set(names) for names in storm.acknowledged]
        run(CERTLINED, "backup", backup, "--config", daemon.config_file)
        wait_for(lambda: storm.count() > sum(map(len, before)), "the storm to go on")
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        storm.wait()
        daemon.stop = lambda: None
    second = directory / "second"
    second.mkdir()
    with Daemon(second, CONFIG) as daemon:
        daemon.request(f"command add domain soon-gone.example.org apikey {KEY.format(client=9)}")
    run(CERTLINED, "restore", backup, "--config", second / "certlined.toml")
    with Daemon(second, CONFIG) as daemon, daemon.line() as line:
        there = consistent(daemon, line)
        for client in range(CLIENTS):
            equal(before[client] - there[client], set(), "names acknowledged before the backup")
            made = {name for name in there[client] if name.endswith(f".c{client}.example.org")}
            equal(there[client], made, "names of this client only")
        equal(line.request(f"command domains apikey {KEY.format(client=9)}").code, 401,
              "what was there before the restore")


if __name__ == "__main__":
    main(killed_fifty_times, backup_in_the_storm)
