"""Trading on a virtual clock from one seed: faults, crashes, outages, and what must be true afterwards all the same."""
