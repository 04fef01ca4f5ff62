"""Measurements of the product on the machine at hand, beside references of the same run."""
