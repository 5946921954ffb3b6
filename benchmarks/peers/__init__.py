"""The same work in other libraries, run in an environment of their own."""
