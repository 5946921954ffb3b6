"""A venue on loopback for tests, the demo and drills. It knows nothing of the rest of the package."""
