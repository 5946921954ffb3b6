"""The record in PostgreSQL: one module per aggregate, SQL as text, and the migrations."""
