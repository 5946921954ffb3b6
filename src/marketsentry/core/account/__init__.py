"""What an account holds and has earned: sums over fills and ledger entries, and nothing else."""
