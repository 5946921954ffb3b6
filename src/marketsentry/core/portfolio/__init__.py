"""From a prediction to a signal, from signals to a target book and its orders (contract 1.4)."""
