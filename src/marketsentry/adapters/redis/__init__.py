"""What may be lost: caches and words of the moment."""
