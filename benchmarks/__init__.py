"""Budgets of the product, measured: one module per part, one function per row, run by `ms bench`."""
