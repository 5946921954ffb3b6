"""What becomes of an order: its states, its legs at the venue, and the events that alone may move it."""
