"""Venues: ccxt and its errors stay in here."""
