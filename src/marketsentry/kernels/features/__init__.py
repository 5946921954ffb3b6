"""The compiled feature step: one bar of every symbol in, one row of features out."""
